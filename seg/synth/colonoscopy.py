"""Colonoscopic scenes: a folded tube or its wall, polyps on it, and a snare."""

from __future__ import annotations

import cv2
import numpy as np

from describer.seg.synth import tips
from describer.seg.synth.arrays import Rng
from describer.seg.synth.instruments import Layer, Shaft, draw_shaft
from describer.seg.synth.noise import fbm, folds, smoothstep
from describer.seg.synth.shading import Canvas
from describer.seg.synth.shapes import FLAT, Grid, Swell, ellipse, tube
from describer.seg.synth.stage import Draft, Stage


def build(rng: Rng, size_hw: tuple[int, int], activity: str) -> Stage:
    """A lit colonoscopic scene with its instruments in place."""
    stage = Stage(rng, Canvas.empty(rng, size_hw), smoke_chance=0.03)
    if rng.random() < 0.62:
        lumen(stage)
    else:
        wall(stage)
    polyps: list[tuple[int, tuple[float, float], float]] = []
    if activity == "polypectomy" or rng.random() < 0.62:
        for _ in range(1 if rng.random() < 0.8 else int(rng.integers(2, 5))):
            made = polyp(stage, len(polyps) > 0, activity == "polypectomy")
            if made is not None:
                polyps.append(made)
    _debris(stage)
    stage.light()
    if activity == "polypectomy" and polyps:
        snare(stage, *polyps[0])
    return stage


