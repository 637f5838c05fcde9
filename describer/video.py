"""A video file to its sampled frames with OpenCV, one at a time."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from describer.errors import InputError
from describer.pictures import check_size

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".avi", ".mov", ".mkv", ".m4v", ".mpg", ".mpeg", ".webm", ".wmv", ".ts", ".mts", ".m2ts"}
)
# Containers without an exact count give an estimate from duration and rate; fewer missing frames than
# this share of it are no damage.
_COUNT_SLACK = 0.02


def video_frames(path: Path, name: str, fps: float | None) -> Iterator[tuple[str, float, np.ndarray]]:
    """Yield (``name#number``, time in s, RGB uint8 ``(H, W, 3)``) of every sampled frame.

    ``fps`` keeps the first frame at or after each 1/fps step; None, or more than the file has, keeps
    all. Times are number / the file's own rate. Raises InputError after the good frames when the file
    is cut or damaged, and at once when it cannot be opened.
    """
    import cv2

    with _opened(path, name) as capture:
        rate, expected = _header(capture)
        check_size(int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), name)
        number = 0
        while capture.grab():
            if _kept(number, rate, fps):
                good, image = capture.retrieve()
                if not good:
                    break
                yield f"{name}#{number:06d}", round(number / rate, 3), np.ascontiguousarray(image[:, :, ::-1])
            number += 1
    if number < expected * (1 - _COUNT_SLACK) - 2 or number == 0:
        raise InputError(
            f"{name}: the video is damaged or cut after {number} of {expected} frames; copy it again or "
            "repair it with: ffmpeg -i IN -c copy OUT."
        )


def sampled_count(path: Path, fps: float | None) -> int:
    """Frames that ``video_frames`` should give, from the header; 1 for a file that will be a Failure."""
    try:
        with _opened(path, path.name) as capture:
            rate, expected = _header(capture)
    except InputError:
        return 1
    if fps is None or fps >= rate or expected == 0:
        return max(expected, 1)
    return math.floor((expected - 1) * fps / rate + 1e-9) + 1


def _kept(number: int, rate: float, fps: float | None) -> bool:
    if fps is None or fps >= rate:
        return True
    # The frame is the first at or after k / fps when k has stepped up since the frame before it.
    return math.floor(number * fps / rate + 1e-9) > math.floor((number - 1) * fps / rate + 1e-9)


@contextlib.contextmanager
def _opened(path: Path, name: str) -> Iterator[Any]:
    import cv2

    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise InputError(
                f"{name}: the video cannot be opened, it is damaged or of an unknown codec; convert it with: "
                "ffmpeg -i IN -c:v libx264 OUT.mp4."
            )
        yield capture
    finally:
        capture.release()


def _header(capture: Any) -> tuple[float, int]:
    import cv2

    rate = capture.get(cv2.CAP_PROP_FPS)
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return (rate if math.isfinite(rate) and rate > 0 else 25.0), max(int(count), 0)
