"""Answers as a picture: under each question and its answer the frame with the regions that the answer rests on."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from describer.overlay import draw_overlay
from describer.taxonomy import Taxonomy
from describer.types import Answer, Frame, Scene

_PAPER, _INK, _MUTED = (24, 26, 31), (236, 238, 242), (150, 156, 166)
_FONT_SHARE = 1 / 44  # of the picture's mean side


def answer_picture(shown: Sequence[tuple[Frame, Scene, Answer]], taxonomy: Taxonomy) -> np.ndarray:
    """RGB uint8 (H, W, 3): below each other the answers, each with its frame where it rests on regions of it.

    InputError when a scene is not of its frame's size.
    """
    panels = []
    for frame, scene, answer in shown:
        drawn = draw_overlay(frame.image, scene.only(answer.region_ids), taxonomy) if answer.region_ids else frame.image
        panels.append(_caption(answer, drawn.shape[1], sum(frame.ref.size_wh) / 2))
        if answer.region_ids or len(shown) == 1:
            panels.append(drawn)
    width = max(panel.shape[1] for panel in panels)
    return np.concatenate([_widened(panel, width) for panel in panels])


def _caption(answer: Answer, width: int, side: float) -> np.ndarray:
    size = max(12, round(side * _FONT_SHARE))
    font = ImageFont.load_default(size)
    lines = [(answer.question, _MUTED), (answer.text, _INK)]
    if answer.agrees is False:
        lines.append((f"The language model says: {answer.model_answer}", _MUTED))
    letters = max(10, int((width - 2 * size) / (0.52 * size)))
    wrapped = [(part, ink) for text, ink in lines for part in textwrap.wrap(text, letters) or [""]]
    sheet = Image.new("RGB", (width, round((1.5 * len(wrapped) + 1) * size)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, (text, ink) in enumerate(wrapped):
        draw.text((size, (0.5 + 1.5 * row) * size), text, font=font, fill=ink)
    return np.asarray(sheet)


def _widened(panel: np.ndarray, width: int) -> np.ndarray:
    missing = width - panel.shape[1]
    return panel if missing == 0 else np.pad(panel, ((0, 0), (0, missing), (0, 0)))
