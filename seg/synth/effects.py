"""What lies between the tissue and the eye: smoke, lens, scope border, camera and compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from describer.seg.synth.arrays import Array, Rng
from describer.seg.synth.noise import fbm


@dataclass(frozen=True)
class Optics:
    """What the camera chain did: smoke coverage and light mask (H, W), and what else there was to see."""

    veil: Array
    inside: Array
    blur: bool
    dirt: bool


def smoke(rng: Rng, image: Array, at_px: tuple[float, float] | None, chance: float) -> Array:
    """Lay smoke over a linear image (3, H, W) in place; returns its coverage (H, W)."""
    h, w = image.shape[1:]
    if rng.random() >= chance:
        return np.zeros((h, w), np.float32)
    small = (max(8, h // 4), max(8, w // 4))
    cloud = 0.6 + 0.32 * fbm(rng, small, rng.uniform(2.5, 6), 4, 0.6)
    if at_px is not None and rng.random() < 0.75:
        xs = np.linspace(0, 1, small[1], dtype=np.float32)[None, :] - at_px[0] / w
        ys = (np.linspace(0, 1, small[0], dtype=np.float32)[:, None] - at_px[1] / h) * (h / w)
        cloud *= np.exp(-(xs * xs + ys * ys) / (2 * rng.uniform(0.12, 0.4) ** 2))
    veil = np.clip(cloud, 0.0, 1.0) * rng.choice((rng.uniform(0.25, 0.5), rng.uniform(0.5, 0.85)))
    veil = cv2.resize(veil.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
    grey = rng.uniform(0.2, 0.42)
    colour = grey * np.array([1.0, rng.uniform(0.92, 1.0), rng.uniform(0.86, 1.04)], np.float32)
    image += veil * (colour[:, None, None] - image)
    return veil


def scope_border(rng: Rng, size_hw: tuple[int, int], kind: str) -> Array:
    """The view's mask as bool (H, W): 'circle', 'octagon' or 'full'."""
    h, w = size_hw
    if kind == "full":
        return np.ones(size_hw, bool)
    xs = np.arange(w, dtype=np.float32)[None, :] - w * (0.5 + rng.uniform(-0.03, 0.03))
    ys = np.arange(h, dtype=np.float32)[:, None] - h * (0.5 + rng.uniform(-0.03, 0.03))
    if kind == "circle":
        radius = rng.uniform(0.46, 0.62) * w if rng.random() < 0.75 else rng.uniform(0.4, 0.48) * h
        return xs * xs + ys * ys < radius * radius
    half_w, half_h = rng.uniform(0.42, 0.52) * w, rng.uniform(0.46, 0.53) * h
    corner = (half_w + half_h) * rng.uniform(0.68, 0.9)
    return (np.abs(xs) < half_w) & (np.abs(ys) < half_h) & (np.abs(xs) + np.abs(ys) < corner)


def grade(rng: Rng, image: Array, inside: Array) -> Array:
    """Exposure, white balance, saturation and tone of a linear image; returns display values. Both (3, H, W)."""
    sample = image[:, ::6, ::6][:, inside[::6, ::6]]
    level = float(np.clip(sample, 0, 1).mean()) if sample.size else 0.2
    target = rng.uniform(0.13, 0.3)
    exposure = target / max(level, 1e-3) * (rng.uniform(1.3, 1.9) if rng.random() < 0.06 else 1.0)
    cast = np.exp(rng.normal((0.06, -0.02, -0.04), (0.05, 0.025, 0.07))).astype(np.float32) * np.float32(exposure)
    if rng.random() < 0.04:
        cast *= np.array([rng.uniform(0.8, 1.0), 1.0, rng.uniform(1.05, 1.3)], np.float32)
    image = image * cast[:, None, None]
    np.clip(image, 0.0, None, out=image)
    np.sqrt(image, out=image)
    keep = rng.uniform(0.02, 0.3) if rng.random() < 0.025 else rng.uniform(0.8, 1.35)
    grey = 0.3 * image[0] + 0.55 * image[1] + 0.15 * image[2]
    image *= np.float32(keep)
    image += np.float32(1.0 - keep) * grey
    # A soft shoulder keeps highlights from clipping at once, as camera curves do.
    knee = 0.82
    over = image - np.float32(knee)
    np.clip(over, 0.0, None, out=over)
    image -= over
    image += over / (1.0 + over * np.float32(1 / 0.26))
    # Contrast about mid-grey, as recorders add it.
    contrast = rng.uniform(1.0, 1.4)
    image *= np.float32(contrast)
    image += np.float32(0.45 * (1.0 - contrast) + rng.uniform(-0.02, 0.02))
    return image


def lens(rng: Rng, image: Array) -> tuple[Array, bool, bool]:
    """Defocus and dirt on the front lens: (image (3, H, W), blurred, dirty)."""
    w = image.shape[2]
    blurred = bool(rng.random() < 0.1)
    sigma = rng.uniform(0.0045, 0.009) * w if blurred else rng.uniform(0.0005, 0.0028) * w
    image = _planewise(image, max(sigma, 0.35))
    dirty = bool(rng.random() < 0.08)
    return (smudged(rng, image) if dirty else image), blurred, dirty


