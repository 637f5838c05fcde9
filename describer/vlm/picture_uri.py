"""Pictures as data URIs for an HTTP body, within a server's limits."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

_JPEG_QUALITIES = (95, 85, 75)
_SHRINK = 0.8
_LEAST_SIDE_PX = 16


def picture_uri(image: np.ndarray, side_px: int, most_bytes: int) -> str:
    """RGB uint8 (H, W, 3) as ``data:image/...;base64,``, the longer side at most ``side_px``.

    PNG, so that the server sees our pixels; where that is over ``most_bytes`` JPEG of falling quality, then of
    falling size. Never enlarged.
    """
    picture = Image.fromarray(image)
    if max(picture.size) > side_px:
        picture = _scaled(picture, side_px / max(picture.size))
    data, kind = _png(picture), "png"
    while len(data) > most_bytes:
        kind = "jpeg"
        for quality in _JPEG_QUALITIES:
            data = _jpeg(picture, quality)
            if len(data) <= most_bytes:
                break
        else:
            if max(picture.size) <= _LEAST_SIDE_PX:
                break
            picture = _scaled(picture, _SHRINK)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _scaled(picture: Image.Image, scale: float) -> Image.Image:
    size_wh = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size_wh, Image.Resampling.LANCZOS)


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()