def lumen(stage: Stage) -> None:
    """Look down the tube: rings of folds that close in on the dark lumen."""
    rng, canvas = stage.rng, stage.canvas
    h, w = stage.size_hw
    small = (max(16, h // 2), max(16, w // 2))
    cx, cy = rng.normal(0, 0.16), rng.normal(0, 0.13)
    xs = np.linspace(-0.5, 0.5, small[1], dtype=np.float32)[None, :] - np.float32(cx)
    ys = np.linspace(-0.5, 0.5, small[0], dtype=np.float32)[:, None] * np.float32(h / w) - np.float32(cy)
    warp = 0.05 * fbm(rng, small, 2.5, 3)
    radius = np.sqrt(xs * xs * rng.uniform(0.8, 1.3) + ys * ys) * (1.0 + warp * 2) + 0.004
    theta = np.arctan2(ys, xs)
    lobes, phase = int(rng.integers(2, 5)), rng.uniform(0, 6.28)
    radius *= 1.0 + rng.uniform(0.03, 0.16) * np.cos(lobes * theta + phase)
    travel = np.log(radius / 0.5) * rng.uniform(1.1, 2.3)
    travel += 0.22 * np.cos(theta + rng.uniform(0, 6.28)) + 0.35 * warp * 4
    saw = travel - np.floor(travel)
    # A fold rises gently on the near side and drops sharply behind its crest, towards the lumen.
    crest = smoothstep(0.0, 0.22, saw) * (1.0 - smoothstep(0.35, 1.0, saw))
    # Each fold is a crescent of its own strength rather than a full ring.
    ring = (np.floor(travel) + 40).astype(np.int32) % 64
    facing, force = (
        rng.uniform(0, 2 * np.pi, 64).astype(np.float32),
        rng.uniform(0.3, 1.0, 64).astype(np.float32),
    )
    strength = force[ring] * np.clip(0.6 + 0.55 * np.cos(theta - facing[ring]), 0.05, 1.0)
    strength *= np.clip(0.8 + 0.4 * fbm(rng, small, 2.5, 2), 0.1, 1.2)
    near = np.clip(radius / 0.55, 0.0, 1.0)
    strength *= smoothstep(0.08, 0.45, near)
    depth = 1.0 - 0.74 * near ** rng.uniform(0.4, 0.8)
    height = crest * strength * (0.03 + 0.1 * near)
    shape = cv2.resize(np.dstack([depth, height]).astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
    np.copyto(canvas.far, shape[..., 0])
    stage.lay("mucosa", np.ones((h, w), np.float32), FLAT, extra=np.ascontiguousarray(shape[..., 1]))
    hole = cv2.resize(1.0 - smoothstep(0.0, rng.uniform(0.2, 0.7), near), (w, h))
    canvas.tint(hole * rng.uniform(0.6, 1.0), np.array([0.02, 0.008, 0.006], np.float32))
    canvas.gloss *= 1.0 - smoothstep(0.05, 0.5, hole)


def wall(stage: Stage) -> None:
    """Look at the wall: gently folded mucosa that fills the frame."""
    rng = stage.rng
    h, w = stage.size_hw
    relief = rng.uniform(0.03, 0.08) * folds(rng, (h, w), 2.5, 4, 0.4)
    for _ in range(int(rng.integers(0, 4))):
        angle, offset = rng.uniform(0, np.pi), rng.uniform(-0.4, 0.4)
        xs = np.linspace(-0.5, 0.5, w, dtype=np.float32)[None, :]
        ys = np.linspace(-0.4, 0.4, h, dtype=np.float32)[:, None]
        across = np.cos(angle) * xs + np.sin(angle) * ys - offset + 0.05 * folds(rng, (h, w), 2.5, 2)
        relief += rng.uniform(0.05, 0.16) * np.exp(-((across / rng.uniform(0.04, 0.1)) ** 2))
    stage.lay("mucosa", np.ones((h, w), np.float32), FLAT, extra=relief.astype(np.float32))


def polyp(stage: Stage, small: bool, reachable: bool) -> tuple[int, tuple[float, float], float] | None:
    """Grow a polyp from the wall: (instance id, centre px, radius in frame widths)."""
    rng = stage.rng
    h, w = stage.size_hw
    grid = Grid.make((h, w))
    size = 0.5 * float(np.exp(rng.uniform(np.log(0.1), np.log(0.7))))
    if small:
        size *= 0.5
    if reachable:
        size = float(np.clip(size, 0.06, 0.18))
    size = max(size, 0.03)
    spread = 0.3 if not reachable else 0.18
    at = _bed(stage, spread)
    kind = str(rng.choice(("dome", "stalk", "flat"), p=(0.6, 0.2, 0.2)))
    angle = rng.uniform(0, np.pi)
    radii = (size * rng.uniform(1.0, 1.35), size * rng.uniform(0.75, 1.0))
    distance = ellipse(rng, grid, at, radii, angle, waviness=rng.uniform(0.04, 0.2))
    rise = size * {"dome": rng.uniform(0.6, 1.1), "stalk": rng.uniform(0.7, 1.0), "flat": rng.uniform(0.22, 0.42)}[kind]
    lift = 0.0
    if kind == "stalk":
        foot_angle = rng.uniform(0.3, 2.8)
        foot = (at[0] + size * 1.9 * np.cos(foot_angle), at[1] + size * 1.9 * np.sin(foot_angle))
        stem, _ = tube(grid, np.array([at, foot]), np.array([0.42, 0.5]) * size)
        distance = np.maximum(distance, stem)
        lift = 0.02
    for _ in range(int(rng.choice((0, 1, 2, 4), p=(0.5, 0.2, 0.15, 0.15)))):
        around, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.0) * size
        lump = (at[0] + reach * np.cos(around), at[1] + reach * np.sin(around))
        bulge = ellipse(rng, grid, lump, (size * rng.uniform(0.4, 0.7), size * 0.5), waviness=0.15)
        distance = np.maximum(distance, bulge)
    full = grid.full(distance)
    base = cv2.GaussianBlur(cv2.resize(stage.canvas.height, (w // 4, h // 4)), (0, 0), max(1.0, size * w / 8))
    base = cv2.resize(base, (w, h))
    soft = kind == "flat" or (kind == "dome" and rng.random() < 0.6)
    swell = Swell(lift, rise, min(radii), soft)
    instance = stage.lay("polyp", full, swell, extra=base, kinship=rng.uniform(0.25, 0.6))
    if instance is None:
        return None
    return instance, ((at[0] + 0.5) * w, at[1] * w + h / 2), size


def _bed(stage: Stage, spread: float) -> tuple[float, float]:
    """A place on the wall for a growth, in frame widths from the centre, not down in the dark of the lumen."""
    rng, far = stage.rng, stage.canvas.far
    h, w = stage.size_hw
    for _ in range(6):
        at = (rng.uniform(-spread, spread), rng.uniform(-spread, spread) * 0.75)
        if far[int((at[1] + 0.5 * h / w) * w * 0.999), int((at[0] + 0.5) * w * 0.999)] < 0.72:
            break
    return at


def _debris(stage: Stage) -> None:
    """Yellowish fluid, mucus and bubbles, and now and then some blood."""
    rng = stage.rng
    h, w = stage.size_hw
    if rng.random() < 0.3:
        at = (rng.uniform(0, w), rng.uniform(0.4, 1.0) * h)
        amount, ramp = rng.uniform(0.3, 0.75), rng.uniform(0.5, 1.4)
        stage.stain(at, rng.uniform(0.1, 0.3), (196, 160, 50), amount, gloss=0.6, ramp=ramp)
    if rng.random() < 0.15:
        at = (rng.uniform(0.2, 0.8) * w, rng.uniform(0.2, 0.8) * h)
        stage.stain(at, rng.uniform(0.03, 0.12), (140, 16, 16), rng.uniform(0.6, 0.95), kind="blood", gloss=0.6)
    if rng.random() < 0.12:
        at = (rng.uniform(0.2, 0.8) * w, rng.uniform(0.3, 0.8) * h)
        stage.pool(at, (rng.uniform(0.06, 0.16), rng.uniform(0.05, 0.1)), rng.uniform(-1, 1))


def snare(stage: Stage, target: int, at_px: tuple[float, float], radius: float) -> None:
    """A wire loop from a plastic sheath, round a polyp or just beside it."""
    rng = stage.rng
    h, w = stage.size_hw
    angle = -np.pi / 2 + rng.normal(0, 0.55)
    over = rng.random() < 0.75
    rx, ry = radius * rng.uniform(1.2, 1.6), radius * rng.uniform(0.95, 1.3)
    direction = np.array([np.cos(angle), np.sin(angle)])
    centre = np.array(at_px) / w - direction * (0.1 * radius if over else 1.6 * radius)
    t = np.linspace(0, 2 * np.pi, 40)
    along = rx * (-np.cos(t)) * 0.95
    # The loop narrows to a point where both wires meet in the sheath.
    lateral = ry * np.sin(t) * np.sqrt(np.clip((1 - np.cos(t)) / 1.1, 0, 1))
    normal = np.array([-direction[1], direction[0]])
    points = centre + along[:, None] * direction + lateral[:, None] * normal
    layer = Layer.blank((h, w))
    depth = max(float(stage.depth[int(np.clip(at_px[1], 0, h - 1)), int(np.clip(at_px[0], 0, w - 1))]) - 0.04, 0.15)
    mask = np.zeros((h, w), np.uint8)
    px = np.round(points * w * 16).astype(np.int32)
    cv2.polylines(mask, [px], True, 255, max(2, round(w * rng.uniform(0.012, 0.018))), cv2.LINE_AA, 4)
    colour, box = tips.bevelled(rng, mask, tips.STEEL if rng.random() < 0.7 else tips.GOLD, 1.2, max(1.5, w * 0.006))
    end = points[0] * w
    sheath = (tips.IVORY, tips.BLUE, (224, 178, 190), (206, 190, 120), (120, 160, 190))[int(rng.integers(5))]
    width, taper = rng.uniform(0.035, 0.06) * w, rng.uniform(0.6, 1.8)
    tube_ = Shaft((float(end[0]), float(end[1])), angle, width, taper, sheath, 0.5, depth)
    draw_shaft(rng, layer, tube_, collar=False)
    layer.over(box, np.moveaxis(colour, -1, 0), mask[box] * np.float32(1 / 255), depth)
    tip = centre + rx * direction
    stage.put(layer, Draft("snare", target, "snare", (float(tip[0] * w), float(tip[1] * w))))
