"""Augmentation of one labelled frame with OpenCV: two warps and a few table look-ups, about 1 ms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

LEAST_SEEN = 0.4
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How strongly training frames vary. Ranges are uniform; `*_chance` are probabilities."""

    area: tuple[float, float] = (0.6, 1.0)
    aspect_jitter: float = 0.15
    rotation_deg: float = 10.0
    flip_chance: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.25
    gamma: float = 0.25
    saturation: float = 0.3
    hue_deg: float = 5.0
    grey_chance: float = 0.02
    noise_chance: float = 0.3
    noise_sigma: float = 8.0
    blur_chance: float = 0.15
    blur_sigma: float = 1.5


UPRIGHT = Augmentation(area=(1.0, 1.0), aspect_jitter=0.0, rotation_deg=0.0)
"""Colours and mirrors only."""
UNDISTURBED = replace(UPRIGHT, saturation=0.1, hue_deg=2.0, grey_chance=0.0, noise_chance=0.0, blur_chance=0.0)
"""Mirrors and a little of colours: how things look stays as it was."""


def random_affine(rng: np.random.Generator, how: Augmentation, from_hw: tuple, to_hw: tuple) -> np.ndarray:
    """A (2, 3) matrix that takes `to_hw` pixels to `from_hw` pixels: crop, zoom, aspect, rotation, mirror."""
    (h, w), (th, tw) = from_hw, to_hw
    scale = rng.uniform(*how.area) ** 0.5
    stretch = np.exp(rng.uniform(-how.aspect_jitter, how.aspect_jitter) / 2)
    crop_w, crop_h = min(w * scale * stretch, w), min(h * scale / stretch, h)
    centre_x = rng.uniform(crop_w / 2, w - crop_w / 2)
    centre_y = rng.uniform(crop_h / 2, h - crop_h / 2)
    angle = np.deg2rad(rng.uniform(-how.rotation_deg, how.rotation_deg))
    mirror = -1.0 if rng.random() < how.flip_chance else 1.0
    sx, sy, c, s = mirror * crop_w / tw, crop_h / th, np.cos(angle), np.sin(angle)
    linear = np.array([[c * sx, -s * sy], [s * sx, c * sy]])
    # Pixel centres: the middle of the output meets the middle of the crop.
    offset = np.array([centre_x - 0.5, centre_y - 0.5]) - linear @ np.array([(tw - 1) / 2, (th - 1) / 2])
    return np.concatenate([linear, offset[:, None]], axis=1)


def warp(array: np.ndarray, matrix: np.ndarray, to_hw: tuple[int, int], smooth: bool) -> np.ndarray:
    """Sample an (H, W[, 3]) array at `to_hw`; mirrored beyond its edges, so no false black enters."""
    flags = (cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST) | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(array, matrix, (to_hw[1], to_hw[0]), flags=flags, borderMode=cv2.BORDER_REFLECT_101)


def warp_boxes(boxes_xyxy: np.ndarray, matrix: np.ndarray, to_hw: tuple[int, int]) -> np.ndarray:
    """Boxes (N, 4) of the frame where `warp` puts them: the hull of the moved corners, cut at the view's edges.

    NaN where there was no box, or where less than `LEAST_SEEN` of it is left in the view.
    """
    inverse = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))[:2]
    x = boxes_xyxy[:, [0, 2, 0, 2]] - 0.5  # edges to the coordinates of pixel centres
    y = boxes_xyxy[:, [1, 1, 3, 3]] - 0.5
    u, v = (inverse[k, 0] * x + inverse[k, 1] * y + inverse[k, 2] + 0.5 for k in (0, 1))
    hull = np.stack([u.min(1), v.min(1), u.max(1), v.max(1)], axis=1)
    cut = hull.clip(0, np.array([to_hw[1], to_hw[0], to_hw[1], to_hw[0]]))
    seen = (cut[:, 2] - cut[:, 0]) * (cut[:, 3] - cut[:, 1])
    whole = (hull[:, 2] - hull[:, 0]) * (hull[:, 3] - hull[:, 1])
    cut[~(seen >= LEAST_SEEN * whole)] = np.nan
    return cut.astype(np.float32)


def jitter_colour(image: np.ndarray, rng: np.random.Generator, how: Augmentation) -> np.ndarray:
    """Brightness, contrast and gamma by one table; saturation, hue and grey by one colour matrix."""
    level = np.linspace(0, 1, 256) ** np.exp(rng.uniform(-how.gamma, how.gamma))
    level = (level - 0.5) * np.exp(rng.uniform(-how.contrast, how.contrast)) + 0.5
    level = level * np.exp(rng.uniform(-how.brightness, how.brightness))
    table = (level * 255).clip(0, 255).astype(np.uint8)
    saturation = 0.0 if rng.random() < how.grey_chance else np.exp(rng.uniform(-how.saturation, how.saturation))
    angle = np.deg2rad(rng.uniform(-how.hue_deg, how.hue_deg))
    return cv2.transform(cv2.LUT(image, table), _colour_matrix(saturation, angle))


def _colour_matrix(saturation: float, angle: float) -> np.ndarray:
    """Rotate hue about the grey axis (Rodrigues), then move colours towards or away from their luma."""
    c, s = np.cos(angle), np.sin(angle) / 3**0.5
    rotate = c * np.eye(3) + (1 - c) / 3 + s * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    fade = saturation * np.eye(3) + (1 - saturation) * np.tile(LUMA, (3, 1))
    return (fade @ rotate).astype(np.float32)


def degrade(image: np.ndarray, rng: np.random.Generator, how: Augmentation) -> np.ndarray:
    """Sometimes a soft focus, sometimes sensor noise."""
    if rng.random() < how.blur_chance:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, how.blur_sigma))
    if rng.random() < how.noise_chance:
        sigma = rng.uniform(1, how.noise_sigma)
        # A byte is plenty for noise of a few grey levels, and four times cheaper than drawing normals.
        grain = rng.integers(-128, 128, image.shape, dtype=np.int8)
        image = cv2.addWeighted(image, 1.0, grain, sigma / 74, 0.0, dtype=cv2.CV_8U)
    return image


def augment(
    image: np.ndarray,
    labels: np.ndarray,
    depth: np.ndarray | None,
    rng: np.random.Generator,
    *,
    how: Augmentation,
    to_hw: tuple[int, int],
    matrix: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """A frame seen through `matrix` (`random_affine`), colours varied at random.

    Shape: (H, W, 3) uint8, (H, W) uint8 codes, (H, W) float32 -> the same at `to_hw`.
    """
    view = degrade(jitter_colour(warp(image, matrix, to_hw, smooth=True), rng, how), rng, how)
    far = None if depth is None else warp(depth, matrix, to_hw, smooth=False)
    return view, warp(labels, matrix, to_hw, smooth=False), far
