"""The pictures of a prompt: the frame made smaller, and the focal crop of one region.

The crop follows the focal prompt of "Describe Anything" (arXiv 2504.16072): the region's box grown to three
times its area, so that the model sees detail and its surroundings at once.
"""

from __future__ import annotations

import cv2
import numpy as np

from describer.types import Box, Region

FRAME_SIDE_PX = 672
CROP_SIDE_PX = 336
MIN_CROP_PX = 48
GROW = 3**0.5
DIM = 0.45


def at_most(image: np.ndarray, side_px: int) -> np.ndarray:
    """The (H, W, 3) image shrunk so that its longer side is at most ``side_px``; never enlarged."""
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    if scale >= 1:
        return image
    return _shrunk(image, (max(1, round(width * scale)), max(1, round(height * scale))))


def _shrunk(image: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """Halved as often as may be, then linear: no pixel is left out, at a tenth of what averaging areas costs."""
    while min(image.shape[1] / size_wh[0], image.shape[0] / size_wh[1]) >= 2:
        image = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_LINEAR)
    return cv2.resize(image, size_wh, interpolation=cv2.INTER_LINEAR)


def focal_box(box_xyxy: Box, size_wh: tuple[int, int]) -> Box:
    """The box at sqrt(3) times its longer side and at least 48 px, square where the frame has room.

    It is shifted, not cut, at the frame's border, and always holds the given box.
    """
    x0, y0, x1, y1 = box_xyxy
    side = max(GROW * (x1 - x0), GROW * (y1 - y0), MIN_CROP_PX)
    left, right = _span((x0 + x1) / 2, side, size_wh[0])
    top, bottom = _span((y0 + y1) / 2, side, size_wh[1])
    return left, top, right, bottom


def _span(middle: float, length: float, limit: int) -> tuple[int, int]:
    whole = min(round(length), limit)
    start = min(max(round(middle - whole / 2), 0), limit - whole)
    return start, start + whole


def focal_crop(image: np.ndarray, region: Region) -> np.ndarray:
    """The region with its surroundings dimmed to 45 %: RGB (h, w, 3), the longer side at most 336 px."""
    x0, y0, x1, y1 = focal_box(region.box_xyxy, (image.shape[1], image.shape[0]))
    # Shrunk first, dimmed after: the same picture but for the rim's pixels, at a tenth of the cost.
    crop = at_most(image[y0:y1, x0:x1], CROP_SIDE_PX)
    mask = region.mask.to_array()[y0:y1, x0:x1].astype(np.uint8) * 255
    inside = _shrunk(mask, (crop.shape[1], crop.shape[0]))
    weight = cv2.convertScaleAbs(inside, alpha=1 - DIM, beta=255 * DIM)
    dimmed: np.ndarray = cv2.multiply(crop, cv2.merge([weight] * 3), scale=1 / 255)
    return dimmed
