"""One picture file to RGB uint8, whatever its bit depth, colour mode and rotation."""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

import numpy as np
from PIL import Image, UnidentifiedImageError

from describer.errors import InputError

PICTURE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".jp2"}
)
MIN_SIDE_PX = 16
MAX_PIXELS = 100_000_000

_BIT_DEPTHS = (8, 10, 12, 14, 16)
_DEEP_MODES = {"I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
_ORIENTATION_TAG = 0x0112
# EXIF orientation -> the turn that shows the picture upright.
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}


def check_size(width: int, height: int, name: str) -> None:
    """InputError unless both sides are at least 16 px and the picture has at most 100 megapixels."""
    if min(width, height) < MIN_SIDE_PX:
        raise InputError(
            f"{name}: {width}x{height} is smaller than {MIN_SIDE_PX} px on a side; leave it out or give the full frame."
        )
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name}: {width * height / 1e6:.0f} megapixels is over the limit of {MAX_PIXELS // 10**6}; "
            "make it smaller or cut it into frames."
        )


def read_image(path: str | PurePath) -> np.ndarray:
    """The picture as RGB uint8 ``(H, W, 3)``, turned upright by its EXIF tag.

    Sizes are checked on the header, before any pixel is decoded. Alpha is composited on black (the
    surround of a scope view), grey and CMYK become RGB; for deep pictures see ``scale_to_uint8``.
    Raises InputError, which names the file and the remedy.
    """
    name = str(path)
    with _named_errors(name), warnings.catch_warnings():
        # Pillow's own warning starts below our limit; ours comes as an error that names the file.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(Path(path)) as picture:
            return decode_pil(picture, name, Path(path))


def decode_pil(picture: Image.Image, name: str, path: Path | None = None) -> np.ndarray:
    """An opened PIL image as RGB uint8 ``(H, W, 3)``; ``path`` is where deep colour is read from."""
    check_size(picture.width, picture.height, name)
    with _named_errors(name):
        # Before the EXIF tag is asked for: that decodes a PNG, after which its depth is no longer known.
        deep_colour = path is not None and _deep_colour(picture)
        orientation = picture.getexif().get(_ORIENTATION_TAG, 1)
        if picture.mode in _DEEP_MODES:
            image = scale_to_uint8(np.asarray(picture), name)
        elif path is not None and deep_colour:
            image = scale_to_uint8(_read_deep_colour(path, name), name)
        else:
            image = _plain(picture)
    upright = _UPRIGHT.get(orientation)
    return image if upright is None else np.ascontiguousarray(upright(image))


def scale_to_uint8(image: np.ndarray, name: str) -> np.ndarray:
    """Grey, RGB or RGBA of any number type to RGB uint8 ``(H, W, 3)``.

    Integers deeper than 8 bits are scaled by the full scale of the smallest camera depth (8, 10, 12, 14,
    16 bits) that holds the picture's brightest value: a 12-bit camera writing 16-bit files comes out
    neither black nor, as with stretching every picture to its own range, flickering. Floats are in
    [0, 1], or in [0, 255] where any is above 1. Alpha is composited on black.
    """
    alpha = image[..., 3:] if image.ndim == 3 and image.shape[2] == 4 else None
    colour = image if alpha is None else image[..., :3]
    top = _full_scale(colour, name)
    if top == 255.0 and colour.dtype == np.uint8:
        rgb = colour
    else:
        rgb = np.rint(np.clip(colour.astype(np.float32), 0.0, top) * np.float32(255.0 / top)).astype(np.uint8)
    if alpha is not None:
        opaque = float(np.iinfo(alpha.dtype).max) if alpha.dtype.kind in "iu" else top
        rgb = np.rint(rgb * np.clip(alpha.astype(np.float32) / np.float32(opaque), 0.0, 1.0)).astype(np.uint8)
    if rgb.ndim == 2:
        rgb = np.repeat(rgb[:, :, None], 3, axis=2)
    return np.ascontiguousarray(rgb)


def _full_scale(colour: np.ndarray, name: str) -> float:
    if colour.dtype == np.uint8:
        return 255.0
    if colour.dtype == bool:
        return 1.0
    if colour.dtype.kind not in "iuf":
        raise InputError(f"{name}: pixels must be integers or floats, got {colour.dtype}.")
    low, high = float(colour.min()), float(colour.max())
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0:
        raise InputError(f"{name}: pixel values must be finite and not negative; rescale them to [0, 1].")
    if colour.dtype.kind == "f" and high <= 1.0:
        return 1.0
    depth = next((bits for bits in _BIT_DEPTHS if high < 2**bits), None)
    if depth is None:
        raise InputError(f"{name}: pixel value {high:g} is deeper than 16 bits; rescale the picture to 16 bits.")
    return float(2**depth - 1)


def _plain(picture: Image.Image) -> np.ndarray:
    if "A" in picture.getbands() or "transparency" in picture.info:
        return scale_to_uint8(np.asarray(picture.convert("RGBA")), "")
    return np.array(picture.convert("RGB"))


def _deep_colour(picture: Image.Image) -> bool:
    # Pillow reads 16-bit colour by dropping the low byte, which turns 12-bit recordings black.
    return any(";16" in str(tile[3]) for tile in getattr(picture, "tile", ()))


def _read_deep_colour(path: Path, name: str) -> np.ndarray:
    import cv2

    # imdecode, not imread: OpenCV's own file access fails on some non-ASCII names.
    raw = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if raw is None:
        raise InputError(f"{name}: the 16-bit picture is damaged; copy or export it again.")
    if raw.ndim == 2:
        return raw
    return raw[:, :, [2, 1, 0, 3][: raw.shape[2]]]


@contextmanager
def _named_errors(name: str) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError as error:
        raise InputError(f"{name}: the content is not a picture; remove the file or export it again.") from error
    except Image.DecompressionBombError as error:
        found = re.search(r"\((\d+) pixels\)", str(error))
        size = f"{int(found[1]) / 1e6:.0f} megapixels" if found else "its size"
        raise InputError(
            f"{name}: {size} is over the limit of {MAX_PIXELS // 10**6} megapixels; make it smaller."
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist; check the path.") from error
    except PermissionError as error:
        raise InputError(f"{name} cannot be opened (permission denied); make it readable.") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        # Pillow's decoders raise all of these for damaged files.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{name}: the picture is damaged ({reason}); copy or export it again.") from error
