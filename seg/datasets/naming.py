"""What file names say of where a frame comes from."""

from __future__ import annotations

import re
from pathlib import PurePosixPath


def series_of(stem: str) -> str:
    """A frame's name without the number at its end: the clip or case it belongs to, "frames" if nothing is left."""
    return re.sub(r"[\s._-]*\d+$", "", stem) or "frames"


def group_of(source: str) -> str:
    """The operation of a frame as FrameRef names it: its video, else its folder, else `series_of` its name."""
    video, number, _ = source.partition("#")
    path = PurePosixPath(video)
    if number:
        return video
    return path.parent.as_posix() if len(path.parts) > 1 else series_of(path.stem)
