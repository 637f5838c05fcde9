"""The 15 common corruptions of Hendrycks and Dietterich (ICLR 2019, arXiv 1903.12261) at 5 severities, seeded.

Severities are those of the paper's published data set, made for pictures 224 px high; lengths here grow with the
frame's shorter side. What differs, and why: frost is a texture made here, where the paper lays photographs of frost
over the picture; glass takes each pixel from a random neighbour, where the paper swaps pairs; motion blur is
centred, and elastic moves the labels too (`move_labels`), so that labels stay true; the first two severities of
elastic are weaker ones of the kind of the other three, where the paper's shift the whole picture instead.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping

import cv2
import numpy as np

from describer.errors import InputError

SEVERITIES = (1, 2, 3, 4, 5)
_PAPER_SIDE_PX = 224
_NEEDLES = 70
_ICE_RGB = (0.88, 0.95, 1.0)

Picture = np.ndarray
"""RGB (H, W, 3) float32 in [0, 1]."""


def corrupt(image: np.ndarray, name: str, severity: int, seed: int = 0) -> np.ndarray:
    """An RGB uint8 (H, W, 3) frame with one of CORRUPTIONS at a severity of 1 to 5; a new array of the same shape.

    The same seed gives the same noise at every severity, only more of it. InputError for another name or severity.
    """
    _check(name, severity)
    picture = image.astype(np.float32) / 255
    spoilt = _BY_NAME[name](picture, severity - 1, _random(name, seed), min(image.shape[:2]) / _PAPER_SIDE_PX)
    return np.rint(np.clip(spoilt, 0, 1) * 255).astype(np.uint8)


def move_labels(labels: np.ndarray, name: str, severity: int, seed: int = 0) -> np.ndarray:
    """Labels (H, W) uint8 moved as `corrupt` moves the pixels of their frame: by elastic alone."""
    _check(name, severity)
    if name != "elastic":
        return labels
    maps = _elastic_maps(labels.shape, severity - 1, _random(name, seed), min(labels.shape) / _PAPER_SIDE_PX)
    return cv2.remap(labels, *maps, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)


def _check(name: str, severity: int) -> None:
    if name not in _BY_NAME:
        raise InputError(f"corruption {name!r} is unknown; use one of {', '.join(CORRUPTIONS)}.")
    if severity not in SEVERITIES:
        raise InputError(f"the severity of {name} must be 1 to 5, got {severity}.")


def _random(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _gaussian_noise(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    return x + (0.08, 0.12, 0.18, 0.26, 0.38)[s] * rng.standard_normal(x.shape, np.float32)


def _shot_noise(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    photons = (60, 25, 12, 5, 3)[s]
    return (rng.poisson(x * photons) / photons).astype(np.float32)


def _impulse_noise(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    share = (0.03, 0.06, 0.09, 0.17, 0.27)[s]
    chance = rng.random(x.shape, np.float32)
    return np.where(chance < share / 2, 0, np.where(chance > 1 - share / 2, 1, x)).astype(np.float32)


def _defocus_blur(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    radius = (3, 4, 6, 8, 10)[s] * px
    ys, xs = _grid(math.ceil(radius) + 1)
    # The disc's rim fades over a pixel, as a lens' does.
    return _filtered(x, np.clip(radius + 0.5 - np.hypot(xs, ys), 0, 1))


def _glass_blur(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    sigma, reach, times = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[s]
    height, width = x.shape[:2]
    rows, columns = np.indices((height, width))
    x = cv2.GaussianBlur(x, (0, 0), sigma * px)
    for _ in range(times):
        dy, dx = np.rint(rng.uniform(-reach * px, reach * px, (2, height, width))).astype(int)
        x = x[np.clip(rows + dy, 0, height - 1), np.clip(columns + dx, 0, width - 1)]
    return cv2.GaussianBlur(x, (0, 0), sigma * px)


def _motion_blur(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[s]
    return _filtered(x, _streak(radius * px, sigma * px, rng.uniform(-45, 45)))


def _zoom_blur(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    most, step = ((1.10, 0.01), (1.15, 0.01), (1.20, 0.02), (1.25, 0.02), (1.30, 0.03))[s]
    zooms = np.arange(1, most + step / 2, step)
    return np.mean([x, *(_zoomed(x, zoom) for zoom in zooms)], axis=0)


def _snow(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    mean, spread, zoom, least, radius, sigma, keep = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )[s]
    flakes = _zoomed((mean + spread * rng.standard_normal(x.shape[:2])).astype(np.float32), zoom * px)
    flakes = np.clip(np.where(flakes < least, 0, flakes), 0, 1)
    flakes = _filtered(flakes, _streak(radius * px, sigma * px, rng.uniform(-135, -45)))[..., None]
    white = np.maximum(x, 1.5 * cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)[..., None] + 0.5)
    return keep * x + (1 - keep) * white + flakes + flakes[::-1, ::-1]


def _frost(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    keep, ice = ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[s]
    return keep * x + ice * _ice(rng, x.shape[:2], px)


def _fog(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    density, decay = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))[s]
    brightest = x.max()
    return (x + density * _plasma(rng, x.shape[:2], decay)[..., None]) * brightest / (brightest + density)


def _brightness(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    hsv = cv2.cvtColor(x, cv2.COLOR_RGB2HSV)
    hsv[..., 2] = np.clip(hsv[..., 2] + (0.1, 0.2, 0.3, 0.4, 0.5)[s], 0, 1)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def _contrast(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    mean = x.mean(axis=(0, 1))
    return (x - mean) * (0.4, 0.3, 0.2, 0.1, 0.05)[s] + mean


def _elastic(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    maps = _elastic_maps(x.shape[:2], s, rng, px)
    return cv2.remap(x, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _pixelate(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    share = min(1.0, (0.6, 0.5, 0.4, 0.3, 0.25)[s] / px)
    height, width = x.shape[:2]
    small = cv2.resize(x, (max(1, round(width * share)), max(1, round(height * share))), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


def _jpeg(x: Picture, s: int, rng: np.random.Generator, px: float) -> Picture:
    bgr = np.rint(x[:, :, ::-1] * 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, (25, 18, 15, 10, 7)[s]])
    decoded: np.ndarray = cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[assignment]  # never None of our own JPEG
    return decoded[:, :, ::-1].astype(np.float32) / 255


_BY_NAME: Mapping[str, Callable[[Picture, int, np.random.Generator, float], Picture]] = {
    "gaussian noise": _gaussian_noise,
    "shot noise": _shot_noise,
    "impulse noise": _impulse_noise,
    "defocus blur": _defocus_blur,
    "glass blur": _glass_blur,
    "motion blur": _motion_blur,
    "zoom blur": _zoom_blur,
    "snow": _snow,
    "frost": _frost,
    "fog": _fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "elastic": _elastic,
    "pixelate": _pixelate,
    "jpeg": _jpeg,
}
CORRUPTIONS = tuple(_BY_NAME)


def _grid(reach_px: int) -> tuple[np.ndarray, np.ndarray]:
    """y and x of a square kernel around its middle."""
    ys, xs = np.mgrid[-reach_px : reach_px + 1, -reach_px : reach_px + 1]
    return ys.astype(np.float32), xs.astype(np.float32)


def _filtered(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return cv2.filter2D(x, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


def _streak(radius_px: float, sigma_px: float, angle_deg: float) -> np.ndarray:
    """A line kernel with Gaussian weights: as spread as one that runs ``radius_px`` to one side, but centred."""
    ys, xs = _grid(math.ceil(radius_px / 2) + 1)
    turn = math.radians(angle_deg)
    along, across = xs * math.cos(turn) + ys * math.sin(turn), ys * math.cos(turn) - xs * math.sin(turn)
    weight = np.exp(-(along**2) / (2 * (0.6 * sigma_px) ** 2)) * (np.abs(along) <= radius_px / 2)
    return weight * np.clip(1 - np.abs(across), 0, 1)


def _zoomed(x: np.ndarray, factor: float) -> np.ndarray:
    """The middle of ``x`` enlarged to its size."""
    height, width = x.shape[:2]
    cx, cy = (width - 1) / 2, (height - 1) / 2
    matrix = np.array([[factor, 0, cx - factor * cx], [0, factor, cy - factor * cy]])
    return cv2.warpAffine(x, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _elastic_maps(hw: tuple[int, ...], s: int, rng: np.random.Generator, px: float) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel (H, W) takes its x and its y from: a small affine change and smooth random shifts."""
    height, width = hw[:2]
    side = _PAPER_SIDE_PX * px
    strength, corner_px = (0.02, 0.035, 0.05, 0.07, 0.12)[s] * side, (0.008, 0.014, 0.02, 0.02, 0.02)[s] * side
    third = np.array([[1, 1], [-1, 1], [1, -1]], np.float32) * side / 3 + np.array([width / 2, height / 2], np.float32)
    moved = third + corner_px * rng.uniform(-1, 1, third.shape).astype(np.float32)
    affine = cv2.getAffineTransform(third, moved)
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    shifts = [
        strength * cv2.GaussianBlur(rng.uniform(-1, 1, (height, width)).astype(np.float32), (0, 0), 0.01 * side)
        for _ in range(2)
    ]
    maps = [affine[i, 0] * xs + affine[i, 1] * ys + affine[i, 2] + shifts[i] for i in range(2)]
    return maps[0].astype(np.float32), maps[1].astype(np.float32)


