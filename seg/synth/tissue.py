"""What each tissue is made of: colour with its variation, fine relief and wetness, drawn for one patch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from describer.seg.synth.arrays import Array, Rng
from describer.seg.synth.noise import fbm, fibres, lobules, smoothstep, vessels

# Base colours as seen on display (sRGB 0..255), several per tissue; read off recorded operations.
PALETTES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "liver": ((146, 66, 58), (122, 48, 46), (156, 80, 70), (104, 40, 48), (128, 58, 60), (92, 34, 40)),
    "gallbladder": ((190, 184, 142), (200, 190, 138), (182, 180, 150), (176, 170, 130), (208, 190, 152)),
    "fat": ((226, 182, 92), (236, 204, 128), (212, 160, 78), (222, 176, 112), (240, 214, 160)),
    "abdominal wall": ((190, 92, 90), (176, 80, 76), (200, 106, 98), (186, 96, 72), (166, 72, 82)),
    "bowel": ((228, 152, 144), (236, 166, 156), (218, 138, 136), (226, 158, 134), (212, 142, 150)),
    "connective tissue": (
        (226, 192, 182),
        (232, 204, 190),
        (214, 178, 168),
        (216, 188, 186),
        (228, 196, 162),
    ),
    "mucosa": (
        (220, 124, 92),
        (230, 146, 112),
        (212, 106, 86),
        (232, 152, 92),
        (222, 144, 130),
        (204, 116, 66),
    ),
    "submucosa": ((196, 206, 220), (150, 178, 214), (214, 214, 214), (120, 156, 204), (222, 204, 196)),
    "mucosal flap": ((226, 172, 152), (220, 152, 132), (232, 190, 170)),
    "blood": ((138, 16, 16), (112, 8, 12), (160, 26, 20)),
}


@dataclass(frozen=True)
class Material:
    """Surface of one patch: albedo (3, h, w) linear, bump (h, w) in frame widths, gloss (h, w)."""

    albedo: Array
    bump: Array
    gloss: Array


def linear(rgb: tuple[float, float, float] | Array) -> Array:
    """Display colour 0..255 as linear light."""
    return np.square(np.asarray(rgb, np.float32) / 255.0)


def pick_colour(rng: Rng, name: str, spread: float = 9.0) -> Array:
    """One of a tissue's base colours, jittered; display values 0..255, shape (3,)."""
    choice = PALETTES[name][rng.integers(len(PALETTES[name]))]
    jitter = rng.normal(0, spread) + rng.normal(0, 0.4 * spread, 3)
    return np.clip(np.asarray(choice, np.float32) + jitter, 4, 250).astype(np.float32)


def _mix(base: Array, parts: list[tuple[Array, Array]]) -> Array:
    """Display colour `base` (3,) blended with (weight map, colour) in turn; returns linear (3, h, w)."""
    image = np.empty((3, *parts[0][0].shape), np.float32)
    image[:] = (base / 255.0)[:, None, None]
    change = np.empty_like(image[0])
    for weight, colour in parts:
        for plane, value in zip(image, colour, strict=True):
            np.subtract(np.float32(value / 255.0), plane, out=change)
            change *= weight
            plane[:] += change
    return np.square(image, out=image)


def _shift(colour: Array, *delta: float) -> Array:
    return np.clip(colour + np.asarray(delta, np.float32), 2, 253)


def _soft(field: Array, strength: float) -> Array:
    """A blend weight from unit noise."""
    return np.clip(0.5 + 0.4 * field, 0.0, 1.0) * strength


def _features(size_hw: tuple[int, int], frame_w: int, per_frame: float) -> float:
    """How many features this patch has across when the whole frame has `per_frame`."""
    return max(1.5, per_frame * size_hw[1] / frame_w)


def _vessels(rng: Rng, size_hw: tuple[int, int], frame_w: int, density: float, width: float) -> Array:
    area = size_hw[0] * size_hw[1] / (frame_w * frame_w * 0.8)
    count = int(density * area + rng.random())
    if count < 1:
        return np.zeros(size_hw, np.float32)
    return vessels(rng, size_hw, min(count, 14), max(0.8, width * frame_w), frame_w * rng.uniform(0.12, 0.3))


