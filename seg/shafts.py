"""One instrument mask to its instruments: every shaft is followed straight into the view from where it enters.

Two instruments that cross or meet make one connected mask. What tells them apart is where they come in, so
each entry's shaft is followed as far as the mask goes, and every pixel joins the nearest shaft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from describer.masks import components

_RIM_PX = 2  # this near to the end of the view a mask enters it
_SMALLEST_SHARE = 0.12  # of the whole mask: less than this is no instrument of its own
_FITS = 3


@dataclass(frozen=True, slots=True, eq=False)
class _Shaft:
    """An axis from the rim to where the mask ends along it, and half of the shaft's width, in pixels."""

    start_xy: np.ndarray
    end_xy: np.ndarray
    half_px: float

    def distance(self, points_xy: np.ndarray) -> np.ndarray:
        """From ``(N, 2)`` points to the axis, in half widths."""
        along = self.end_xy - self.start_xy
        share = ((points_xy - self.start_xy) @ along) / max(float(along @ along), 1e-6)
        nearest = self.start_xy + np.clip(share, 0, 1)[:, None] * along
        return np.hypot(*(points_xy - nearest).T) / self.half_px


def surround(outside: np.ndarray) -> np.ndarray:
    """The dark surround of the view: what of ``outside``, a ``(h, w)`` bool mask, reaches the frame.

    A dark hole inside of the view (a lumen) is none.
    """
    frame = _frame(outside.shape)
    parts = [part for part in components(outside, 1) if (part & frame).any()]
    return np.logical_or.reduce(parts) if parts else np.zeros_like(outside)


def view_rim(outside: np.ndarray) -> np.ndarray:
    """Where instruments enter: along the frame, and along the surround. ``outside`` is a ``(h, w)`` bool mask."""
    size = 2 * _RIM_PX + 3  # a predicted border leaves a pixel or two between the surround and the instrument
    around = cv2.dilate(surround(outside).astype(np.uint8), np.ones((size, size), np.uint8)).astype(bool)
    return _frame(outside.shape) | around


def _frame(hw: tuple[int, ...]) -> np.ndarray:
    edge = np.ones(hw, bool)
    edge[_RIM_PX:-_RIM_PX, _RIM_PX:-_RIM_PX] = False
    return edge


def split_shafts(mask: np.ndarray, rim: np.ndarray, least_px: float) -> list[np.ndarray]:
    """The instruments of a connected ``(h, w)`` bool mask, by where they cross the view's ``rim``.

    A straight shaft that leaves the view at both ends is one. Pieces below ``least_px`` join their neighbour.
    """
    entries = components(mask & rim, 3 * _RIM_PX)
    if len(entries) < 2:
        return [mask]
    found = _distinct([(entry, _follow(mask, entry)) for entry in entries])
    shafts = [_trimmed(shaft, [other for other in found if other is not shaft]) for shaft in found]
    least = max(least_px, _SMALLEST_SHARE * np.count_nonzero(mask))
    points = _points(mask)
    while len(shafts) > 1:
        owner = np.argmin([shaft.distance(points) for shaft in shafts], axis=0)
        counts = np.bincount(owner, minlength=len(shafts))
        if counts.min() >= least:
            return [_painted(mask.shape, points[owner == i]) for i in range(len(shafts))]
        del shafts[int(counts.argmin())]
    return [mask]


def _painted(shape: tuple[int, ...], points_xy: np.ndarray) -> np.ndarray:
    piece = np.zeros(shape, bool)
    x, y = points_xy.astype(int).T
    piece[y, x] = True
    return piece


def _distinct(found: Sequence[tuple[np.ndarray, _Shaft]]) -> list[_Shaft]:
    """Without the shafts that only lead back along another one, from its far end; the longer one stays."""
    ranked = sorted(found, key=lambda pair: -float(np.hypot(*(pair[1].end_xy - pair[1].start_xy))))
    kept: list[_Shaft] = []
    for entry, shaft in ranked:
        points = _points(entry)
        if not any(np.median(other.distance(points)) <= 1 for other in kept):
            kept.append(shaft)
    return kept


def _trimmed(shaft: _Shaft, others: Sequence[_Shaft]) -> _Shaft:
    """The shaft up to where it runs into one that it does not cross: past that the mask is the other's."""
    steps = shaft.start_xy + np.linspace(0, 1, 65)[:, None] * (shaft.end_xy - shaft.start_xy)
    for other in others:
        within = other.distance(steps) <= 1.3  # where a ray leaves the mask it is a little past its side
        if within[-1] and not within[0]:
            steps = steps[: max(int(np.flatnonzero(~within)[-1]) + 1, 2)]
    return _Shaft(shaft.start_xy, steps[-1], shaft.half_px)


def _points(mask: np.ndarray) -> np.ndarray:
    ys, xs = np.nonzero(mask)
    return np.stack([xs, ys], axis=1).astype(np.float64)


def _follow(mask: np.ndarray, entry: np.ndarray) -> _Shaft:
    """The straight shaft that comes in at ``entry``: a first guess of its direction, then refitted to itself."""
    at_entry = _points(entry)
    start = at_entry[np.argmin(np.hypot(*(at_entry - at_entry.mean(axis=0)).T))]
    width = max(float(np.hypot(*np.ptp(at_entry, axis=0))), 3.0)
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    half = max(float(depth[_disc(mask, start, width)].max()), 1.0)
    near = _points(_disc(mask, start, max(6 * half, 2 * width)))
    direction = _unit(near.mean(axis=0) - start)
    points = _points(mask)
    for _ in range(_FITS):
        shaft = _Shaft(start, _end(mask, start, direction, half), half)
        own = points[shaft.distance(points) <= 1.2]
        if len(own) < 3:
            break
        center = own.mean(axis=0)
        axis = np.linalg.svd(np.cov((own - center).T))[0][:, 0]
        direction = axis if axis @ direction >= 0 else -axis
        start = center + ((start - center) @ direction) * direction
    return _Shaft(start, _end(mask, start, direction, half), half)


def _disc(mask: np.ndarray, center_xy: np.ndarray, radius_px: float) -> np.ndarray:
    x, y = (round(float(v)) for v in center_xy)
    disc = cv2.circle(np.zeros(mask.shape, np.uint8), (x, y), max(1, round(radius_px)), 1, -1)
    return mask & disc.astype(bool)


def _unit(vector: np.ndarray) -> np.ndarray:
    length = float(np.hypot(*vector))
    return vector / length if length > 0 else np.array([1.0, 0.0])


def _end(mask: np.ndarray, start: np.ndarray, direction: np.ndarray, half: float) -> np.ndarray:
    """The last point of the mask on the ray, over gaps of up to half a width: glare makes such holes."""
    steps = np.arange(int(np.hypot(*mask.shape)) + 1)
    x, y = np.round(start[:, None] + direction[:, None] * steps).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    steps, x, y = steps[inside], x[inside], y[inside]
    on = steps[mask[y, x]]
    if on.size == 0:
        return start
    broken = np.flatnonzero(np.diff(on) > max(half, 2) + 1)
    return start + direction * float(on[broken[0]] if broken.size else on[-1])
