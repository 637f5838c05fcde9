"""A pinhole camera: depth maps to points in space and points back to pixels, without any framework.

Axes of a point: x right, y down, z forward, from the camera. A pixel's centre lies half a pixel inside of its
corner, as everywhere in this project: pixel column 0 is seen at 0.5. (Calibrations that put it at 0, as OpenCV's do,
have principal points smaller by 0.5.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from describer.errors import InputError

FOCAL = 1.0
"""Focal length in widths of the frame where none is given: a view 53 degrees wide, typical of laparoscopes."""


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """Focal lengths and principal point in pixels of the frame."""

    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        values = (self.fx, self.fy, self.cx, self.cy)
        if not all(map(math.isfinite, values)) or self.fx <= 0 or self.fy <= 0:
            raise InputError(f"intrinsics must be finite with fx and fy above 0, got {values}; give fx,fy,cx,cy in px.")

    @classmethod
    def assumed(cls, size_wh: tuple[int, int], focal: float = FOCAL) -> Intrinsics:
        """Square pixels, the principal point in the middle, a focal length of ``focal`` widths."""
        width, height = size_wh
        return cls(focal * width, focal * width, width / 2, height / 2)

    @classmethod
    def parse(cls, text: str) -> Intrinsics:
        """Of ``fx,fy,cx,cy``; InputError for anything else."""
        try:
            fx, fy, cx, cy = (float(part) for part in text.split(","))
        except ValueError:
            raise InputError(f"--intrinsics {text!r}: give four numbers fx,fy,cx,cy in pixels of the frame.") from None
        return cls(fx, fy, cx, cy)

    def shares(self, size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
        """fx, fy, cx, cy in widths and heights of a frame of ``size_wh``, which resizing does not change."""
        width, height = size_wh
        return self.fx / width, self.fy / height, self.cx / width, self.cy / height

    def back_project(self, depth: np.ndarray) -> np.ndarray:
        """Points (H, W, 3) of a depth map (H, W), in its unit."""
        rows, columns = np.indices(depth.shape, np.float32)
        x = (columns + 0.5 - self.cx) / self.fx * depth
        y = (rows + 0.5 - self.cy) / self.fy * depth
        return np.stack((x, y, depth), axis=-1).astype(np.float32)

    def project(self, points_xyz: np.ndarray) -> np.ndarray:
        """Where points (..., 3) in front of the camera are seen: (..., 2) as x, y in pixels."""
        x, y, z = np.moveaxis(points_xyz, -1, 0)
        return np.stack((x / z * self.fx + self.cx, y / z * self.fy + self.cy), axis=-1)