def liver(rng: Rng, size_hw: tuple[int, int], frame_w: int) -> Material:
    """Smooth brown-red with a fine grain and a broad sheen."""
    base = pick_colour(rng, "liver")
    mottle = fbm(rng, size_hw, _features(size_hw, frame_w, 6), 3)
    grain = fbm(rng, size_hw, _features(size_hw, frame_w, 70), 2)
    parts = [
        (_soft(mottle, 0.5), _shift(base, -26, -20, -14)),
        (_soft(grain, 0.35), _shift(base, 30, 22, 16)),
    ]
    if rng.random() < 0.3:
        pale = smoothstep(1.0, 2.0, fbm(rng, size_hw, _features(size_hw, frame_w, 9), 2))
        parts.append((pale * 0.5, np.array([190, 140, 100])))
    bump = 0.0016 * mottle + 0.00035 * grain
    return Material(_mix(base, parts), bump, np.full(size_hw, rng.uniform(0.5, 1.0), np.float32))


def gallbladder(rng: Rng, size_hw: tuple[int, int], frame_w: int) -> Material:
    """A thin pale wall over bile: grey-green to yellowish pink, fine vessels on it."""
    base = pick_colour(rng, "gallbladder")
    cloud = fbm(rng, size_hw, _features(size_hw, frame_w, 6), 4)
    streak = fibres(rng, size_hw, _features(size_hw, frame_w, 40), 5, rng.uniform(0, np.pi))
    red = _vessels(rng, size_hw, frame_w, rng.uniform(8, 50), rng.uniform(0.0016, 0.0032))
    parts = [
        (_soft(cloud, 0.55), _shift(base, -32, -34, -26)),
        (_soft(streak, 0.3), _shift(base, 28, 26, 20)),
        (
            smoothstep(0.0, 2.6, fbm(rng, size_hw, _features(size_hw, frame_w, 8), 4)) * 0.45,
            np.array([176, 88, 80]),
        ),
        (red * rng.uniform(0.35, 0.75), np.array([150, 52, 52])),
    ]
    if rng.random() < 0.5:
        patch = smoothstep(0.0, 2.2, fbm(rng, size_hw, _features(size_hw, frame_w, 5), 3))
        parts.append((patch * 0.4, np.array([226, 186, 104])))
    bump = rng.uniform(0.001, 0.004) * cloud + 0.0007 * streak
    return Material(_mix(base, parts), bump, np.full(size_hw, rng.uniform(0.7, 1.3), np.float32))


def fat(rng: Rng, size_hw: tuple[int, int], frame_w: int) -> Material:
    """Yellow lobules, each a little different, darker and redder in the creases."""
    base = pick_colour(rng, "fat")
    bump, value = lobules(rng, size_hw, _features(size_hw, frame_w, rng.uniform(7, 18)))
    fine, _ = lobules(rng, size_hw, _features(size_hw, frame_w, rng.uniform(26, 48)))
    cloud = fbm(rng, size_hw, _features(size_hw, frame_w, 4), 3)
    red = _vessels(rng, size_hw, frame_w, rng.uniform(2, 18), 0.002)
    parts = [
        (value * 0.4, _shift(base, -28, -36, -34)),
        ((1.0 - bump) * rng.uniform(0.25, 0.6), _shift(base, -46, -72, -58)),
        (_soft(cloud, 0.4), _shift(base, 4, -28, -26)),
        (red * rng.uniform(0.3, 0.8), np.array([168, 60, 40])),
    ]
    relief = rng.uniform(0.004, 0.011) * bump + 0.0014 * fine + 0.0012 * cloud
    return Material(_mix(base, parts), relief, np.full(size_hw, rng.uniform(0.4, 1.0), np.float32))


def abdominal_wall(rng: Rng, size_hw: tuple[int, int], frame_w: int) -> Material:
    """Peritoneum over muscle: pink-red, fibres in one direction, a net of vessels."""
    base = pick_colour(rng, "abdominal wall")
    strand = fibres(
        rng,
        size_hw,
        _features(size_hw, frame_w, rng.uniform(18, 40)),
        rng.uniform(4, 9),
        rng.uniform(0, np.pi),
    )
    cloud = fbm(rng, size_hw, _features(size_hw, frame_w, 3), 4)
    red = _vessels(rng, size_hw, frame_w, rng.uniform(5, 16), rng.uniform(0.002, 0.0045))
    parts = [
        (_soft(cloud, 0.5), _shift(base, 18, 24, 14)),
        (_soft(strand, 0.45), _shift(base, -26, -28, -22)),
        (red * rng.uniform(0.4, 0.85), np.array([128, 30, 40])),
    ]
    if rng.random() < 0.4:
        patch = smoothstep(0.0, 2.0, fbm(rng, size_hw, _features(size_hw, frame_w, 3), 3))
        parts.append((patch * 0.35, np.array([214, 160, 84])))
    bump = 0.0012 * strand + 0.0015 * cloud
    return Material(_mix(base, parts), bump, np.full(size_hw, rng.uniform(0.3, 0.9), np.float32))


