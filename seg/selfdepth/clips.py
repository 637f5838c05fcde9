"""Clips of neighbouring frames, and which frames show the same place from another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from describer.camera import FOCAL, Intrinsics
from describer.errors import InputError
from describer.frames import iter_frames
from describer.seg.image import resize_area
from describer.types import Failure

TRAIN_SHARE = 0.8
"""The first frames of a clip are trained on; the last are held out and never seen."""

_MOVED, _CUT = 4.0, 40.0  # mean grey levels: less is hardly a motion, more is no neighbour but another shot
_REACH = 8
_DARK = 30  # a pixel that is never brighter than this lies outside of the scope's view
_LEAST_TARGETS = 8

Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """``frames`` (N, H, W, 3) uint8 in order, ``intrinsics`` fx, fy, cx, cy in widths and heights of a frame,
    ``view`` (H, W) bool, where the scope sees anything, and ``original_wh``, the size of the frames as they came."""

    name: str
    frames: np.ndarray
    intrinsics: tuple[float, float, float, float]
    view: np.ndarray
    original_wh: tuple[int, int]

    @property
    def held_out_from(self) -> int:
        """The first frame that is not trained on."""
        return int(TRAIN_SHARE * len(self.frames))


def load_clip(
    source: str,
    hw: tuple[int, int],
    camera: Intrinsics | None = None,
    focal: float = FOCAL,
    fps: float | None = None,
) -> Clip:
    """The frames of a folder, pattern or video, resized to ``hw``.

    ``camera`` is in pixels of the original frames; without it the focal length is ``focal`` frame widths. InputError
    for a frame that cannot be read or differs in size, and for a clip that is too short or hardly moves.
    """
    frames: list[np.ndarray] = []
    size_wh = (0, 0)
    for frame in iter_frames(source, fps=fps):
        if isinstance(frame, Failure):
            raise InputError(frame.error)
        if frames and frame.ref.size_wh != size_wh:
            raise InputError(
                f"{frame.ref.source}: {frame.ref.size_wh} against {size_wh} before it (W, H); one camera a clip."
            )
        size_wh = frame.ref.size_wh
        frames.append(resize_area(frame.image, hw))
    pixels = np.stack(frames)
    view = pixels.max(axis=(0, 3)) > _DARK
    shares = (camera or Intrinsics.assumed(size_wh, focal)).shares(size_wh)
    clip = Clip(PurePath(source).name, pixels, shares, view, size_wh)
    if len(training_triples(clip)) < _LEAST_TARGETS or not held_out_triples(clip):
        raise InputError(
            f"{source}: of its {len(frames)} frames too few move against their neighbours to learn depth from; "
            "give a longer clip in which the camera moves, or a lower --fps."
        )
    return clip


def training_triples(clip: Clip) -> list[Triple]:
    """(frame, neighbour, neighbour) in the part of the clip that is trained on."""
    return triples(clip, 0, clip.held_out_from)


def held_out_triples(clip: Clip) -> list[Triple]:
    """The same in the held-out part: no frame of it is trained on."""
    return triples(clip, clip.held_out_from, len(clip.frames))


def triples(clip: Clip, start: int, end: int) -> list[Triple]:
    """Frames in [start, end) with their nearest neighbours before and after that show some motion.

    Where there is one on one side only, it stands for both. Frames that have none are left out.
    """
    grey = clip.frames[start:end][:, clip.view].astype(np.float32).mean(axis=2)
    found = []
    for i in range(len(grey)):
        before, after = (_neighbour(grey, i, range(i + step, i + step * (_REACH + 1), step)) for step in (-1, 1))
        near = before if after is None else after
        if near is not None:
            found.append((start + i, start + (near if before is None else before), start + near))
    return found


def _neighbour(grey: np.ndarray, i: int, candidates: Sequence[int]) -> int | None:
    for k in candidates:
        if not 0 <= k < len(grey):
            return None
        change = float(np.abs(grey[i] - grey[k]).mean())
        if change > _CUT:
            return None
        if change >= _MOVED:
            return k
    return None
