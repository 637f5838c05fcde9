"""The canvas of one scene and the headlight that turns its height field into a picture.

Lengths are in frame widths: x to the right, y down, both from the frame's centre; heights towards the camera.
Colours are linear light in 0..1 (the square of the display value).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from describer.seg.synth.arrays import Array, Rng
from describer.seg.synth.noise import fbm, smoothstep
from describer.seg.synth.shapes import bounding_box
from describer.seg.synth.tissue import Material


@dataclass
class Canvas:
    """The scene while it is being built; full-size maps, changed in place by `paint`. Albedo is (3, H, W)."""

    size_hw: tuple[int, int]
    albedo: Array
    height: Array
    bump: Array
    gloss: Array
    labels: Array
    instances: Array
    far: Array
    cover: dict[str, Array] = field(default_factory=dict)
    next_id: int = 1

    @classmethod
    def empty(cls, rng: Rng, size_hw: tuple[int, int]) -> Canvas:
        """A blank canvas in front of a tilted, uneven far wall."""
        h, w = size_hw
        xs = np.linspace(-0.5, 0.5, w, dtype=np.float32)[None, :]
        ys = np.linspace(-0.5, 0.5, h, dtype=np.float32)[:, None]
        tilt_x, tilt_y = rng.uniform(-0.25, 0.25), rng.uniform(-0.45, 0.1)
        far = 0.8 + tilt_x * xs + tilt_y * ys + 0.05 * fbm(rng, size_hw, 2, 2)
        zeros = np.zeros(size_hw, np.float32)
        return cls(
            size_hw=size_hw,
            albedo=np.zeros((3, h, w), np.float32),
            height=zeros.copy(),
            bump=zeros.copy(),
            gloss=zeros.copy(),
            labels=np.zeros(size_hw, np.uint8),
            instances=np.zeros(size_hw, np.uint16),
            far=far.astype(np.float32),
            cover={name: zeros.copy() for name in ("blood", "char", "smoke", "glare")},
        )

    def new_id(self) -> int:
        """The next free instance id."""
        self.next_id += 1
        return self.next_id - 1

    def paint(self, mask: Array, box: tuple[slice, slice], label: int, height: Array, material: Material) -> int:
        """Put a tissue over what is there inside `box` (row and column slices); returns its instance id."""
        instance = self.new_id()
        self.repaint(mask, box, height, material)
        self.labels[box][mask] = label
        self.instances[box][mask] = instance
        return instance

    def repaint(self, mask: Array, box: tuple[slice, slice], height: Array, material: Material) -> None:
        """Replace the surface under `mask` but keep its labels."""
        np.copyto(self.albedo[:, *box], material.albedo, where=mask)
        np.copyto(self.height[box], height, where=mask)
        np.copyto(self.bump[box], material.bump, where=mask)
        np.copyto(self.gloss[box], material.gloss, where=mask)

    def tint(self, alpha: Array, colour: Array, kind: str | None = None) -> None:
        """Blend a linear colour over the albedo; `kind` records it as a cover."""
        box = bounding_box(alpha > 0.004)
        if box is None:
            return
        part = np.ascontiguousarray(alpha[box])
        for plane, value in zip(self.albedo, colour, strict=True):
            plane[box] += part * (value - plane[box])
        if kind is not None:
            np.maximum(self.cover[kind][box], part, out=self.cover[kind][box])

    @property
    def depth(self) -> Array:
        """Relative distance to the camera in 0.15..1, shape (H, W)."""
        return np.clip(self.far - self.height, 0.15, 1.0)


def _blurred(image: Array, sigma_px: float) -> Array:
    """A wide blur done on a reduced copy."""
    step = max(1, int(sigma_px / 2))
    h, w = image.shape[:2]
    small = cv2.resize(image, (max(4, w // step), max(4, h // step)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / step)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)


def light_gain(rng: Rng, depth: Array) -> Array:
    """Headlight strength over the frame: inverse-square fall-off times an off-centre light cone. (H, W)."""
    h, w = depth.shape
    xs = np.linspace(-0.5, 0.5, w, dtype=np.float32)[None, :] - rng.uniform(-0.12, 0.12)
    ys = np.linspace(-0.5 * h / w, 0.5 * h / w, h, dtype=np.float32)[:, None] - rng.uniform(-0.1, 0.1)
    cone = 1.0 / (1.0 + rng.uniform(1.2, 6.0) * (xs * xs + ys * ys))
    reference = float(np.median(depth[::8, ::8]))
    ratio = reference / depth
    fall = ratio * ratio
    # Deep fields go dark: automatic exposure follows what is near.
    if rng.random() < 0.5:
        fall *= ratio
    return np.clip(fall, None, 3.6) * cone


def shade(rng: Rng, canvas: Canvas) -> tuple[Array, Array]:
    """Light the canvas from the camera: (linear image (3, H, W), light gain (H, W)). Records glare."""
    h, w = canvas.size_hw
    edge = cv2.GaussianBlur(canvas.height, (0, 0), max(0.8, w / 420))
    gain = light_gain(rng, np.clip(canvas.far - edge, 0.15, 1.0))
    surface = (edge + canvas.bump) * w
    gx: Array = cv2.Sobel(surface, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    gy: Array = cv2.Sobel(surface, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    xs = np.linspace(-0.5, 0.5, w, dtype=np.float32)[None, :]
    ys = np.linspace(-0.5 * h / w, 0.5 * h / w, h, dtype=np.float32)[:, None]
    # The direction from the surface to the light: the camera sits in front of the centre, the lamp beside it.
    lx, ly = rng.uniform(-0.35, 0.35) - 0.9 * xs, rng.uniform(-0.45, 0.15) - 0.9 * ys
    # Cliffs between organs would otherwise be drawn as black outlines.
    steep = 1.0 / np.sqrt(1.0 + (gx * gx + gy * gy) / rng.uniform(1.5, 6.0))
    gx *= steep
    gy *= steep
    length = np.sqrt(lx * lx + ly * ly + 1.0)
    inverse = 1.0 / np.sqrt(gx * gx + gy * gy + 1.0)
    diffuse = (1.0 - gx * lx - gy * ly) * inverse / length
    np.clip(diffuse, 0.0, None, out=diffuse)
    diffuse *= np.float32(0.88)
    diffuse += np.float32(0.12)

    wide, near = _blurred(edge, w * 0.05), _blurred(edge, w * 0.014)
    hollow = np.clip((wide - edge) * rng.uniform(2.5, 6.0), 0.0, 0.75)
    hollow += np.clip((near - edge) * rng.uniform(1.0, 7.0), 0.0, 0.4)
    light = gain * diffuse * (1.0 - np.clip(hollow, None, 0.86))
    image = canvas.albedo * light

    spark = _sparkle(rng, canvas, gx + lx / (1.0 + length), gy + ly / (1.0 + length))
    spark *= np.clip(gain, None, 1.6) * canvas.gloss
    np.clip(spark, None, 1.0, out=canvas.cover["glare"])
    image += spark
    return image, gain


def _sparkle(rng: Rng, canvas: Canvas, off_x: Array, off_y: Array) -> Array:
    """Wet highlights: where a finely rippled film mirrors the lamp into the camera. Shape (H, W).

    `off_x` and `off_y` are the slopes by which the smooth surface misses the mirror direction.
    """
    h, w = canvas.size_hw
    half = (max(8, h // 2), max(8, w // 2))
    scale = rng.uniform(18, 80)
    ripple_x = cv2.resize(fbm(rng, half, scale, 2), (w, h), interpolation=cv2.INTER_LINEAR)
    ripple_y = cv2.resize(fbm(rng, half, scale, 2), (w, h), interpolation=cv2.INTER_LINEAR)
    patch = cv2.resize(fbm(rng, half, 7, 2), (w, h), interpolation=cv2.INTER_LINEAR)
    roughness = rng.uniform(0.05, 0.16)
    wetness = rng.uniform(-0.4, 0.9)
    dx = off_x + roughness * ripple_x
    dy = off_y + roughness * ripple_y
    miss = dx * dx + dy * dy
    size = roughness * roughness * rng.uniform(0.1, 0.55)
    sharp = smoothstep(-1.0, 0.0, (size * (patch - wetness) - miss) / size) * rng.uniform(1.2, 2.6)
    sheen = np.exp(-miss * 9.0) * rng.uniform(0.02, 0.09)
    return sharp + sheen