def bowel(rng: Rng, size_hw: tuple[int, int], frame_w: int) -> Material:
    """Pale pink serosa with fine red vessels."""
    base = pick_colour(rng, "bowel")
    cloud = fbm(rng, size_hw, _features(size_hw, frame_w, 4), 4)
    wrinkle = fibres(rng, size_hw, _features(size_hw, frame_w, 30), 4, rng.uniform(0, np.pi))
    red = _vessels(rng, size_hw, frame_w, rng.uniform(12, 40), rng.uniform(0.0014, 0.0026))
    parts = [
        (_soft(cloud, 0.45), _shift(base, -22, -40, -36)),
        (_soft(wrinkle, 0.25), _shift(base, 16, 20, 20)),
        (red * rng.uniform(0.4, 0.8), np.array([168, 56, 58])),
    ]
    bump = 0.0022 * cloud + 0.0007 * wrinkle
    return Material(_mix(base, parts), bump, np.full(size_hw, rng.uniform(0.6, 1.3), np.float32))


def connective_tissue(rng: Rng, size_hw: tuple[int, int], frame_w: int) -> Material:
    """Whitish-pink membranes: strands in one main direction, with bloody and fatty patches."""
    base = pick_colour(rng, "connective tissue")
    angle = rng.uniform(0, np.pi)
    strand = fibres(rng, size_hw, _features(size_hw, frame_w, rng.uniform(26, 50)), rng.uniform(6, 14), angle)
    sheet = fibres(
        rng,
        size_hw,
        _features(size_hw, frame_w, rng.uniform(8, 14)),
        rng.uniform(3, 6),
        angle + rng.normal(0, 0.3),
    )
    patch = fbm(rng, size_hw, _features(size_hw, frame_w, 7), 4)
    parts = [
        (smoothstep(-0.2, 2.4, patch) * rng.uniform(0.1, 0.6), np.array([186, 66, 56])),
        (smoothstep(0.0, 2.4, -patch) * rng.uniform(0.1, 0.4), np.array([226, 180, 104])),
        (_soft(-sheet, 0.45), _shift(base, -52, -66, -60)),
        (smoothstep(0.3, 1.8, strand) * 0.6, _shift(base, 26, 42, 46)),
    ]
    bump = 0.001 * strand + 0.004 * sheet + 0.0024 * patch
    return Material(_mix(base, parts), bump, np.full(size_hw, rng.uniform(0.6, 1.4), np.float32))


def mucosa(rng: Rng, size_hw: tuple[int, int], frame_w: int) -> Material:
    """Orange-pink lining, faintly pitted, with a vessel net seen through it."""
    base = pick_colour(rng, "mucosa")
    cloud = fbm(rng, size_hw, _features(size_hw, frame_w, 4), 4)
    pits = fbm(rng, size_hw, _features(size_hw, frame_w, 60), 2)
    density = rng.uniform(5, 40) if rng.random() < 0.75 else 0.0
    red = _vessels(rng, size_hw, frame_w, density, rng.uniform(0.0014, 0.0034))
    blush = smoothstep(0.0, 2.0, fbm(rng, size_hw, _features(size_hw, frame_w, rng.uniform(5, 14)), 4, 0.65))
    parts = [
        (_soft(cloud, 0.5), _shift(base, -22, -32, -24)),
        (blush * rng.uniform(0.0, 0.6), _shift(base, 0, -56, -46)),
        (_soft(pits, 0.22), _shift(base, 18, 26, 24)),
        (red * rng.uniform(0.2, 0.55), _shift(base, -66, -84, -62)),
    ]
    bump = 0.0014 * cloud + rng.uniform(0.0001, 0.0006) * pits
    return Material(_mix(base, parts), bump, np.full(size_hw, rng.uniform(0.6, 1.3), np.float32))


