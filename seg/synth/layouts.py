"""How organs lie in a laparoscopic view: each layout is a list of outlines, back to front."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from describer.seg.synth.arrays import Array, Rng
from describer.seg.synth.shapes import FLAT, Grid, Swell, curve, ellipse, half_plane, tube


@dataclass(eq=False)
class Organ:
    """An outline on the layout grid and how it stands out; `extra` adds height. Lengths in frame widths."""

    name: str
    distance: Array
    swell: Swell
    extra: Array | None = None


UP, DOWN, LEFT, RIGHT = -np.pi / 2, np.pi / 2, np.pi, 0.0


def arrange(rng: Rng, grid: Grid) -> list[Organ]:
    """A random layout of one to six organs."""
    makers = (_biliary, _intestinal, _close_up, _few)
    return makers[int(rng.choice(4, p=(0.38, 0.26, 0.2, 0.16)))](rng, grid)


def _backdrop(rng: Rng, grid: Grid, names: tuple[str, ...]) -> Organ:
    everywhere = np.full(grid.size_hw, 1.0, np.float32)
    return Organ(names[int(rng.integers(len(names)))], everywhere, FLAT)


def _slab(rng: Rng, grid: Grid, name: str, facing: float, inset: float, *, lift: float) -> Organ:
    """An organ that comes in from one side; `inset` is its edge's distance from the centre."""
    facing += rng.normal(0, 0.3)
    point = (float(np.cos(facing)) * inset, float(np.sin(facing)) * inset)
    distance = half_plane(rng, grid, point, facing, rng.uniform(0.02, 0.05))
    return Organ(name, distance, Swell(lift, rng.uniform(0.08, 0.16), rng.uniform(0.12, 0.3)))


def _blob(rng: Rng, grid: Grid, name: str, at: tuple[float, float], size: float, *, lift: float) -> Organ:
    radii = (size * rng.uniform(1.1, 2.0), size * rng.uniform(0.6, 0.95))
    distance = ellipse(rng, grid, at, radii, rng.uniform(0, np.pi), waviness=rng.uniform(0.2, 0.5))
    return Organ(name, distance, Swell(lift, size * rng.uniform(0.25, 0.5), min(radii), soft=bool(rng.random() < 0.5)))


def _loop(rng: Rng, grid: Grid, at: tuple[float, float], radius: float, lift: float) -> Organ:
    """A length of bowel with its haustra or ripples."""
    angle = rng.normal(0, 0.5)
    reach = rng.uniform(0.65, 1.1)
    start = (at[0] - reach * np.cos(angle), at[1] - reach * np.sin(angle))
    end = (at[0] + reach * np.cos(angle), at[1] + reach * np.sin(angle))
    distance, along = tube(grid, curve(rng, start, end, 0.16, 10), radius * rng.uniform(0.8, 1.2, 10))
    ripple = np.cos(along * rng.uniform(18, 60)) * rng.uniform(0.0, 0.012)
    return Organ("bowel", distance, Swell(lift, radius * 0.9, radius), ripple.astype(np.float32))


def _strand(rng: Rng, grid: Grid, start: tuple[float, float], end: tuple[float, float], radius: float) -> Organ:
    """A duct or band of connective tissue between two points, flaring at its ends."""
    t = np.linspace(0, 1, 8)
    radii = radius * (1.0 + 0.8 * np.abs(2 * t - 1) ** 2.5)
    distance, _ = tube(grid, curve(rng, start, end, 0.12), radii)
    return Organ("connective tissue", distance, Swell(0.14, radius * 0.8, radius))


