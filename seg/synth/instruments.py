"""Laparoscopic instruments: a shaft in perspective, a wrist and a tip, composed on one layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from describer.seg.synth import tips
from describer.seg.synth.arrays import Array, Rng
from describer.seg.synth.noise import fbm

TipMaker = Callable[[Rng, float, float], tuple[tips.Sprite, float]]
TIPS: dict[str, TipMaker] = {
    "grasper": tips.grasper,
    "bipolar forceps": tips.bipolar_forceps,
    "hook": tips.hook,
    "scissors": tips.scissors,
    "clip applier": tips.clip_applier,
    "suction irrigator": tips.suction_irrigator,
    "needle driver": tips.needle_driver,
}
JAWED = frozenset({"grasper", "bipolar forceps", "scissors", "clip applier", "needle driver"})
Finish = tuple[tips.Colour, float]
_SHAFTS: tuple[Finish, ...] = (
    ((34, 35, 38), 0.5),
    ((46, 48, 54), 0.8),
    ((70, 72, 76), 0.6),
    ((126, 130, 136), 0.9),
    ((178, 182, 188), 1.3),
    ((34, 44, 78), 0.6),
    ((92, 98, 104), 0.4),
)
# What a kind's shaft mostly looks like, as makers build them: monopolar tools in black, bipolar ones in blue
# insulation, clip appliers and needle drivers all of steel. Display colour and shine.
_USUAL_SHAFTS: dict[str, tuple[Finish, ...]] = {
    "grasper": (((34, 35, 38), 0.5), ((70, 72, 76), 0.6)),
    "bipolar forceps": (((34, 44, 78), 0.6), ((52, 74, 130), 0.5)),
    "hook": (((26, 27, 30), 0.3), ((40, 40, 44), 0.6)),
    "scissors": (((92, 98, 104), 0.4), ((82, 78, 76), 0.7)),
    "clip applier": (((214, 214, 210), 0.8), ((226, 228, 232), 0.9)),
    "needle driver": (((132, 136, 142), 1.0), ((172, 152, 104), 1.0)),
}
_USUAL_SHARE = 0.9


@dataclass(frozen=True)
class Pose:
    """Where an instrument is: its tip (px), the way it points (radians), its width at the tip (px).

    `taper`: how much wider it is one frame width nearer; `bend` turns the tip against the shaft (radians);
    `opening` is half the jaws' angle; `depth` is the tip's.
    """

    tip_xy_px: tuple[float, float]
    angle: float
    width_px: float
    taper: float
    bend: float
    opening: float
    depth: float


@dataclass
class Layer:
    """A drawn instrument in frame coordinates: linear colour (3, H, W), coverage, extras and depth (H, W)."""

    colour: Array
    alpha: Array
    extra: Array
    depth: Array

    @classmethod
    def blank(cls, size_hw: tuple[int, int]) -> Layer:
        """Nothing drawn yet."""
        zeros = np.zeros(size_hw, np.float32)
        return cls(np.zeros((3, *size_hw), np.float32), zeros, zeros.copy(), np.ones(size_hw, np.float32))

    def over(
        self, box: tuple[slice, slice], colour: Sequence[Array] | Array, alpha: Array, depth: Array | float
    ) -> None:
        """Lay a patch, colour (3, h, w), over the layer inside `box`."""
        for plane, patch in zip(self.colour, colour, strict=True):
            plane[box] += alpha * (patch - plane[box])
        np.maximum(self.alpha[box], alpha, out=self.alpha[box])
        np.copyto(self.depth[box], depth, where=alpha > 0.5)


@dataclass(frozen=True)
class Shaft:
    """A cylinder that ends at `end_xy` (px), pointing along `angle` (radians).

    `width_px` at its end, `taper` as in Pose; display colour 0..255, `shine` of its highlight, depth of its end.
    """

    end_xy: tuple[float, float]
    angle: float
    width_px: float
    taper: float
    colour: tips.Colour
    shine: float
    depth: float


def draw_shaft(rng: Rng, layer: Layer, shaft: Shaft, collar: bool = True) -> None:
    """Lay a shaft on the layer, coming from the camera's side of the frame; `collar` allows a steel ring."""
    # Plain floats keep the fields below in single precision.
    end_xy = float(shaft.end_xy[0]), float(shaft.end_xy[1])
    angle, width_px, taper = float(shaft.angle), float(shaft.width_px), float(shaft.taper)
    h, w = layer.alpha.shape
    box = _shaft_box((h, w), end_xy, angle, width_px * (1.0 + taper))
    if box is None:
        return
    ys = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None] - end_xy[1]
    xs = np.arange(box[1].start, box[1].stop, dtype=np.float32)[None, :] - end_xy[0]
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    back = -(xs * cos + ys * sin)
    half = 0.5 * width_px * (1.0 + taper * back / w)
    across = (ys * cos - xs * sin) / np.maximum(half, 1.0)
    inside = np.clip((1.0 - np.abs(across)) * half + 0.5, 0.0, 1.0) * np.clip(back + 0.5, 0.0, 1.0)
    bulge = np.sqrt(np.clip(1.0 - across * across, 0.0, None))
    grime = fbm(rng, inside.shape, max(2.0, inside.shape[1] / w * 9), 3)
    base = np.square(np.asarray(shaft.colour, np.float32) / 255.0)
    light = (0.18 + 0.7 * bulge + 0.06 * grime) * (1.0 + 0.5 * np.minimum(back / w, 1.0))
    lit = base[:, None, None] * np.clip(light, 0.03, None)
    line, spread = rng.uniform(-0.5, 0.5), rng.uniform(0.06, 0.24)
    streak = np.exp(-(((across - line) / spread) ** 2)) * np.clip(1.0 + 0.4 * grime, 0.0, None)
    streak += 0.35 * np.exp(-(((across + line * 1.4 + 0.1) / 0.12) ** 2))
    lit += streak * shaft.shine * rng.uniform(0.12, 0.5)
    if collar and rng.random() < 0.6:
        ring = rng.uniform(0.2, 0.7) * width_px
        band = ((back > ring * 0.2) & (back < ring + width_px * rng.uniform(0.1, 0.6))).astype(np.float32)
        metal = np.square(np.asarray(tips.STEEL, np.float32) / 255.0)[:, None, None]
        metal = metal * (0.2 + 0.7 * bulge)
        lit += band * np.float32(rng.uniform(0.5, 1.0)) * (metal - lit)
    near = np.clip(shaft.depth - 0.35 * back / w, 0.12, 1.0)
    layer.over(box, lit, inside, near)


