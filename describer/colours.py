"""The one place that names colours: nearest named colour in CIE Lab, lightness weighing less than hue."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

NAMED: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("black", (22, 22, 24)),
    ("grey", (120, 120, 122)),
    ("silver", (188, 190, 194)),
    ("white", (244, 243, 240)),
    ("dark red", (96, 22, 20)),
    ("red", (168, 44, 40)),
    ("brown", (110, 66, 46)),
    ("dark brown", (62, 38, 28)),
    ("reddish brown", (134, 70, 58)),
    ("pink", (216, 128, 124)),
    ("pale pink", (232, 186, 180)),
    ("orange", (224, 132, 72)),
    ("yellow", (222, 180, 80)),
    ("pale yellow", (236, 214, 160)),
    ("beige", (200, 172, 146)),
    ("purple", (128, 84, 122)),
    ("blue", (84, 112, 184)),
    ("pale blue", (172, 196, 226)),
    ("green", (110, 136, 84)),
)
COLOUR_WORDS = tuple(name for name, _ in NAMED)
_LIGHTNESS_WEIGHT = 0.55
_CLEARLY = 30.0
_BLOWN = 225
BLOWN_REGION, BLOWN_VIEW = 0.012, 0.015
"""A region, or the whole view, of which more than this share is blown out has glare."""


def _to_lab(rgb: NDArray) -> NDArray:
    return cv2.cvtColor(np.asarray(rgb, np.float32).reshape(-1, 1, 3) / 255.0, cv2.COLOR_RGB2LAB)[:, 0]


def name_colour(rgb: NDArray) -> str:
    """The nearest word for a display colour (3,) in 0..255."""
    table = _to_lab(np.array([value for _, value in NAMED]))
    delta = (table - _to_lab(rgb)) * np.array([_LIGHTNESS_WEIGHT, 1.0, 1.0], np.float32)
    return NAMED[int(np.argmin((delta * delta).sum(axis=1)))][0]


def clearly_differ(one: str, other: str) -> bool:
    """Whether no one would call the same thing both: False also where one is none of `COLOUR_WORDS`."""
    if one not in COLOUR_WORDS or other not in COLOUR_WORDS:
        return False
    lab = _to_lab(np.array([value for name, value in NAMED if name in (one, other)]))
    return one != other and float(np.linalg.norm((lab[0] - lab[1]) * (_LIGHTNESS_WEIGHT, 1.0, 1.0))) > _CLEARLY


def _quantile(values: NDArray, share: float) -> float:
    return float(np.partition(values, at := int(share * (len(values) - 1)))[at])


def mean_colour(pixels: NDArray) -> NDArray:
    """Typical display colour of an object's pixels (N, 3): without its deepest shadows and its highlights."""
    values = pixels.astype(np.float32)
    luma = values @ np.array([0.299, 0.587, 0.114], np.float32)
    low, high = _quantile(luma, 0.45), _quantile(luma, 0.94)
    keep = ((luma >= low) & (luma <= high)).astype(np.float32)
    return (keep @ values) / keep.sum()


def is_blown(pixels: NDArray) -> NDArray:
    """Which of the pixels (N, 3) a highlight has washed out, bool (N,)."""
    blown: NDArray = np.ascontiguousarray(pixels.T).min(axis=0) > _BLOWN
    return blown
