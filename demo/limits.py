"""What a visitor may send, and where it may lie: uploads are read only from the page's own temporary folder."""

from __future__ import annotations

import contextlib
import re
import time
import warnings
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np

from describer.errors import InputError
from describer.pictures import PICTURE_SUFFIXES, read_image
from describer.video import VIDEO_SUFFIXES

_NAME_CHARS = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in megabytes and megapixels, times in seconds, texts in characters."""

    upload_mb: int = 200
    picture_mp: int = 40
    clip_s: float = 900.0
    clip_frames: int = 300
    clip_work_s: float = 900.0
    question_chars: int = 300
    text_chars: int = 2000
    turns: int = 50
    file_age_s: float = 900.0
    session_s: float = 3600.0
    away_s: float = 600.0


def tidy_name(name: object) -> str:
    """A file name without folders, control characters and excess length; "image" where nothing is left."""
    # PureWindowsPath takes both kinds of slashes for separators.
    last = PureWindowsPath(str(name)).name
    clean = re.sub(r"[\x00-\x1f\x7f]", "", last).strip(" .")
    stem, dot, suffix = clean.rpartition(".")
    return f"{stem[: _NAME_CHARS - len(suffix) - 1]}{dot}{suffix}" if stem else clean[:_NAME_CHARS] or "image"


def uploaded(path: object, root: Path) -> Path:
    """The path of an upload; InputError unless it is a file below ``root``.

    The path comes from the browser, so it may be anything: whatever leads out of the folder is refused, also
    through a link.
    """
    try:
        found = Path(str(path)).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        found = None
    if found is None or not found.is_relative_to(root.resolve()) or not found.is_file():
        raise InputError("the upload is not here any more; drop the file again.")
    return found


def take_picture(path: object, name: str, root: Path, limits: Limits, once: bool = True) -> np.ndarray:
    """The upload as RGB uint8 ``(H, W, 3)``; ``once`` read the file is removed, whether it could be read or not.

    InputError names the file and the remedy.
    """
    file = uploaded(path, root)
    try:
        if file.suffix.lower() in VIDEO_SUFFIXES:
            raise InputError(f"{name} is a video; open it on the Video tab.")
        _check_megapixels(file, name, limits)
        try:
            return read_image(file)
        except InputError as error:
            raise InputError(str(error).replace(str(file), name)) from error
    finally:
        if once:
            remove(file)


def take_video(path: object, name: str, root: Path) -> Path:
    """The upload, if it is a video by its name and not empty; InputError, and the file removed, otherwise."""
    file = uploaded(path, root)
    if file.suffix.lower() in VIDEO_SUFFIXES and file.stat().st_size:
        return file
    empty = not file.stat().st_size
    remove(file)
    if empty:
        raise InputError(f"{name} is empty (0 bytes); export or copy the video again.")
    if file.suffix.lower() in PICTURE_SUFFIXES:
        raise InputError(f"{name} is a picture; open it on the Frame tab.")
    raise InputError(f"{name} is no video by its name; give one of {', '.join(sorted(VIDEO_SUFFIXES))}.")


def remove(file: Path) -> None:
    """Remove an upload and the folder that was made for it."""
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)
        file.parent.rmdir()  # only when it is empty


def _check_megapixels(file: Path, name: str, limits: Limits) -> None:
    """On the header, before a pixel is decoded: a small file may unfold to a picture that fills the memory.

    What cannot be opened is left for `read_image` to say.
    """
    from PIL import Image

    with warnings.catch_warnings(), contextlib.suppress(OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(file) as picture:
            megapixels = picture.width * picture.height / 1e6
        if megapixels > limits.picture_mp:
            raise InputError(
                f"{name}: {megapixels:.0f} megapixels is over the limit of {limits.picture_mp}; make it smaller."
            )


def sweep(root: Path, age_s: float, now_s: float | None = None) -> int:
    """Remove what lies below ``root`` and was last written more than ``age_s`` ago; returns how many files."""
    now_s = time.time() if now_s is None else now_s
    removed = 0
    for file in [path for path in root.rglob("*") if path.is_file()]:
        with contextlib.suppress(OSError):
            if now_s - file.stat().st_mtime > age_s:
                remove(file)
                removed += 1
    return removed
