"""Depth maps as pictures: 16-bit grey PNG, one a frame, of the frame's size.

The unit is relative: depth is learned up to scale. Larger is farther, 0 stands for unknown (outside of the scope's
view), and depth = value / 65535 * ``DEPTH_OF_WHITE``, the same in every frame of a run.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from describer.errors import InputError
from describer.pictures import check_size

DEPTH_OF_WHITE = 100.0
"""The depth that 65535 stands for: the farthest a scene model tells (``seg.model.FAR``)."""

_WHITE = 65535
# A slope packs best as differences to the left, several times cheaper than letting the encoder try every filter.
_SLOPE_PNG = [
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB),
]


def resize_depth(depth: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """A depth map (h, w) float32 at another size; NaN stays NaN and does not bleed into its neighbours."""
    if (depth.shape[1], depth.shape[0]) == size_wh:
        return depth
    known = np.isfinite(depth)
    weight = cv2.resize(known.astype(np.float32), size_wh, interpolation=cv2.INTER_LINEAR)
    total = cv2.resize(np.where(known, depth, 0).astype(np.float32), size_wh, interpolation=cv2.INTER_LINEAR)
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight >= 0.5)


def encode_depth(depth: np.ndarray) -> bytes:
    """The PNG file of a depth map (H, W) with NaN where unknown."""
    value = np.clip(np.rint(np.nan_to_num(depth) * (_WHITE / DEPTH_OF_WHITE)), 0, _WHITE)
    return cv2.imencode(".png", value.astype(np.uint16), _SLOPE_PNG)[1].tobytes()


def read_depth(path: str | Path) -> np.ndarray:
    """The depth map (H, W) float32 of a grey PNG, NaN where it is 0; of any grey picture, up to scale.

    InputError for a file that is not there, is damaged or has colours.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path.") from error
    value = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if value is None:
        raise InputError(f"{path} is no picture, or a damaged one; give a 16-bit grey PNG.")
    if value.ndim != 2 or value.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path} is no depth map (it has colours or is not of whole numbers); give a 16-bit grey PNG.")
    check_size(value.shape[1], value.shape[0], str(path))
    depth = value.astype(np.float32) * (DEPTH_OF_WHITE / _WHITE)
    return np.where(value > 0, depth, np.float32(np.nan))


def colour_depth(depths: np.ndarray) -> np.ndarray:
    """Depth maps (..., H, W) as RGB uint8 pictures (..., H, W, 3) on one scale: near red, far blue, unknown black."""
    near = 1 / depths
    known = np.isfinite(near)
    low, high = np.percentile(near[known], [1, 99]) if known.any() else (0.0, 1.0)
    share = np.clip((np.nan_to_num(near) - low) / max(high - low, 1e-9), 0, 1)
    value = (255 * share).astype(np.uint8)
    picture = cv2.applyColorMap(value.reshape(-1, value.shape[-1]), cv2.COLORMAP_TURBO)[..., ::-1]
    return picture.reshape(*value.shape, 3) * known[..., None].astype(np.uint8)
