"""Instrument tips as small bevelled sprites, drawn pointing right; the unit is the width of the shaft."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from describer.seg.synth.arrays import Array, Rng
from describer.seg.synth.noise import fbm, smoothstep
from describer.seg.synth.shapes import bounding_box

Box = tuple[slice, slice]
Colour = tuple[float, float, float]
STEEL: Colour = (176, 180, 186)
DARK_STEEL: Colour = (98, 100, 106)
GOLD: Colour = (196, 164, 96)
IVORY: Colour = (226, 222, 210)
BLUE: Colour = (86, 116, 200)
BLACK: Colour = (30, 31, 34)
TITANIUM: Colour = (206, 208, 212)
THREAD_COLOURS: tuple[Colour, ...] = ((238, 238, 240), (60, 70, 140), (110, 60, 140), (40, 40, 44))


@dataclass
class Sprite:
    """A part being drawn: linear colour (h, w, 3), coverage (h, w), extras (h, w) for thread and clips.

    `origin_px` is where the shaft ends, `unit_px` the shaft's width.
    """

    unit_px: float
    origin_px: tuple[float, float]
    colour: Array
    alpha: Array
    extra: Array

    @classmethod
    def blank(cls, unit_px: float, ahead: float, aside: float, behind: float = 0.6) -> Sprite:
        """Room for `ahead` units beyond the shaft's end, `behind` before it and `aside` to both sides."""
        h, w = int(2 * aside * unit_px) + 4, int((ahead + behind) * unit_px) + 4
        origin = (behind * unit_px + 2, h / 2)
        zeros = np.zeros((h, w), np.float32)
        return cls(unit_px, origin, np.zeros((h, w, 3), np.float32), zeros, zeros.copy())

    def pixels(self, points: Array) -> Array:
        """Unit coordinates (N, 2) as pixels of the sprite."""
        return np.asarray(points, np.float32) * self.unit_px + np.asarray(self.origin_px, np.float32)

    def coverage(self, points: Array) -> Array:
        """Antialiased mask of a polygon in unit coordinates."""
        mask = np.zeros(self.alpha.shape, np.uint8)
        cv2.fillPoly(mask, [np.round(self.pixels(points) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        return mask

    def line(self, points: Array, width: float) -> Array:
        """Antialiased mask of a thick line in unit coordinates."""
        mask = np.zeros(self.alpha.shape, np.uint8)
        px = np.round(self.pixels(points) * 16).astype(np.int32)
        cv2.polylines(mask, [px], False, 255, max(1, round(width * self.unit_px)), cv2.LINE_AA, 4)
        return mask

    def add(self, rng: Rng, mask: Array, colour: Colour, shine: float = 1.0, bevel: float = 0.16) -> None:
        """Lay a part over what is there, its edges rounded over `bevel` units and lit from the camera."""
        lit, box = bevelled(rng, mask, colour, shine, max(1.5, bevel * self.unit_px))
        cover = mask[box] * np.float32(1 / 255)
        under = self.colour[box]
        under += cv2.merge([cover] * 3) * (lit - under)
        np.maximum(self.alpha[box], cover, out=self.alpha[box])

    def darken(self, mask: Array, amount: float) -> None:
        """Grooves, slots and holes."""
        box = bounding_box(mask)
        if box is not None:
            keep = 1.0 - mask[box] * np.float32(amount / 255.0)
            self.colour[box] *= cv2.merge([keep] * 3)


def bevelled(rng: Rng, mask: Array, colour: Colour, shine: float, bevel_px: float) -> tuple[Array, Box]:
    """A flat part with rounded edges under the headlight: linear colour (h, w, 3) and the box that it fills."""
    shape, box = mask.shape, _roomy_box(mask, bevel_px)
    mask = np.ascontiguousarray(mask[box])
    distance = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3)
    t = 1.0 - np.minimum(distance / bevel_px, 1.0)
    height = np.sqrt(np.maximum(1.0 - t * t, 0.0)) * bevel_px
    height = cv2.GaussianBlur(height, (0, 0), max(0.6, bevel_px * 0.2))
    gx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    gy = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    nz = 1.0 / np.sqrt(1.0 + gx * gx + gy * gy)
    lx, ly = rng.uniform(-0.6, 0.6), rng.uniform(-0.8, 0.3)
    tilt = (gx * lx + gy * ly) * nz
    grime = fbm(rng, shape, 7, 3)[box]
    base = np.square(np.asarray(colour, np.float32) / 255.0)
    # Metal mirrors the bright cone and the dark belly in turn: a banded response, not a plain cosine.
    facing = np.clip(nz - tilt, 0.0, 1.3)
    light = 0.1 + 0.62 * facing * facing + 0.1 * grime * shine
    np.clip(light, 0.04, None, out=light)
    flash = smoothstep(0.45, 1.0, -tilt + 0.22 * grime) * np.float32(shine * 0.9)
    return cv2.merge([light * value + flash for value in base]), box


def _roomy_box(mask: Array, bevel_px: float) -> Box:
    """Where a part is, with room for the blur of its edges."""
    box = bounding_box(mask)
    if box is None:
        return slice(0, min(4, mask.shape[0])), slice(0, min(4, mask.shape[1]))
    room = int(bevel_px) + 4
    rows, cols = (
        slice(max(s.start - room, 0), min(s.stop + room, size)) for s, size in zip(box, mask.shape, strict=True)
    )
    return rows, cols


def _jaw(length: float, width: float, tip_width: float, bow: float, side: float) -> Array:
    """Outline of a jaw from its hinge at the origin along +x, bent outwards by `bow` on `side` (+1 or -1)."""
    t = np.linspace(0.0, 1.0, 9)
    middle = bow * np.sin(np.pi * t) * side
    half = 0.5 * (width + (tip_width - width) * t)
    half[-1] *= 0.5
    upper = np.stack([t * length, middle - half], 1)
    lower = np.stack([t * length, middle + half], 1)[::-1]
    return np.concatenate([upper, lower])


def _turned(points: Array, angle: float, at: tuple[float, float]) -> Array:
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = points[:, 0], points[:, 1]
    return np.stack([cos * x - sin * y + at[0], sin * x + cos * y + at[1]], 1)


def _disc(at: tuple[float, float], radius: float) -> Array:
    t = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    return np.stack([at[0] + radius * np.cos(t), at[1] + radius * np.sin(t)], 1)


def _box(x0: float, x1: float, half0: float, half1: float) -> Array:
    return np.array([[x0, -half0], [x1, -half1], [x1, half1], [x0, half0]])


def _hinge(rng: Rng, sprite: Sprite, colour: Colour, length: float) -> None:
    """The clevis that carries the jaws, with its screw."""
    sprite.add(rng, sprite.coverage(_box(-0.15, length, 0.47, rng.uniform(0.3, 0.42))), colour)
    sprite.darken(sprite.line(np.array([[0.1, 0.0], [length, 0.0]]), 0.1), 0.75)
    sprite.add(rng, sprite.coverage(_disc((length - 0.12, 0.0), 0.15)), STEEL, 1.2, 0.1)


def grasper(rng: Rng, unit_px: float, opening: float) -> tuple[Sprite, float]:
    """Two long jaws, fenestrated or serrated."""
    sprite = Sprite.blank(unit_px, 3.2, 1.7)
    metal = STEEL if rng.random() < 0.65 else DARK_STEEL
    _hinge(rng, sprite, metal, 0.6)
    length, width = rng.uniform(1.6, 2.4), rng.uniform(0.3, 0.4)
    fenestrated = rng.random() < 0.5
    for side in (-1.0, 1.0):
        angle = side * max(opening, 0.045)
        hinge = (0.5, side * 0.14)
        sprite.add(rng, sprite.coverage(_turned(_jaw(length, width, width * 0.8, 0.05, side), angle, hinge)), metal)
        if fenestrated:
            slot = _turned(np.array([[0.4 * length, 0.03 * side], [0.85 * length, 0.0]]), angle, hinge)
            sprite.darken(sprite.line(slot, width * 0.42), 0.85)
        for t in np.arange(0.3, 0.98, 0.09):
            notch = np.array([[t * length, -side * 0.02], [t * length, -side * width * 0.5]])
            sprite.darken(sprite.line(_turned(notch, angle, hinge), 0.05), 0.6)
    return sprite, 0.5 + length * np.cos(opening) * 0.95


def bipolar_forceps(rng: Rng, unit_px: float, opening: float) -> tuple[Sprite, float]:
    """Slim parallel plates in coloured insulation with bare ends."""
    sprite = Sprite.blank(unit_px, 3.4, 1.5)
    coat = BLUE if rng.random() < 0.85 else (IVORY if rng.random() < 0.6 else (70, 90, 160))
    sprite.add(rng, sprite.coverage(_box(-0.2, 0.55, 0.44, 0.4)), coat, 0.35)
    length, width = rng.uniform(1.9, 2.6), rng.uniform(0.22, 0.28)
    spread = max(opening * 0.55, 0.03)
    for side in (-1.0, 1.0):
        hinge = (0.4, side * 0.2)
        whole = _turned(_jaw(length, width, width * 0.75, 0.1, side), side * (spread - 0.06), hinge)
        sprite.add(rng, sprite.coverage(whole), STEEL, 1.2)
        sleeve = _turned(_jaw(length * 0.62, width * 1.3, width * 1.2, 0.08, side), side * (spread - 0.05), hinge)
        sprite.add(rng, sprite.coverage(sleeve), coat, 0.35)
    return sprite, 0.4 + length * 0.96


def hook(rng: Rng, unit_px: float, opening: float) -> tuple[Sprite, float]:
    """An insulated tube with a thin metal L at its end. `opening` is unused: no jaws."""
    del opening
    sprite = Sprite.blank(unit_px, 3.2, 1.2)
    coat = IVORY if rng.random() < 0.8 else BLACK
    reach = rng.uniform(0.7, 1.3)
    sprite.add(rng, sprite.coverage(_box(-0.3, reach, 0.3, 0.24)), coat, 0.4)
    rod, leg, thick = rng.uniform(0.8, 1.2), rng.uniform(0.5, 0.75), rng.uniform(0.16, 0.22)
    side = rng.choice((-1.0, 1.0))
    bend = np.array([[reach - 0.1, 0], [reach + rod * 0.8, 0], [reach + rod, 0.12 * side], [reach + rod, leg * side]])
    sprite.add(rng, sprite.line(bend, thick), STEEL if rng.random() < 0.7 else (150, 128, 96), 1.3, 0.08)
    return sprite, reach + rod


def scissors(rng: Rng, unit_px: float, opening: float) -> tuple[Sprite, float]:
    """Two curved pointed blades that cross at a screw."""
    sprite = Sprite.blank(unit_px, 3.0, 1.6)
    metal = STEEL if rng.random() < 0.75 else DARK_STEEL
    sprite.add(rng, sprite.coverage(_box(-0.15, 0.5, 0.42, 0.34)), metal)
    length, width, curl = rng.uniform(1.5, 2.1), rng.uniform(0.36, 0.46), rng.uniform(-0.3, 0.3)
    half = max(opening, 0.05)
    t = np.linspace(0.0, 1.0, 10)
    for side in (-1.0, 1.0):
        inner = np.zeros_like(t)
        outer = side * width * (1 - t) ** 0.7
        sway = curl * t * t
        blade = np.concatenate([np.stack([t * length, inner + sway], 1), np.stack([t * length, outer + sway], 1)[::-1]])
        at = (0.5, -side * 0.1)
        sprite.add(rng, sprite.coverage(_turned(blade, side * half, at)), metal, 1.4, 0.1)
        sprite.darken(sprite.line(_turned(np.stack([t * length, inner + sway], 1), side * half, at), 0.05), 0.5)
    sprite.add(rng, sprite.coverage(_disc((0.55, 0.0), 0.17)), TITANIUM, 1.3, 0.08)
    return sprite, 0.5 + length * 0.9


def clip_applier(rng: Rng, unit_px: float, opening: float) -> tuple[Sprite, float]:
    """A thick end with short U-shaped jaws, often holding a clip."""
    sprite = Sprite.blank(unit_px, 2.4, 1.3)
    metal = STEEL if rng.random() < 0.6 else (150, 150, 150)
    sprite.add(rng, sprite.coverage(_box(-0.25, 0.55, 0.5, 0.5)), metal)
    length, width, gap = rng.uniform(0.9, 1.3), rng.uniform(0.26, 0.34), 0.12 + 0.45 * opening
    for side in (-1.0, 1.0):
        jaw = np.array(
            [
                [0.4, side * 0.18],
                [0.4, side * 0.48],
                [0.75, side * (gap + width)],
                [0.5 + length, side * (gap + width * 0.85)],
                [0.5 + length, side * gap],
                [0.8, side * gap],
            ]
        )
        sprite.add(rng, sprite.coverage(jaw), metal, 1.2)
        groove = np.array([[0.85, side * (gap + width * 0.45)], [0.45 + length, side * (gap + width * 0.4)]])
        sprite.darken(sprite.line(groove, 0.07), 0.6)
    if rng.random() < 0.55:
        colour = TITANIUM if rng.random() < 0.6 else (240, 240, 236)
        clip = np.array([[0.5 + length, gap * 0.8], [0.75, 0.0], [0.5 + length, -gap * 0.8]])
        mask = sprite.line(clip, 0.13)
        sprite.add(rng, mask, colour, 1.5, 0.06)
        np.maximum(sprite.extra, mask.astype(np.float32) / 255.0, out=sprite.extra)
    return sprite, 0.5 + length


def suction_irrigator(rng: Rng, unit_px: float, opening: float) -> tuple[Sprite, float]:
    """The open end of a plain tube with side holes; no jaws. `opening` is unused."""
    del opening
    sprite = Sprite.blank(unit_px, 1.4, 0.9, behind=3.4)
    end = 0.6
    sprite.add(rng, sprite.coverage(_box(-3.0, end, 0.5, 0.48)), STEEL, 1.3, 0.5)
    sprite.darken(
        sprite.coverage(_disc((end - 0.02, 0.0), 0.42) * np.array([0.4, 1.0]) + np.array([end * 0.6, 0])),
        0.85,
    )
    for x in np.arange(-2.4, 0.2, rng.uniform(0.55, 0.8)):
        for y in (-0.22, 0.2):
            if rng.random() < 0.8:
                sprite.darken(sprite.coverage(_disc((x + y, y), 0.1)), 0.9)
    return sprite, end


def needle_driver(rng: Rng, unit_px: float, opening: float) -> tuple[Sprite, float]:
    """Short stout jaws with gold inserts, a curved needle held across them and its thread."""
    sprite = Sprite.blank(unit_px, 2.9, 2.6)
    metal = STEEL if rng.random() < 0.7 else DARK_STEEL
    _hinge(rng, sprite, metal, 0.7)
    length, width = rng.uniform(1.0, 1.35), rng.uniform(0.44, 0.52)
    for side in (-1.0, 1.0):
        at, angle = (0.6, side * 0.13), side * max(opening * 0.5, 0.03)
        sprite.add(rng, sprite.coverage(_turned(_jaw(length, width, width * 0.5, 0.0, side), angle, at)), metal)
        insert = np.array([[0.25 * length, -side * 0.1], [0.95 * length, -side * 0.06]])
        sprite.add(rng, sprite.line(_turned(insert, angle, at), 0.24), GOLD, 1.0, 0.06)
    if rng.random() < 0.9:
        radius, spin = rng.uniform(0.75, 1.1), rng.choice((-1.0, 1.0))
        t = np.linspace(-1.5, 1.3, 24)
        hold = 0.5 + length * 0.8
        arc = np.stack([hold + radius * (1 - np.cos(t)) * 0.8, spin * radius * np.sin(t) * 1.2], 1)
        mask = sprite.line(arc, 0.1)
        sprite.add(rng, mask, TITANIUM, 1.6, 0.06)
        np.maximum(sprite.extra, mask.astype(np.float32) / 255.0, out=sprite.extra)
    return sprite, 0.6 + length