def _plasma(rng: np.random.Generator, hw: tuple[int, ...], decay: float) -> np.ndarray:
    """(H, W) clouds in [0, 1] by the diamond-square algorithm; ``decay`` 1 is rough, 2 and more smooth."""
    size = 256
    height = np.zeros((size, size))
    step, reach = size, 1.0

    def jitter(like: np.ndarray) -> np.ndarray:
        return reach * rng.uniform(-1, 1, like.shape)

    while step > 1:
        half = step // 2
        corners = height[::step, ::step]
        right, below = np.roll(corners, -1, axis=1), np.roll(corners, -1, axis=0)
        middles = (corners + right + below + np.roll(right, -1, axis=0)) / 4 + jitter(corners)
        height[half::step, half::step] = middles
        height[::step, half::step] = (corners + right + middles + np.roll(middles, 1, axis=0)) / 4 + jitter(corners)
        height[half::step, ::step] = (corners + below + middles + np.roll(middles, 1, axis=1)) / 4 + jitter(corners)
        # Squared as in the published data set, whose steps multiply two numbers that both decay.
        step, reach = half, reach / decay**2
    height = (height - height.min()) / np.ptp(height)
    side = max(hw[:2])
    return cv2.resize(height.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)[: hw[0], : hw[1]]


def _ice(rng: np.random.Generator, hw: tuple[int, ...], px: float) -> Picture:
    """Frost on a pane (H, W, 3): needles with side branches that grow in from the rim, over a milky film."""
    height, width = hw[:2]
    needles = np.zeros((height, width), np.float32)
    for _ in range(_NEEDLES):
        side, place = int(rng.integers(4)), rng.random()
        start = [(place * width, 0), (place * width, height), (0, place * height), (width, place * height)][side]
        inward = math.atan2(height / 2 - start[1], width / 2 - start[0])
        lines = _needle(rng, np.array(start), inward + rng.normal(0, 0.5), rng.uniform(25, 110) * px)
        eighths = np.round(8 * lines).astype(np.int32)
        cv2.polylines(needles, list(eighths), False, rng.uniform(0.4, 1.0), max(1, round(px)), cv2.LINE_AA, 3)
    crystals = np.clip(0.8 * needles + 0.6 * cv2.GaussianBlur(needles, (0, 0), 3 * px), 0, 1)
    film = 0.15 + 0.45 * _plasma(rng, hw, 1.6)
    return np.clip(film + 0.6 * crystals, 0, 1)[..., None] * np.array(_ICE_RGB, np.float32)


def _needle(rng: np.random.Generator, start_xy: np.ndarray, turn: float, length: float) -> np.ndarray:
    """Lines (N, 2 ends, xy): a needle and its branches on both sides, 60 degrees off as ice grows."""
    at = np.arange(0.15, 1, 0.12)
    turns = turn + np.array([-math.pi / 3, math.pi / 3])
    roots = start_xy + length * at[:, None] * _direction(turn)
    reach = 0.45 * (1 - at) * length * rng.uniform(0.6, 1.2, (2, len(at)))
    tips = roots + reach[..., None] * _direction(turns)[:, None]
    branches = np.stack([np.broadcast_to(roots, tips.shape), tips], axis=2).reshape(-1, 2, 2)
    return np.concatenate([[[start_xy, start_xy + length * _direction(turn)]], branches])


def _direction(turn: float | np.ndarray) -> np.ndarray:
    return np.stack([np.cos(turn), np.sin(turn)], axis=-1)
