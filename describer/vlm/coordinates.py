"""Boxes as each family writes them, and back: conversion happens here, at the model's edge, and nowhere else.

Prompts speak of boxes as shares of the picture (`describer.messages.box_mark`), whatever its size becomes on the way.
What a model was taught differs:

shares     [x0, y0, x1, y1] in 0 to 1 of the picture         LLaVA (arXiv 2310.03744), and families with no habit
thousand   [x0, y0, x1, y1] in 0 to 1000 of the picture      Qwen2-VL (2409.12191), Qwen3-VL, InternVL
pixels     [x0, y0, x1, y1] in pixels of the resized picture Qwen2.5-VL (2502.13923)
loc        <locY0><locX0><locY1><locX1> in 0 to 1023         PaliGemma (2407.07726)
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from describer.messages import Chat, Message, Shares, Text, marked_boxes, pictures

Form = Literal["shares", "thousand", "pixels", "loc"]

_FORMS: dict[str, Form] = {
    "qwen2_vl": "thousand",
    "qwen2_5_vl": "pixels",
    "qwen3_vl": "thousand",
    "internvl": "thousand",
    "paligemma": "loc",
}
"""By what a family's processor or a server's model is called, letters and digits only compared."""

_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*"
_LIST = re.compile(r"\[" + ",".join([_NUMBER] * 4) + r"\]")
_LOC = re.compile(r"<loc(\d{4})>" * 4)
_LOC_TOP = 1023


@dataclass(frozen=True, slots=True)
class Resize:
    """How Qwen2-VL and later make a picture fit: sides are multiples of ``factor_px``, the area is within limits."""

    factor_px: int = 28
    least_px: int = 56 * 56
    most_px: int = 28 * 28 * 1280 * 10

    def seen(self, size_wh: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of the picture that the model is shown (``smart_resize`` of arXiv 2409.12191)."""
        width, height = size_wh
        step = self.factor_px
        seen_w, seen_h = (max(step, round(side / step) * step) for side in size_wh)
        if seen_w * seen_h > self.most_px:
            shrink = math.sqrt(width * height / self.most_px)
            seen_w, seen_h = (max(step, math.floor(side / shrink / step) * step) for side in size_wh)
        elif seen_w * seen_h < self.least_px:
            grow = math.sqrt(self.least_px / (width * height))
            seen_w, seen_h = (math.ceil(side * grow / step) * step for side in size_wh)
        return seen_w, seen_h


@dataclass(frozen=True, slots=True)
class BoxStyle:
    """One family's way with boxes; ``resize`` matters to "pixels" alone."""

    form: Form = "shares"
    resize: Resize = Resize()

    def write(self, box: Shares, size_wh: tuple[int, int]) -> str:
        """A box as the model reads it; ``size_wh`` is of the picture that is sent."""
        if self.form == "loc":
            x0, y0, x1, y1 = (f"<loc{round(share * _LOC_TOP):04d}>" for share in box)
            return f"{y0}{x0}{y1}{x1}"
        if self.form == "shares":
            return f"[{', '.join(f'{share:.3f}' for share in box)}]"
        return f"[{', '.join(str(round(share * unit)) for share, unit in zip(box, self._units(size_wh)))}]"

    def read(self, text: str, size_wh: tuple[int, int]) -> list[Shares]:
        """The boxes in what a model says, in order; what is no box (sides swapped, outside) is left out."""
        found = []
        for match in (_LOC if self.form == "loc" else _LIST).finditer(text):
            numbers = [float(number) for number in match.groups()]
            if self.form == "loc":
                numbers = [numbers[i] for i in (1, 0, 3, 2)]
            x0, y0, x1, y1 = (number / unit for number, unit in zip(numbers, self._units(size_wh)))
            if 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1:
                found.append((x0, y0, x1, y1))
        return found

    def _units(self, size_wh: tuple[int, int]) -> Sequence[float]:
        if self.form == "pixels":
            return self.resize.seen(size_wh) * 2
        return ({"shares": 1.0, "thousand": 1000.0, "loc": float(_LOC_TOP)}[self.form],) * 4


def style_of(name: str) -> BoxStyle:
    """By the name of a family, a processor's class or a server's model, as ``Qwen/Qwen2.5-VL-7B-Instruct``."""
    plain = _plain(name)
    return BoxStyle(next((form for family, form in _FORMS.items() if _plain(family) in plain), "shares"))


def style_for(processor: Any) -> BoxStyle:
    """A local processor's style, with its own limits of size."""
    style = style_of(type(processor).__name__)
    if style.form != "pixels":
        return style
    images = processor.image_processor
    step = images.patch_size * images.merge_size
    return BoxStyle(style.form, Resize(step, images.size["shortest_edge"], images.size["longest_edge"]))


def with_boxes(chat: Chat, style: BoxStyle) -> Chat:
    """The chat with its boxes, which are of its first picture, as the model reads them."""
    shown = pictures(chat)
    if not shown:
        return chat
    size_wh = (shown[0].image.shape[1], shown[0].image.shape[0])

    def spoken(part: Any) -> Any:
        if not isinstance(part, Text):
            return part
        return Text(marked_boxes(part.text, lambda box: style.write(box, size_wh)))

    return tuple(Message(message.role, tuple(map(spoken, message.parts))) for message in chat)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
