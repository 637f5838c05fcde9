"""A scene under way: the canvas, the lit picture, and the drafts of its objects."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from describer.seg.synth.arrays import Array, Rng
from describer.seg.synth.instruments import Layer
from describer.seg.synth.noise import fbm, smoothstep
from describer.seg.synth.scene import CORE_IDS, IGNORE
from describer.seg.synth.shading import Canvas, shade
from describer.seg.synth.shapes import Swell, bounding_box
from describer.seg.synth.tissue import MATERIALS, linear

# How uneven a tissue lies, in frame widths: the deviation of its relief on the scale of folds.
_RELIEF = {
    "liver": 0.004,
    "gallbladder": 0.003,
    "fat": 0.013,
    "abdominal wall": 0.016,
    "bowel": 0.009,
    "connective tissue": 0.02,
    "submucosa": 0.008,
    "mucosal flap": 0.008,
}


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
    image: Array = field(default_factory=lambda: np.zeros((3, 0, 0), np.float32))
    gain: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    depth: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    smoke_at: tuple[float, float] | None = None
    smoke_chance: float = 0.1

    @property
    def size_hw(self) -> tuple[int, int]:
        """Frame height and width in pixels."""
        return self.canvas.size_hw

    def lay(
        self,
        name: str,
        distance: Array,
        swell: Swell,
        *,
        extra: Array | None = None,
        seen: Array | None = None,
        kinship: float = 0.0,
    ) -> int | None:
        """Paint a tissue inside a full-size signed distance; its instance id, or None if nothing is in view.

        `seen` narrows the painting to what later organs leave free; `kinship` (0..1) draws the colour towards
        what lay there before, as a growth's is to its bed.
        """
        mask = distance > 0 if seen is None else seen
        box = bounding_box(mask)
        if box is None:
            return None
        local = distance[box]
        height = swell.height(local)
        if name in _RELIEF:
            coarse = 3.5 * local.shape[1] / self.size_hw[1]
            height += self.rng.uniform(0.4, 1.6) * _RELIEF[name] * fbm(self.rng, local.shape, coarse, 5, 0.45)
        if extra is not None:
            height += extra[box]
        material = MATERIALS[name](self.rng, local.shape, self.size_hw[1])
        if kinship:
            own = np.maximum(material.albedo.mean(axis=(1, 2)), 1e-3)
            ratio = np.clip(self.canvas.albedo[:, *box].mean(axis=(1, 2)) / own, 0.6, 1.6)
            np.multiply(material.albedo, (ratio**kinship)[:, None, None], out=material.albedo)
        return self.canvas.paint(mask[box], box, CORE_IDS[name], height.astype(np.float32), material)

    def light(self) -> None:
        """Turn the finished canvas into a picture; instruments come after."""
        self.image, self.gain = shade(self.rng, self.canvas)
        self.depth = self.canvas.depth

    def near(self, at_px: tuple[float, float], radius: float, roughness: float, ramp: float) -> Array:
        """A ragged spot around a pixel, 0..1, its edge soft over `ramp` of its radius. Shape (H, W)."""
        h, w = self.size_hw
        xs = (np.arange(w, dtype=np.float32)[None, :] - at_px[0]) / w
        ys = (np.arange(h, dtype=np.float32)[:, None] - at_px[1]) / w
        ragged = fbm(self.rng, (h, w), 9, 4, 0.6)
        reach = radius * (1.0 + roughness * max(float(ragged.max()), 0.0))
        # Beyond its longest tongue there is nothing to work out.
        rows, cols = np.flatnonzero(np.abs(ys[:, 0]) <= reach), np.flatnonzero(np.abs(xs[0]) <= reach)
        spot = np.zeros((h, w), np.float32)
        if len(rows) and len(cols):
            box = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
            xs, ys = xs[:, box[1]], ys[box[0]]
            away = np.sqrt(xs * xs + ys * ys) * np.float32(1.0 / radius)
            spot[box] = smoothstep(0.0, ramp, 1.0 - away + ragged[box] * np.float32(roughness))
        return spot

    def stain(
        self,
        at_px: tuple[float, float],
        radius: float,
        colour: tuple[int, int, int],
        strength: float,
        *,
        kind: str | None = None,
        gloss: float = 0.0,
        ramp: float = 0.5,
    ) -> None:
        """A ragged spot of colour on the tissue: blood, char, coagulum."""
        alpha = self.near(at_px, radius, 0.5, ramp) * strength
        self.canvas.tint(alpha, linear(colour), kind)
        if gloss:
            self.canvas.gloss += alpha * gloss

    def pool(self, at_px: tuple[float, float], radii: tuple[float, float], angle: float) -> int | None:
        """A pool of blood lying level in the tissue, thin at its rim; its instance id."""
        h, w = self.size_hw
        rng, canvas = self.rng, self.canvas
        xs = (np.arange(w, dtype=np.float32)[None, :] - at_px[0]) / w
        ys = (np.arange(h, dtype=np.float32)[:, None] - at_px[1]) / w
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        u, v = (cos * xs + sin * ys) / radii[0], (-sin * xs + cos * ys) / radii[1]
        inside = 1.0 - np.sqrt(u * u + v * v) + rng.uniform(0.2, 0.45) * fbm(rng, (h, w), 5, 4, 0.55)
        rim = -rng.uniform(0.03, 0.2)
        box = bounding_box(inside > rim)
        if box is None:
            return None
        local = inside[box]
        level = cv2.GaussianBlur(cv2.resize(canvas.height, (w // 4, h // 4)), (0, 0), max(1.0, w / 80))
        level = cv2.resize(level, (w, h))[box]
        thick = smoothstep(rim, 0.12, local)
        material = MATERIALS["blood"](rng, local.shape, w)
        under = canvas.albedo[:, *box]
        under += thick * (material.albedo - under)
        canvas.height[box] += thick * (level - canvas.height[box])
        canvas.bump[box] *= 1.0 - thick
        canvas.gloss[box] += 0.8 * thick
        mask = local > 0
        instance = canvas.new_id()
        canvas.labels[box][mask] = CORE_IDS["blood"]
        canvas.instances[box][mask] = instance
        return instance

    def put(self, layer: Layer, draft: Draft) -> int:
        """Lay an instrument over the lit picture with its shadow; returns its instance id."""
        h, w = self.size_hw
        rng, canvas = self.rng, self.canvas
        reach = rng.uniform(0.01, 0.035) * w
        dx, dy = rng.uniform(-1.0, 1.0) * reach, rng.uniform(0.3, 1.0) * reach
        small = cv2.resize(layer.alpha, (w // 4, h // 4), interpolation=cv2.INTER_AREA)
        shift = np.array([[1, 0, dx / 4], [0, 1, dy / 4]], np.float32)
        small = cv2.GaussianBlur(cv2.warpAffine(small, shift, (w // 4, h // 4)), (0, 0), max(0.8, w / 300))
        dark = np.float32(rng.uniform(0.3, 0.7))
        shaded = bounding_box(small > 0)
        if shaded is not None:
            rows, cols = (slice(4 * side.start, 4 * side.stop + 4) for side in shaded)
            rows, cols = _widened((rows, cols), (h, w), 8)
            self.image[:, rows, cols] *= 1.0 - cv2.resize(small, (w, h))[rows, cols] * dark
        instance = canvas.new_id()
        self.drafts[instance] = draft
        box = bounding_box(layer.alpha > 0.004)
        if box is None:
            return instance
        box = _widened(box, (h, w), int(0.06 * w) if draft.moving else 0)
        alpha = layer.alpha[box]
        lamp = np.clip(0.45 / layer.depth[box], 0.5, 1.7) * (0.55 + 0.45 * np.minimum(self.gain[box], 1.5))
        colour = layer.colour[:, *box] * (lamp * np.float32(rng.uniform(0.8, 1.6)))
        # Metal and plastic mirror the red around them.
        colour *= np.array([1.0, rng.uniform(0.84, 1.0), rng.uniform(0.8, 1.02)], np.float32)[:, None, None]
        if draft.moving:
            alpha, colour = _streaked(rng, alpha, colour, w)
        under = self.image[:, *box]
        under += alpha * (colour - under)
        solid = alpha > 0.5
        canvas.labels[box][solid] = CORE_IDS[draft.label]
        canvas.instances[box][solid] = instance
        np.copyto(self.depth[box], layer.depth[box], where=solid)
        for kind in ("blood", "char"):
            canvas.cover[kind][box][solid] = 0.0
        np.copyto(canvas.cover["glare"][box], colour.min(axis=0) > 0.85, where=solid)
        loose = layer.extra[box] > 0.4
        canvas.labels[box][loose] = IGNORE
        canvas.instances[box][loose] = 0
        return instance

    def soil(self, layer: Layer, kind: str, amount: float) -> Array:
        """Blood or char on an instrument before it is put; returns its coverage, to be recorded."""
        colour = linear((120, 16, 14) if kind == "blood" else (40, 28, 22)) * 0.6
        alpha = smoothstep(1.2 - 2.4 * amount, 1.6 - 2.2 * amount, fbm(self.rng, self.size_hw, 14, 3)) * 0.85
        layer.colour += alpha * (colour[:, None, None] - layer.colour)
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
    planes = [cv2.filter2D(plane * alpha, -1, kernel) / np.maximum(wide, 0.02) for plane in colour]
    return wide, np.stack(planes)


def _widened(box: tuple[slice, slice], size_hw: tuple[int, int], by_px: int) -> tuple[slice, slice]:
    """A box grown on all sides, within the frame."""
    rows, cols = box
    return (
        slice(max(rows.start - by_px, 0), min(rows.stop + by_px, size_hw[0])),
        slice(max(cols.start - by_px, 0), min(cols.stop + by_px, size_hw[1])),
    )
