"""Folder, glob, picture or video to a lazy stream of Frames; what cannot be read becomes a Failure.

A picture's ``source`` is its path relative to the folder that was asked for (posix, so that records
travel between machines); a video's frame is ``name.mp4#000123``, the number being that of the decoded
frame in the file, so that the same name comes out at any sampling rate.
"""

from __future__ import annotations

import glob
import hashlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from describer.errors import InputError
from describer.pictures import PICTURE_SUFFIXES, check_size, decode_pil, read_image, scale_to_uint8
from describer.types import Failure, Frame, FrameRef
from describer.video import VIDEO_SUFFIXES, sampled_count, video_frames

__all__ = ["as_frame", "count_frames", "iter_frames", "pixels_sha256", "read_image"]

# A folder that holds these is some run's output; its pictures are not anybody's frames.
_RESULT_FILES = ("run.json", "annotations.jsonl")
_RESULT_PICTURES = ("overlays", "depth")


def pixels_sha256(image: np.ndarray) -> str:
    """sha256 over width x height and the bytes of an RGB uint8 ``(H, W, 3)`` array."""
    digest = hashlib.sha256(f"{image.shape[1]}x{image.shape[0]}:".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _frame(image: np.ndarray, source: str, index: int, time_s: float | None = None) -> Frame:
    size_wh = (int(image.shape[1]), int(image.shape[0]))
    return Frame(image, FrameRef(source, index, time_s, size_wh, pixels_sha256(image)))


def as_frame(image: Any, source: str = "image", index: int = 0) -> Frame:
    """A Frame of whatever a caller holds.

    Accepts a path, a PIL image, a uint8/uint16/float array ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)`` and
    a torch tensor ``(3, H, W)`` or ``(H, W, 3)``; floats are in [0, 1], or in [0, 255] where any is
    above 1. Raises InputError for anything else.
    """
    if isinstance(image, Frame):
        return image
    if isinstance(image, str | PurePath):
        return _frame(read_image(image), PurePath(image).name, index)
    if hasattr(image, "getexif"):
        return _frame(decode_pil(image, source), source, index)
    if hasattr(image, "detach"):
        # Duck-typed, so that this module never imports torch.
        image = image.detach().cpu().numpy()
        if image.ndim == 3 and image.shape[0] in (1, 3, 4) and image.shape[2] not in (3, 4):
            image = image.transpose(1, 2, 0)
    if not isinstance(image, np.ndarray):
        raise InputError(f"{source}: give a path, a PIL image, an array or a tensor, not {type(image).__name__}.")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim != 2 and (image.ndim != 3 or image.shape[2] not in (3, 4)):
        raise InputError(f"{source}: an image array must be (H, W), (H, W, 3) or (H, W, 4), got {image.shape}.")
    check_size(image.shape[1], image.shape[0], source)
    return _frame(scale_to_uint8(image, source), source, index)


def iter_frames(source: str, fps: float | None = None, limit: int | None = None) -> Iterator[Frame | Failure]:
    """Every frame of ``source`` in natural order, decoded one at a time.

    ``source`` is a folder (searched recursively), a glob pattern, one picture or one video; ``fps``
    samples videos (None keeps every frame) and leaves pictures alone; ``limit`` ends the stream early.
    A frame that cannot be read comes out as a Failure with its name and the remedy.
    Raises InputError at once for a path that does not exist, and when there are no frames at all.
    """
    if fps is not None and not fps > 0:
        raise InputError(f"--fps must be above 0, got {fps}.")
    if limit is not None and limit < 1:
        raise InputError(f"--limit must be at least 1, got {limit}.")
    paths = _paths(source)
    first = next(paths, None)
    if first is None:
        raise InputError(_nothing(source))
    return itertools.islice(_stream(itertools.chain([first], paths), fps), limit)


def count_frames(source: str, fps: float | None = None, limit: int | None = None) -> int:
    """How many frames ``iter_frames`` will give, from names and video headers alone: good for a bar."""
    total = 0
    for path, _ in _paths(source):
        total += sampled_count(path, fps) if _is_video(path) else 1
        if limit is not None and total >= limit:
            return limit
    return total


def _stream(paths: Iterator[tuple[Path, str]], fps: float | None) -> Iterator[Frame | Failure]:
    index = 0
    for path, name in paths:
        try:
            for frame_name, time_s, image in _decoded(path, name, fps):
                yield _frame(image, frame_name, index, time_s)
                index += 1
        except InputError as error:
            yield Failure(name, str(error), index)
            index += 1


def _decoded(path: Path, name: str, fps: float | None) -> Iterator[tuple[str, float | None, np.ndarray]]:
    if _is_video(path):
        yield from video_frames(path, name, fps)
    else:
        yield name, None, read_image(path)


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _known(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES


def _natural(name: str) -> tuple[Any, ...]:
    """Sort key in which 2 comes before 10; the name itself settles ties such as 1 and 01."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return (*((int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)), (-1, name))


def _walk(folder: Path, root: Path, above: frozenset[Path]) -> Iterator[tuple[Path, str]]:
    """One folder's listing at a time, so that memory does not grow with the number of frames."""
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: _natural(entry.name))
    except OSError as error:
        if folder != root:
            # Comes out as this folder's Failure when it is read, and the run goes on.
            yield folder, folder.relative_to(root).as_posix()
            return
        raise InputError(f"{folder} cannot be read ({error.strerror}); check its permissions.") from error
    here = above | {folder.resolve()}
    for entry in entries:
        if entry.is_dir():
            looped = entry.is_symlink() and entry.resolve() in here
            ours = _is_results(entry) or (entry.name in _RESULT_PICTURES and _is_results(folder))
            if not looped and not ours and not entry.name.startswith("."):
                yield from _walk(entry, root, here)
        elif _known(entry):
            yield entry, entry.relative_to(root).as_posix()


def _is_results(folder: Path) -> bool:
    return all((folder / name).exists() for name in _RESULT_FILES)


def _paths(source: str) -> Iterator[tuple[Path, str]]:
    path = Path(source).expanduser()
    if path.is_dir():
        return _walk(path, path, frozenset())
    if path.exists():
        if path.suffix.lower() not in PICTURE_SUFFIXES | VIDEO_SUFFIXES:
            raise InputError(f"{source}: files of this type are not read; {_readable()}.")
        return iter([(path, path.name)])
    if glob.has_magic(source):
        return _globbed(path)
    raise InputError(f"{source} does not exist; give a folder, picture, video or a quoted pattern like 'a/*.png'.")


def _globbed(pattern: Path) -> Iterator[tuple[Path, str]]:
    plain = itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts[:-1])
    root = Path(*plain)
    matches = glob.glob(str(pattern), recursive=True)  # noqa: PTH207 (Path.glob refuses absolute patterns)
    named = [(Path(match), Path(match).relative_to(root).as_posix()) for match in matches]
    named.sort(key=lambda pair: [_natural(part) for part in PurePath(pair[1]).parts])
    return ((path, name) for path, name in named if path.is_file() and _known(path))


def _readable() -> str:
    return f"readable are {' '.join(sorted(PICTURE_SUFFIXES))} and videos {' '.join(sorted(VIDEO_SUFFIXES))}"


def _nothing(source: str) -> str:
    where = "matches" if not Path(source).expanduser().is_dir() else "and its subfolders hold"
    return f"{source} {where} no pictures or videos; {_readable()}."