def submucosa(rng: Rng, size_hw: tuple[int, int], frame_w: int) -> Material:
    """Loose whitish to dye-blue web with strands across it and vessels in it."""
    base = pick_colour(rng, "submucosa")
    angle = rng.uniform(0, np.pi)
    web = fibres(rng, size_hw, _features(size_hw, frame_w, rng.uniform(24, 44)), rng.uniform(3, 8), angle)
    cross = fibres(rng, size_hw, _features(size_hw, frame_w, rng.uniform(16, 30)), rng.uniform(3, 6), angle + 1.2)
    cloud = fbm(rng, size_hw, _features(size_hw, frame_w, 6), 3)
    red = _vessels(rng, size_hw, frame_w, rng.uniform(3, 14), rng.uniform(0.003, 0.006))
    parts = [
        (_soft(cloud, 0.55), _shift(base, -60, -44, -16)),
        (smoothstep(0.4, 1.8, web) * 0.75, np.array([236, 240, 244])),
        (smoothstep(0.6, 1.8, cross) * 0.5, np.array([226, 230, 238])),
        (red * rng.uniform(0.5, 0.95), np.array([160, 36, 44])),
    ]
    bump = 0.0022 * web + 0.0016 * cross + 0.002 * cloud
    return Material(_mix(base, parts), bump, np.full(size_hw, rng.uniform(0.7, 1.4), np.float32))


def mucosal_flap(rng: Rng, size_hw: tuple[int, int], frame_w: int) -> Material:
    """Lifted mucosa: pink, swollen, with whitish torn fibres on its raw side."""
    base = pick_colour(rng, "mucosal flap")
    cloud = fbm(rng, size_hw, _features(size_hw, frame_w, 7), 4)
    raw = fibres(rng, size_hw, _features(size_hw, frame_w, 30), 4, rng.uniform(0, np.pi))
    parts = [
        (_soft(cloud, 0.55), _shift(base, -30, -54, -44)),
        (smoothstep(0.3, 1.6, raw) * rng.uniform(0.1, 0.5), np.array([238, 222, 212])),
    ]
    bump = 0.003 * cloud + 0.001 * raw
    return Material(_mix(base, parts), bump, np.full(size_hw, rng.uniform(0.8, 1.4), np.float32))


def polyp(rng: Rng, size_hw: tuple[int, int], frame_w: int) -> Material:
    """A growth: redder or paler than its surroundings, with its own pit pattern."""
    base = pick_colour(rng, "mucosa")
    lift = rng.choice((-1.0, 1.0)) * rng.uniform(0.7, 1.4)
    base = _shift(base, 8 * lift + 4, 22 * lift - 6, 18 * lift - 4)
    cloud = fbm(rng, size_hw, _features(size_hw, frame_w, 14), 3)
    scale = rng.uniform(30, 70)
    pits, value = lobules(rng, size_hw, _features(size_hw, frame_w, scale))
    parts = [
        (_soft(cloud, 0.5), _shift(base, -16, -46, -36)),
        ((1.0 - pits) * rng.uniform(0.1, 0.5), _shift(base, -34, -58, -44)),
        (value * 0.15, np.array([238, 196, 176])),
        (_vessels(rng, size_hw, frame_w, rng.uniform(0, 40), 0.0018) * 0.5, np.array([150, 44, 40])),
    ]
    bump = rng.uniform(0.0005, 0.0022) * pits + 0.0018 * cloud
    return Material(_mix(base, parts), bump, np.full(size_hw, rng.uniform(0.7, 1.4), np.float32))


def blood(rng: Rng, size_hw: tuple[int, int], frame_w: int) -> Material:
    """A still, dark, mirror-like pool."""
    base = pick_colour(rng, "blood", 5)
    cloud = fbm(rng, size_hw, _features(size_hw, frame_w, 6), 3)
    parts = [
        (_soft(cloud, 0.6), _shift(base, -46, -6, -6)),
        (smoothstep(0.9, 1.9, cloud) * 0.4, np.array([190, 50, 40])),
    ]
    return Material(_mix(base, parts), 0.0006 * cloud, np.full(size_hw, 1.6, np.float32))


MATERIALS: dict[str, Callable[[Rng, tuple[int, int], int], Material]] = {
    "liver": liver,
    "gallbladder": gallbladder,
    "fat": fat,
    "abdominal wall": abdominal_wall,
    "bowel": bowel,
    "connective tissue": connective_tissue,
    "mucosa": mucosa,
    "submucosa": submucosa,
    "mucosal flap": mucosal_flap,
    "polyp": polyp,
    "blood": blood,
}