def _shaft_box(
    size_hw: tuple[int, int], end_xy: tuple[float, float], angle: float, width_px: float
) -> tuple[slice, slice] | None:
    """The part of the frame a shaft can touch."""
    h, w = size_hw
    far_x, far_y = end_xy[0] - 1.7 * w * np.cos(angle), end_xy[1] - 1.7 * w * np.sin(angle)
    margin = width_px
    x0, x1 = int(min(end_xy[0], far_x) - margin), int(max(end_xy[0], far_x) + margin)
    y0, y1 = int(min(end_xy[1], far_y) - margin), int(max(end_xy[1], far_y) + margin)
    x0, x1, y0, y1 = max(x0, 0), min(x1, w), max(y0, 0), min(y1, h)
    return (slice(y0, y1), slice(x0, x1)) if x1 - x0 > 2 and y1 - y0 > 2 else None


def stamp(layer: Layer, sprite: tips.Sprite, at_xy: tuple[float, float], angle: float, depth: float) -> None:
    """Lay a sprite on the layer with its origin at `at_xy`, turned by `angle`."""
    h, w = layer.alpha.shape
    sh, sw = sprite.alpha.shape
    cos, sin = np.cos(angle), np.sin(angle)
    corners = np.array([[0, 0], [sw, 0], [sw, sh], [0, sh]], np.float32) - sprite.origin_px
    placed = np.stack([cos * corners[:, 0] - sin * corners[:, 1], sin * corners[:, 0] + cos * corners[:, 1]], 1) + at_xy
    x0, y0 = np.maximum(np.floor(placed.min(0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(placed.max(0)).astype(int), (w, h))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    ox, oy = sprite.origin_px
    matrix = np.array(
        [[cos, -sin, at_xy[0] - x0 - cos * ox + sin * oy], [sin, cos, at_xy[1] - y0 - sin * ox - cos * oy]],
        np.float32,
    )
    size = (int(x1 - x0), int(y1 - y0))
    box = (slice(int(y0), int(y1)), slice(int(x0), int(x1)))
    colour = cv2.warpAffine(sprite.colour, matrix, size)
    alpha = cv2.warpAffine(sprite.alpha, matrix, size)
    extra = cv2.warpAffine(sprite.extra, matrix, size)
    undo = 1.0 / np.clip(alpha, 0.05, None)
    layer.over(box, [plane * undo for plane in cv2.split(colour)], alpha, depth)
    np.maximum(layer.extra[box], extra, out=layer.extra[box])


def draw(rng: Rng, size_hw: tuple[int, int], kind: str, pose: Pose) -> Layer:
    """One laparoscopic instrument on an empty layer."""
    layer = Layer.blank(size_hw)
    robotic = kind not in ("suction irrigator", "hook", "clip applier") and rng.random() < 0.15
    colour, shine = _finish(rng, kind)
    width = pose.width_px
    if kind == "suction irrigator":
        width *= 0.72
    if kind == "clip applier":
        width *= 1.15
    sprite, reach = TIPS[kind](rng, width * (0.85 if robotic else 0.95), pose.opening)
    reach_px = reach * sprite.unit_px
    heading = pose.angle + (pose.bend if robotic else 0.25 * pose.bend * (kind == "clip applier"))
    base = (pose.tip_xy_px[0] - reach_px * np.cos(heading), pose.tip_xy_px[1] - reach_px * np.sin(heading))
    end = base
    if robotic:
        colour, shine = _SHAFTS[int(rng.integers(2))]
        wrist = 0.9 * width
        end = (base[0] - wrist * np.cos(pose.angle), base[1] - wrist * np.sin(pose.angle))
    shaft = Shaft(end, pose.angle, width, pose.taper, colour, shine, pose.depth)
    draw_shaft(rng, layer, shaft, collar=kind != "suction irrigator")
    if robotic:
        stamp(layer, _wrist(rng, width), end, pose.angle, pose.depth)
    stamp(layer, sprite, base, heading, pose.depth)
    return layer


def _finish(rng: Rng, kind: str) -> Finish:
    """Colour and shine of a kind's shaft."""
    if kind == "suction irrigator":
        return tips.STEEL, 1.4
    choices = _USUAL_SHAFTS[kind] if rng.random() < _USUAL_SHARE else _SHAFTS
    return choices[int(rng.integers(len(choices)))]


def _wrist(rng: Rng, width: float) -> tips.Sprite:
    """The pulley joint of a robotic instrument."""
    sprite = tips.Sprite.blank(width, 1.5, 0.8)
    metal = tips.STEEL if rng.random() < 0.6 else tips.DARK_STEEL
    t = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    fork = np.array([[-0.2, -0.5], [0.9, -0.4], [0.9, 0.4], [-0.2, 0.5]])
    sprite.add(rng, sprite.coverage(fork), metal)
    sprite.darken(sprite.line(np.array([[0.1, 0.12], [0.9, 0.12]]), 0.08), 0.7)
    sprite.add(rng, sprite.coverage(np.stack([0.85 + 0.42 * np.cos(t), 0.42 * np.sin(t)], 1)), metal, 1.2, 0.1)
    sprite.darken(sprite.coverage(np.stack([0.85 + 0.2 * np.cos(t), 0.2 * np.sin(t)], 1)), 0.6)
    return sprite
