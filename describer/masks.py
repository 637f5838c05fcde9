"""Boolean masks to numbers: box, centroid, overlap, parts. Arrays are ``(H, W)`` bool."""

from __future__ import annotations

import cv2
import numpy as np

from describer.types import Box


def box_of(mask: np.ndarray) -> Box | None:
    """Half-open (x0, y0, x1, y1) of the true pixels, or None of an empty mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def centroid_of(mask: np.ndarray) -> tuple[float, float]:
    """Mean (x, y) of the true pixels' centers; the frame's middle for an empty mask."""
    moments = cv2.moments(mask.astype(np.uint8), binaryImage=True)
    if moments["m00"] == 0:
        return mask.shape[1] / 2, mask.shape[0] / 2
    return moments["m10"] / moments["m00"] + 0.5, moments["m01"] / moments["m00"] + 0.5


def dilate(mask: np.ndarray, radius_px: int) -> np.ndarray:
    """Grow by a disc of ``radius_px``; 0 returns the mask itself."""
    if radius_px <= 0:
        return mask
    size = 2 * radius_px + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.dilate(mask.astype(np.uint8), disc).astype(bool)


def iou(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two masks; 0 when both are empty."""
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 0.0


def components(mask: np.ndarray, min_area_px: int) -> list[np.ndarray]:
    """8-connected parts of at least ``min_area_px``, largest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:count, cv2.CC_STAT_AREA]
    order = [i for i in np.argsort(-areas, kind="stable") if areas[i] >= min_area_px]
    return [labels == i + 1 for i in order]