def smudged(rng: Rng, image: Array) -> Array:
    """Smears and drops on the front lens, (3, H, W): what lies behind them is out of focus and veiled."""
    h, w = image.shape[1:]
    spots = np.zeros((max(8, h // 4), max(8, w // 4)), np.float32)
    for _ in range(int(rng.integers(2, 7))):
        centre = (int(rng.uniform(0.1, 0.9) * w / 4), int(rng.uniform(0.1, 0.9) * h / 4))
        axes = (int(w * rng.uniform(0.012, 0.035)), int(w * rng.uniform(0.008, 0.022)))
        cv2.ellipse(spots, centre, axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
    spots = cv2.resize(cv2.GaussianBlur(spots, (0, 0), max(0.8, w / 400)), (w, h)) * np.float32(0.9)
    gain, haze = rng.uniform(0.7, 0.9), rng.uniform(0.14, 0.3)
    for plane in image:
        soft = cv2.resize(plane, (max(4, w // 16), max(4, h // 16)), interpolation=cv2.INTER_AREA)
        plane[:] += spots * (cv2.resize(soft * gain + haze, (w, h)) - plane)
    return image


def _planewise(image: Array, sigma_px: float) -> Array:
    """A Gaussian blur of (3, H, W)."""
    out = np.empty_like(image)
    for plane, target in zip(image, out, strict=True):
        cv2.GaussianBlur(plane, (0, 0), sigma_px, dst=target)
    return out


def camera(rng: Rng, image: Array, inside: Array) -> Array:
    """Display values (3, H, W) as recorded, uint8 RGB (H, W, 3): noise, border, interlace, sharpening, compression."""
    h, w = inside.shape
    if rng.random() < 0.35:
        amount = np.float32(rng.uniform(0.3, 1.0))
        image = image * (1 + amount) - _planewise(image, max(0.6, w / 500)) * amount
    tile = rng.standard_normal((128, 128, 3), dtype=np.float32)
    tile = cv2.GaussianBlur(tile, (0, 0), rng.uniform(0.4, 0.9)) * rng.uniform(0.004, 0.028)
    grain = np.ascontiguousarray(np.moveaxis(tile.astype(np.float32), -1, 0))
    for y in range(0, h, 128):
        for x in range(0, w, 128):
            part = image[:, y : y + 128, x : x + 128]
            part += grain[:, : part.shape[1], : part.shape[2]]
    if not inside.all():
        edge = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), max(0.6, w * rng.uniform(0.0008, 0.004)))
        image *= np.where(inside, edge, np.clip(edge, 0.0, np.float32(0.6)))
        stray = ~inside * np.float32(rng.uniform(0.0, 0.05))
        for plane, share in zip(image, (1.0, 0.6, 0.6), strict=True):
            plane[:] += stray * np.float32(share)
    np.clip(image, 0.0, 1.0, out=image)
    out: Array = cv2.merge([cv2.convertScaleAbs(plane, alpha=255.0) for plane in image])
    if rng.random() < 0.05:
        out[1::2] = np.roll(out[1::2], int(rng.integers(1, 4)), axis=1)
    if rng.random() < 0.7:
        quality = int(rng.integers(35, 95))
        ok, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if ok else None
        out = out if decoded is None else decoded
    return out


def overlay_text(rng: Rng, image: Array, inside: Array) -> Array:
    """Burn patient-data lines and a position box into the margin, as recorders do; returns the new mask."""
    h, w = inside.shape
    scale = w / 640
    x, y = int(8 * scale), int(h * rng.uniform(0.06, 0.3))
    for _ in range(int(rng.integers(2, 6))):
        text = "".join(rng.choice(list("0123456789:/.SexAgeN"), int(rng.integers(4, 12))))
        cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.32 * scale, (210, 210, 210), 1, cv2.LINE_AA)
        y += int(14 * scale)
    inside = inside.copy()
    if rng.random() < 0.45:
        bw, bh = int(w * rng.uniform(0.2, 0.34)), int(h * rng.uniform(0.2, 0.36))
        image[h - bh :, :bw] = (4, 4, 6)
        if rng.random() < 0.5:
            image[h - bh + 4 : h - 6, 6 : bw - 6] = (6, 26, 18)
            t = np.linspace(0, 1, 12)
            pts = np.stack([bw * (0.5 + 0.3 * np.sin(6 * t)), h - bh + bh * (0.15 + 0.7 * t)], 1).astype(np.int32)
            cv2.polylines(image, [pts], False, (40, 190, 60), 2, cv2.LINE_AA)
        inside[h - bh :, :bw] = False
    return inside


def pick_border(rng: Rng, procedure: str) -> str:
    """The kind of view a recording has."""
    if procedure == "laparoscopy":
        return str(rng.choice(("circle", "full", "octagon"), p=(0.5, 0.38, 0.12)))
    return str(rng.choice(("octagon", "full", "circle"), p=(0.6, 0.25, 0.15)))