def _biliary(rng: Rng, grid: Grid) -> list[Organ]:
    """Liver above, gallbladder hanging from it, fat and bowel below."""
    organs = [_backdrop(rng, grid, ("abdominal wall", "abdominal wall", "connective tissue", "liver", "fat"))]
    if rng.random() < 0.8:
        organs.append(_slab(rng, grid, "liver", UP, rng.uniform(-0.05, 0.2), lift=0.08))
    if rng.random() < 0.45:
        organs.append(_blob(rng, grid, "liver", (rng.uniform(-0.5, -0.2), rng.uniform(0.0, 0.35)), 0.26, lift=0.12))
    if rng.random() < 0.55:
        organs.append(_slab(rng, grid, "connective tissue", DOWN, rng.uniform(0.0, 0.15), lift=0.06))
    at = (rng.uniform(-0.15, 0.2), rng.uniform(-0.18, 0.08))
    if rng.random() < 0.75:
        neck = (at[0] + rng.uniform(0.08, 0.25), at[1] + rng.uniform(0.35, 0.5))
        organs.append(_strand(rng, grid, at, neck, rng.uniform(0.035, 0.08)))
    if rng.random() < 0.7:
        organs.append(_slab(rng, grid, "fat", DOWN, rng.uniform(0.06, 0.28), lift=0.09))
    if rng.random() < 0.35:
        organs.append(_loop(rng, grid, (rng.uniform(0.0, 0.35), rng.uniform(0.15, 0.35)), rng.uniform(0.09, 0.16), 0.1))
    if rng.random() < 0.92:
        size = rng.uniform(0.12, 0.22)
        radii = (size * rng.uniform(1.1, 1.7), size * rng.uniform(0.7, 0.95))
        distance = ellipse(rng, grid, at, radii, rng.uniform(-0.2, 1.3), waviness=rng.uniform(0.05, 0.22))
        organs.append(Organ("gallbladder", distance, Swell(0.13, size * 0.7, min(radii))))
    return organs


def _intestinal(rng: Rng, grid: Grid) -> list[Organ]:
    """Loops of bowel under the abdominal wall, among fat and mesentery."""
    organs = [_backdrop(rng, grid, ("abdominal wall", "abdominal wall", "connective tissue", "fat"))]
    if rng.random() < 0.5:
        organs.append(_slab(rng, grid, "connective tissue", DOWN, rng.uniform(-0.15, 0.1), lift=0.04))
    if rng.random() < 0.6:
        organs.append(_slab(rng, grid, "fat", rng.choice((DOWN, LEFT, RIGHT)), rng.uniform(0.0, 0.2), lift=0.06))
    for _ in range(int(rng.integers(1, 4))):
        at = (rng.uniform(-0.3, 0.3), rng.uniform(-0.12, 0.35))
        organs.append(_loop(rng, grid, at, rng.uniform(0.08, 0.17), rng.uniform(0.06, 0.14)))
    for _ in range(int(rng.integers(0, 3))):
        at = (rng.uniform(-0.4, 0.4), rng.uniform(-0.1, 0.4))
        organs.append(_blob(rng, grid, "fat", at, rng.uniform(0.12, 0.24), lift=rng.uniform(0.02, 0.12)))
    if rng.random() < 0.2:
        organs.append(_slab(rng, grid, "liver", UP, rng.uniform(0.15, 0.28), lift=0.12))
    return organs


def _close_up(rng: Rng, grid: Grid) -> list[Organ]:
    """A dissection field: torn connective tissue with something else at its margins."""
    organs = [_backdrop(rng, grid, ("connective tissue", "connective tissue", "fat", "abdominal wall"))]
    names = ("fat", "liver", "gallbladder", "bowel", "abdominal wall", "connective tissue")
    for facing in rng.permutation((UP, DOWN, LEFT, RIGHT))[: int(rng.integers(1, 4))]:
        name = names[int(rng.integers(len(names)))]
        organs.append(_slab(rng, grid, name, float(facing), rng.uniform(0.12, 0.3), lift=rng.uniform(0.04, 0.12)))
    if rng.random() < 0.5:
        left, right = (-0.65, rng.uniform(-0.25, 0.25)), (0.65, rng.uniform(-0.25, 0.25))
        organs.append(_strand(rng, grid, left, right, rng.uniform(0.03, 0.07)))
    return organs


def _few(rng: Rng, grid: Grid) -> list[Organ]:
    """One or two tissues that fill the frame."""
    names = ("liver", "abdominal wall", "bowel", "fat", "connective tissue", "gallbladder")
    organs = [_backdrop(rng, grid, names[:5])]
    if rng.random() < 0.75:
        name = names[int(rng.integers(len(names)))]
        facing = float(rng.choice((UP, DOWN, LEFT, RIGHT)))
        organs.append(_slab(rng, grid, name, facing, rng.uniform(-0.1, 0.2), lift=0.1))
    return organs
