"""What several readers need: masks decoded without changing a value, and images paired with their masks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from describer.errors import InputError
from describer.pictures import PICTURE_SUFFIXES
from describer.seg.datasets.dataset import Problem

# A colour that stands for no class becomes this plus its packed RGB, which no 8-bit code can be.
UNKNOWN_COLOUR = 1 << 24


def pictures(folder: Path) -> list[Path]:
    """The picture files of one folder, by name; nothing where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and _visible(path))


def folders(root: Path, pattern: str = "*") -> list[Path]:
    """The folders of a pattern below the root, numbers in their order."""
    return sorted((path for path in root.glob(pattern) if path.is_dir() and _visible(path)), key=_natural)


def _visible(path: Path) -> bool:
    return not path.name.startswith(".")


def _natural(path: Path) -> tuple[str, int, str]:
    digits = path.name[len(path.name.rstrip("0123456789")) :]
    return path.parent.as_posix() + path.name.removesuffix(digits), int(digits or 0), path.name


def read_codes(path: Path) -> NDArray:
    """A mask as the whole numbers in its file (H, W): grey values, or palette indices.

    InputError for one that cannot be read, or whose colour channels differ.
    """
    raw = _decoded(path)
    if raw.ndim == 3:
        colour = raw[..., :3]
        if raw.shape[2] >= 3 and (colour != colour[..., :1]).any():
            raise InputError(f"{path}: a mask of class codes must be grey, this one is coloured; export it as grey.")
        raw = raw[..., 0]
    return raw.astype(np.uint8) if raw.dtype == bool else raw


def read_grey(path: Path) -> NDArray[np.uint8]:
    """A picture's brightness (H, W), for masks that were stored as lossy colour."""
    return _decoded(path, "L")


def read_colours(path: Path, codes: dict[tuple[int, int, int], int]) -> NDArray[np.int32]:
    """A colour-coded mask as codes (H, W); a colour that has none is UNKNOWN_COLOUR + its packed RGB."""
    raw = _decoded(path, "RGB").astype(np.int32)
    packed = (raw[..., 0] << 16) | (raw[..., 1] << 8) | raw[..., 2]
    labels = packed + UNKNOWN_COLOUR
    for (red, green, blue), code in codes.items():
        labels[packed == (red << 16 | green << 8 | blue)] = code
    return labels


def code_text(code: int) -> str:
    """A raw code for people: its number, or the colour it was."""
    if code < UNKNOWN_COLOUR:
        return str(code)
    rgb = code - UNKNOWN_COLOUR
    return f"colour ({rgb >> 16}, {rgb >> 8 & 255}, {rgb & 255})"


def _decoded(path: Path, mode: str | None = None) -> NDArray:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert(mode) if mode else picture)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; restore it, or remove its partner.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(f"{path}: the picture is damaged; copy or export it again.") from error


def read_map(path: Path) -> NDArray:
    """A depth or disparity map of any bit depth (H, W) or (H, W, C), as OpenCV orders its channels."""
    # imdecode, not imread: OpenCV's own file access fails on some non-ASCII names.
    try:
        raw = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error) as error:
        raise InputError(f"{path} cannot be read; restore it.") from error
    if raw is None:
        raise InputError(f"{path}: the map is damaged; copy or export it again.")
    return raw


def by_key(paths: Iterable[Path], pattern: str = "(.+)") -> dict[str, Path]:
    """Files by what the pattern's first group finds in their stems; files that it does not fit are left out."""
    found = ((re.fullmatch(pattern, path.stem), path) for path in paths)
    return {match[1]: path for match, path in found if match}


def paired(root: Path, images: Mapping[str, Path], masks: Mapping[str, Path]) -> Iterator[tuple[Path, Path] | Problem]:
    """Every image with the mask of the same key, in order; then masks without an image. What lacks is a Problem."""
    for key, image in images.items():
        if key in masks:
            yield image, masks[key]
        else:
            yield Problem(below(image, root), "image without a mask", f"add the mask of {image.name} or remove it")
    for key, mask in masks.items():
        if key not in images:
            yield Problem(below(mask, root), "mask without an image", "add its image or remove it")


def below(path: Path, root: Path) -> str:
    """The path below the root, as names are written everywhere."""
    return path.relative_to(root).as_posix()
