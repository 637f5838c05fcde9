"""What a person points at (a mask, a box, a point) to a mask, and to the region found there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from describer.errors import InputError
from describer.masks import iou
from describer.types import Mask, Region, Scene

Pointed = Mask | np.ndarray | Sequence[float]

_BOX_IOU = 0.3
_MEANT = "a region is an id, a mask, a box of 4 or a point of 2 numbers"
_POINT_RADIUS = 0.04  # of the frame's longer side


def as_mask(pointed: Pointed, hw: tuple[int, int]) -> np.ndarray:
    """A ``(H, W)`` bool mask of a Mask, a bool array, a box (x0, y0, x1, y1) or a point (x, y) in pixels."""
    if isinstance(pointed, Mask):
        return _of_frame(pointed.to_array(), hw)
    if isinstance(pointed, np.ndarray) and pointed.ndim == 2:
        return _of_frame(pointed.astype(bool), hw)
    numbers = _numbers(pointed)
    mask = np.zeros(hw, np.uint8)
    if len(numbers) == 2:
        radius = max(2, round(_POINT_RADIUS * max(hw)))
        x, y = _inside(numbers, hw)
        cv2.circle(mask, (x, y), radius, 1, -1)
    elif len(numbers) == 4:
        x0, y0, x1, y1 = (round(v) for v in numbers)
        mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = 1
        if not mask.any():
            raise InputError(f"box {tuple(numbers)} holds no pixel of the {hw[1]}x{hw[0]} frame; give x0, y0, x1, y1.")
    else:
        raise InputError(f"{_MEANT}; got {len(numbers)} numbers.")
    return mask.astype(bool)


def _numbers(pointed: Pointed) -> list[float]:
    try:
        numbers = [float(v) for v in pointed]  # type: ignore[union-attr, arg-type]
    except (TypeError, ValueError) as error:
        raise InputError(f"{_MEANT}; got {pointed!r}.") from error
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"{_MEANT}; got {tuple(numbers)}, which is not finite.")
    return numbers


def _of_frame(mask: np.ndarray, hw: tuple[int, int]) -> np.ndarray:
    if mask.shape != tuple(hw):
        raise InputError(f"the mask has shape {mask.shape}, the frame {tuple(hw)} (H, W); give one of that size.")
    if not mask.any():
        raise InputError("the mask is empty; paint at least one pixel.")
    return mask


def _inside(point_xy: Sequence[float], hw: tuple[int, int]) -> tuple[int, int]:
    x, y = (math.floor(v) for v in point_xy)
    if not (0 <= x < hw[1] and 0 <= y < hw[0]):
        raise InputError(f"point ({x}, {y}) lies outside of the {hw[1]}x{hw[0]} frame; give x, y in pixels.")
    return x, y


def region_at(scene: Scene, pointed: Pointed) -> Region | None:
    """The found region a box or point means: the smallest one under the point, the best match of the box.

    None for a mask, which means exactly its own pixels, and where nothing was found.
    """
    if isinstance(pointed, (Mask, np.ndarray)) and (isinstance(pointed, Mask) or pointed.ndim == 2):
        return None
    hw = (scene.size_wh[1], scene.size_wh[0])
    target = as_mask(pointed, hw)
    masks = [(region, region.mask.to_array()) for region in scene.regions]
    if len(pointed) == 2:  # type: ignore[arg-type]
        x, y = _inside(pointed, hw)  # type: ignore[arg-type]
        under = [(region.area_fraction, region.id, region) for region, mask in masks if mask[y, x]]
        return min(under)[2] if under else None
    scored = [(max(iou(mask, target), _box_iou(region, target)), region) for region, mask in masks]
    best = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    return best[1] if best[0] >= _BOX_IOU else None


def _box_iou(region: Region, target: np.ndarray) -> float:
    box = np.zeros_like(target)
    x0, y0, x1, y1 = region.box_xyxy
    box[y0:y1, x0:x1] = True
    return iou(box, target)
