"""Geometry a person would use: the place on a 3x3 grid, sizes in words, where an instrument enters."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from describer.masks import box_of, centroid_of, dilate
from describer.types import PLACES, Kind, Mask, Region, Relation

# Contact is judged on a small raster (the longer side at most this many px): pixel-exact borders of a
# predicted mask mean nothing, and the cost must not grow with the camera's resolution.
_RASTER_PX = 256
_TIP_REACH = 0.17
_GAP_PX = 2
_MIN_CONTACT_PX = 4

_SIZES = ((0.01, "tiny"), (0.05, "small"), (0.15, "medium"), (0.35, "large"))


def place_of(point_xy: tuple[float, float], size_wh: tuple[int, int]) -> str:
    """One of PLACES: the cell of a 3x3 grid over the frame in which the point lies."""
    column = min(int(3 * point_xy[0] / size_wh[0]), 2)
    row = min(int(3 * point_xy[1] / size_wh[1]), 2)
    return PLACES[3 * max(row, 0) + max(column, 0)]


def size_word(area_fraction: float) -> str:
    """tiny < 1 % <= small < 5 % <= medium < 15 % <= large < 35 % <= very large, of the frame."""
    return next((word for limit, word in _SIZES if area_fraction < limit), "very large")


def make_region(
    region_id: int, label: str, kind: Kind, mask: np.ndarray, score: float, depth_rank: int | None = None
) -> Region:
    """A Region with its geometry filled in from a non-empty ``(H, W)`` bool mask; ValueError if empty."""
    box = box_of(mask)
    if box is None:
        raise ValueError(f"region {region_id} ({label}) has an empty mask")
    size_wh = (mask.shape[1], mask.shape[0])
    area = float(np.count_nonzero(mask)) / mask.size
    place = place_of(centroid_of(mask), size_wh)
    encoded = Mask.from_array(mask)
    return Region(region_id, label, kind, encoded, score, box, round(area, 5), place, depth_rank)


def raster(mask: np.ndarray) -> np.ndarray:
    """The mask at contact resolution (longer side at most 256 px); no part that covers a cell vanishes."""
    height, width = mask.shape
    scale = min(1.0, _RASTER_PX / max(height, width))
    if scale == 1.0:
        return mask
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(mask.astype(np.uint8) * 255, size_wh, interpolation=cv2.INTER_AREA) >= 102  # 0.4 of a cell


@functools.lru_cache(maxsize=512)
def raster_of(mask: Mask) -> np.ndarray:
    """`raster` of an encoded mask, read-only: decoded once however often facts and checks ask for it."""
    small = raster(mask.to_array())
    small.setflags(write=False)
    return small


@functools.lru_cache(maxsize=512)
def small_mask(mask: Mask) -> np.ndarray:
    """The mask at contact resolution (h, w) bool, read-only; a mask too thin for it stays as it is."""
    small = raster_of(mask)
    if small.any():
        return small
    full = mask.to_array()
    full.setflags(write=False)
    return full


def entry_side(mask: np.ndarray) -> str | None:
    """The frame side ("left", "right", "top", "bottom") where most of the mask leaves the view, or None.

    The outermost pixels of a scope's dark border count as outside only when the mask reaches the frame.
    """
    small = raster(mask)
    counts = {
        "left": np.count_nonzero(small[:, :2]),
        "right": np.count_nonzero(small[:, -2:]),
        "top": np.count_nonzero(small[:2]),
        "bottom": np.count_nonzero(small[-2:]),
    }
    side = max(counts, key=lambda name: counts[name])
    return side if counts[side] > 0 else None


def tip_of(mask: np.ndarray) -> tuple[float, float]:
    """The (x, y) end of an elongated mask that lies deepest in the view, in pixels of the mask.

    The two ends are the extremes along the principal axis; the one farther from the frame's border
    is the tip.
    """
    ys, xs = np.nonzero(mask)
    points = np.stack([xs, ys], axis=1).astype(np.float64) + 0.5
    center = points.mean(axis=0)
    axis = np.linalg.svd(np.cov((points - center).T))[0][:, 0] if len(points) > 2 else np.array([1.0, 0.0])
    along = (points - center) @ axis
    height, width = mask.shape

    def end(select: np.ndarray) -> tuple[float, float, float]:
        x, y = points[select].mean(axis=0)
        return float(min(x / width, y / height, 1 - x / width, 1 - y / height)), float(x), float(y)

    low, high = np.quantile(along, [0.02, 0.98])
    _, x, y = max(end(along <= low), end(along >= high))
    return x, y


@functools.lru_cache(maxsize=4096)
def tip_xy(mask: Mask) -> tuple[float, float]:
    """Tip of an instrument as shares of width and height."""
    small = small_mask(mask)
    x, y = tip_of(small)
    return x / small.shape[1], y / small.shape[0]


@functools.lru_cache(maxsize=8192)
def tip_distance(instrument: Mask, other: Mask) -> float:
    """Distance from an instrument's tip to the nearest pixel of another mask, as a share of the view's longer side."""
    small = small_mask(other)
    x, y = tip_xy(instrument)
    ys, xs = np.nonzero(small)
    gaps = np.hypot(xs + 0.5 - x * small.shape[1], ys + 0.5 - y * small.shape[0])
    return float(gaps.min()) / max(small.shape)


def tip_box(mask: np.ndarray, tip_xy: tuple[float, float] | None = None) -> tuple[float, float, float, float]:
    """Box (xyxy, pixels of the mask) around an instrument's working end: its mask near ``tip_xy`` or `tip_of`.

    Near is within `_TIP_REACH` of the frame's mean side, about what CholecT50's tip boxes hold.
    """
    height, width = mask.shape
    x, y = tip_of(mask) if tip_xy is None else tip_xy
    reach = _TIP_REACH * (height + width) / 2
    ys, xs = np.nonzero(mask)
    near = (xs + 0.5 - x) ** 2 + (ys + 0.5 - y) ** 2 <= reach**2
    if not near.any():
        return max(0.0, x - reach), max(0.0, y - reach), min(float(width), x + reach), min(float(height), y + reach)
    xs, ys = xs[near], ys[near]
    return float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)


def touching(regions: list[Region], masks: list[np.ndarray]) -> list[Relation]:
    """ "touches" for every pair in contact, lower id first. ``masks`` are the regions' bool arrays."""
    small = [raster(mask) for mask in masks]
    grown = [dilate(mask, _GAP_PX) for mask in small]
    found = []
    for i, first in enumerate(regions):
        for j in range(i + 1, len(regions)):
            if np.count_nonzero(grown[i] & small[j]) >= _MIN_CONTACT_PX:
                found.append(Relation(first.id, "touches", regions[j].id))
    return found
