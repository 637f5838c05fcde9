"""A scene under way: the canvas, the lit picture, and the drafts of its objects."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from describer.seg.synth.arrays import Array, Rng
from describer.seg.synth.instruments import Layer
from describer.seg.synth.noise import fbm, smoothstep
from describer.seg.synth.scene import CORE_IDS, CORE_NAMES, IGNORE
from describer.seg.synth.shading import Canvas, shade
from describer.seg.synth.shapes import bounding_box, dome
from describer.seg.synth.tissue import MATERIALS, linear


@dataclass
class Draft:
    """What is known of an instrument before its pixels are final."""

    label: str
    acts_on: int | None = None
    action: str | None = None
    tip_xy_px: tuple[float, float] | None = None
    state: str | None = None
    moving: bool = False


@dataclass
class Stage:
    """Everything a procedure's renderer works on; lengths in frame widths unless named _px."""

    rng: Rng
    canvas: Canvas
    drafts: dict[int, Draft] = field(default_factory=dict)
    image: Array = field(default_factory=lambda: np.zeros((0, 0, 3), np.float32))
    gain: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    depth: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    smoke_at: tuple[float, float] | None = None
    smoke_chance: float = 0.1

    @property
    def size_hw(self) -> tuple[int, int]:
        """Frame height and width in pixels."""
        return self.canvas.size_hw

    def lay(
        self, name: str, distance: Array, lift: float, rise: float, round_width: float, extra: Array | None = None
    ) -> int | None:
        """Paint a tissue inside a full-size signed distance; its instance id, or None if nothing is in view."""
        mask = distance > 0
        box = bounding_box(mask)
        if box is None:
            return None
        local = distance[box]
        height = lift + rise * dome(local, round_width)
        if extra is not None:
            height += extra[box]
        material = MATERIALS[name](self.rng, local.shape, self.size_hw[1])
        return self.canvas.paint(mask[box], box, CORE_IDS[name], height.astype(np.float32), material)

    def light(self) -> None:
        """Turn the finished canvas into a picture; instruments come after."""
        self.image, self.gain = shade(self.rng, self.canvas)
        self.depth = self.canvas.depth

    def near(self, at_px: tuple[float, float], radius: float, roughness: float = 0.35) -> Array:
        """A soft, ragged spot of `radius` around a pixel, 0..1, shape (H, W)."""
        h, w = self.size_hw
        xs = (np.arange(w, dtype=np.float32)[None, :] - at_px[0]) / w
        ys = (np.arange(h, dtype=np.float32)[:, None] - at_px[1]) / w
        ragged = fbm(self.rng, (h, w), 9, 4, 0.6) * roughness
        return smoothstep(0.0, 0.5, 1.0 - np.sqrt(xs * xs + ys * ys) / radius + ragged)

    def stain(self, at_px: tuple[float, float], radius: float, colour: tuple[int, int, int], strength: float,
              kind: str | None = None, gloss: float = 0.0) -> None:
        """A ragged spot of colour on the tissue: blood, char, coagulum."""
        alpha = self.near(at_px, radius, 0.5) * strength
        self.canvas.tint(alpha, linear(colour), kind)
        self.canvas.gloss += alpha * gloss

    def pool(self, at_px: tuple[float, float], radii: tuple[float, float], angle: float) -> int | None:
        """A pool of blood lying level in the tissue; its instance id."""
        h, w = self.size_hw
        xs = (np.arange(w, dtype=np.float32)[None, :] - at_px[0]) / w
        ys = (np.arange(h, dtype=np.float32)[:, None] - at_px[1]) / w
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        u, v = (cos * xs + sin * ys) / radii[0], (-sin * xs + cos * ys) / radii[1]
        mask = 1.0 - np.sqrt(u * u + v * v) + 0.22 * fbm(self.rng, (h, w), 5, 4) > 0
        box = bounding_box(mask)
        if box is None:
            return None
        level = cv2.GaussianBlur(cv2.resize(self.canvas.height, (w // 4, h // 4)), (0, 0), max(1.0, w / 80))
        level = cv2.resize(level, (w, h))[box]
        material = MATERIALS["blood"](self.rng, level.shape, w)
        return self.canvas.paint(mask[box], box, CORE_IDS["blood"], level, material)

    def put(self, layer: Layer, draft: Draft) -> int:
        """Lay an instrument over the lit picture with its shadow; returns its instance id."""
        h, w = self.size_hw
        rng, canvas = self.rng, self.canvas
        alpha = layer.alpha
        reach = rng.uniform(0.01, 0.035) * w
        dx, dy = rng.uniform(-1.0, 1.0) * reach, rng.uniform(0.3, 1.0) * reach
        small = cv2.resize(alpha, (w // 4, h // 4), interpolation=cv2.INTER_AREA)
        shift = np.array([[1, 0, dx / 4], [0, 1, dy / 4]], np.float32)
        small = cv2.GaussianBlur(cv2.warpAffine(small, shift, (w // 4, h // 4)), (0, 0), max(0.8, w / 300))
        shadow = cv2.resize(small, (w, h)) * rng.uniform(0.3, 0.7)
        self.image *= (1.0 - shadow)[..., None]
        lamp = np.clip(0.45 / layer.depth, 0.5, 1.7) * (0.55 + 0.45 * np.minimum(self.gain, 1.5))
        colour = layer.colour * lamp[..., None]
        if draft.moving:
            alpha, colour = _streaked(rng, alpha, colour, w)
        self.image *= (1.0 - alpha)[..., None]
        self.image += colour * alpha[..., None]
        solid = alpha > 0.5
        instance = canvas.new_id()
        canvas.labels[solid] = CORE_IDS[draft.label]
        canvas.instances[solid] = instance
        np.copyto(self.depth, layer.depth, where=solid)
        for kind in ("blood", "char", "glare"):
            canvas.cover[kind][solid] = 0.0
        canvas.cover["glare"][solid] = (colour.min(axis=-1) > 0.85)[solid]
        loose = layer.extra > 0.4
        canvas.labels[loose] = IGNORE
        canvas.instances[loose] = 0
        self.drafts[instance] = draft
        return instance

    def soil(self, layer: Layer, kind: str, colour: tuple[int, int, int], amount: float) -> Array:
        """Blood or char on an instrument before it is put; returns the coverage so that it can be recorded."""
        field_ = fbm(self.rng, self.size_hw, 14, 3)
        alpha = smoothstep(1.2 - 2.4 * amount, 1.6 - 2.2 * amount, field_) * 0.85
        layer.colour += alpha[..., None] * (linear(colour) * 0.6 - layer.colour)
        return np.where(layer.alpha > 0.5, alpha, 0.0).astype(np.float32)

    def tissue_point(self, names: tuple[str, ...], spread: float = 0.27) -> tuple[tuple[float, float], int] | None:
        """A random pixel (x, y) of one of the tissues near the middle of the frame, with its instance id."""
        h, w = self.size_hw
        step = max(1, w // 80)
        labels = self.canvas.labels[::step, ::step]
        rows, cols = np.nonzero(np.isin(labels, [CORE_IDS[name] for name in names]))
        keep = (np.abs(cols * step / w - 0.5) < spread) & (np.abs(rows * step / h - 0.5) < spread)
        if not keep.any():
            return None
        pick = int(self.rng.choice(np.flatnonzero(keep)))
        x, y = int(cols[pick] * step), int(rows[pick] * step)
        return (float(x), float(y)), int(self.canvas.instances[y, x])

    def instance_at(self, at_px: tuple[float, float]) -> int | None:
        """The instance under a pixel, clamped into the frame; None for none or an instrument."""
        h, w = self.size_hw
        x, y = int(np.clip(at_px[0], 0, w - 1)), int(np.clip(at_px[1], 0, h - 1))
        instance = int(self.canvas.instances[y, x])
        return instance if instance and instance not in self.drafts else None

    def name_of(self, instance: int) -> str:
        """The class name of a tissue instance."""
        where = self.canvas.instances[::2, ::2] == instance
        return CORE_NAMES[int(np.bincount(self.canvas.labels[::2, ::2][where]).argmax())]


def _streaked(rng: Rng, alpha: Array, colour: Array, w: int) -> tuple[Array, Array]:
    """Motion blur along a random direction."""
    size = max(5, int(rng.uniform(0.015, 0.05) * w)) | 1
    kernel = np.zeros((size, size), np.float32)
    heading = rng.uniform(0, np.pi)
    half = size // 2
    end = (int(half * np.cos(heading)), int(half * np.sin(heading)))
    cv2.line(kernel, (half - end[0], half - end[1]), (half + end[0], half + end[1]), 1.0, 1)
    kernel /= kernel.sum()
    wide = cv2.filter2D(alpha, -1, kernel)
    pre = cv2.filter2D(colour * alpha[..., None], -1, kernel)
    return wide, pre / np.maximum(wide, 0.02)[..., None]
