"""Implicit outlines of organs on a reduced grid: signed distance, positive inside, in frame widths."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from describer.seg.synth.arrays import Array, Rng
from describer.seg.synth.noise import fbm


@dataclass(frozen=True)
class Grid:
    """Coordinates of a reduced copy of the frame, turned and mirrored so that layouts vary."""

    size_hw: tuple[int, int]
    full_hw: tuple[int, int]
    xs: Array
    ys: Array

    @classmethod
    def make(cls, full_hw: tuple[int, int], turn: float = 0.0, mirror: bool = False, zoom: float = 1.0) -> Grid:
        """The grid of a frame; `turn` in radians, `zoom` > 1 brings the layout closer."""
        h, w = full_hw
        small = (max(16, h // 4), max(16, w // 4))
        xs, ys = np.meshgrid(
            np.linspace(-0.5, 0.5, small[1], dtype=np.float32),
            np.linspace(-0.5 * h / w, 0.5 * h / w, small[0], dtype=np.float32),
        )
        if mirror:
            xs = -xs
        cos, sin = np.float32(np.cos(turn) / zoom), np.float32(np.sin(turn) / zoom)
        return cls(small, full_hw, cos * xs + sin * ys, -sin * xs + cos * ys)

    def full(self, field: Array) -> Array:
        """A field of this grid at full size."""
        h, w = self.full_hw
        return cv2.resize(field, (w, h), interpolation=cv2.INTER_CUBIC)


def half_plane(rng: Rng, grid: Grid, point: tuple[float, float], facing: float, waviness: float = 0.06) -> Array:
    """Everything on the far side of a wavy line through `point`; `facing` is the inward normal's angle."""
    wave = fbm(rng, grid.size_hw, rng.uniform(2.0, 4.0), 3, 0.4) * waviness
    nx, ny = np.cos(facing), np.sin(facing)
    return (grid.xs - point[0]) * np.float32(nx) + (grid.ys - point[1]) * np.float32(ny) + wave


def ellipse(
    rng: Rng,
    grid: Grid,
    centre: tuple[float, float],
    radii: tuple[float, float],
    angle: float = 0.0,
    *,
    waviness: float = 0.12,
) -> Array:
    """A lumpy ellipse; `waviness` is relative to its radius."""
    dx, dy = grid.xs - centre[0], grid.ys - centre[1]
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = (cos * dx + sin * dy) / radii[0], (-sin * dx + cos * dy) / radii[1]
    small = min(radii)
    wave = fbm(rng, grid.size_hw, min(0.5 / small, 12.0), 2, 0.4) * waviness
    return (1.0 - np.sqrt(u * u + v * v) + wave) * np.float32(small)


def tube(grid: Grid, points: Array, radii: Array) -> tuple[Array, Array]:
    """A tube along `points` (N, 2) with `radii` (N,): (signed distance, position along it 0..1)."""
    best = np.full(grid.size_hw, -1e3, np.float32)
    along = np.zeros(grid.size_hw, np.float32)
    count = len(points) - 1
    for index in range(count):
        (ax, ay), (bx, by) = points[index].tolist(), points[index + 1].tolist()
        ex, ey = bx - ax, by - ay
        px, py = grid.xs - np.float32(ax), grid.ys - np.float32(ay)
        t = np.clip((px * ex + py * ey) / (ex * ex + ey * ey + 1e-9), 0.0, 1.0)
        radius = float(radii[index]) + float(radii[index + 1] - radii[index]) * t
        distance = radius - np.hypot(px - t * ex, py - t * ey)
        closer = distance > best
        np.copyto(best, distance, where=closer)
        np.copyto(along, (index + t) / count, where=closer)
    return best, along


def curve(rng: Rng, start: tuple[float, float], end: tuple[float, float], bend: float, count: int = 8) -> Array:
    """A smooth wandering line between two points, shape (count, 2)."""
    t = np.linspace(0.0, 1.0, count)
    line = np.outer(1 - t, start) + np.outer(t, end)
    normal = np.array([-(end[1] - start[1]), end[0] - start[0]])
    phase = rng.uniform(0, 2 * np.pi)
    sway = bend * (np.sin(t * np.pi) * rng.uniform(-1, 1) + 0.5 * np.sin(t * rng.uniform(4, 8) + phase))
    return line + sway[:, None] * normal


@dataclass(frozen=True)
class Swell:
    """How an organ stands out: `lift` at its edge, `rise` more at `round_width` inside; `soft` has no edge."""

    lift: float
    rise: float
    round_width: float
    soft: bool = False

    def height(self, distance: Array) -> Array:
        """Height over a signed distance, same shape."""
        t = 1.0 - np.clip(distance / self.round_width, 0.0, 1.0)
        profile = 0.5 + 0.5 * np.cos(np.pi * t) if self.soft else np.sqrt(np.maximum(1.0 - t * t, 0.0))
        return self.lift + self.rise * profile


FLAT = Swell(0.0, 0.0, 0.1)


def bounding_box(mask: Array) -> tuple[slice, slice] | None:
    """Row and column slices around a mask's true pixels, or None where there are none."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)
