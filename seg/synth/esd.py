"""Endoscopic submucosal dissection: a lesion ringed by marks, the cut around it, the flap lifted off."""

from __future__ import annotations

import numpy as np

from describer.seg.synth import colonoscopy, tips
from describer.seg.synth.arrays import Array, Rng
from describer.seg.synth.instruments import Layer, Shaft, draw_shaft, stamp
from describer.seg.synth.noise import fbm, smoothstep
from describer.seg.synth.scene import CORE_IDS
from describer.seg.synth.shading import Canvas
from describer.seg.synth.shapes import Swell
from describer.seg.synth.stage import Draft, Stage
from describer.seg.synth.tissue import linear


def build(rng: Rng, size_hw: tuple[int, int], activity: str) -> Stage:
    """A lit ESD scene with the knife in place."""
    stage = Stage(rng, Canvas.empty(rng, size_hw), smoke_chance=0.12)
    if rng.random() < 0.25:
        colonoscopy.lumen(stage)
    else:
        colonoscopy.wall(stage)
    lesion = _lesion(rng, size_hw)
    maker = {"marking": _marking, "incision": _incision, "submucosal dissection": _dissection}[activity]
    site, action = maker(stage, lesion)
    if rng.random() < 0.3:
        at = (site[0] + rng.normal(0, 0.08) * size_hw[1], site[1] + rng.normal(0, 0.08) * size_hw[1])
        stage.stain(at, rng.uniform(0.03, 0.1), (140, 14, 14), rng.uniform(0.6, 0.95), kind="blood", gloss=0.6)
    if rng.random() < 0.15:
        at = (rng.uniform(0.2, 0.8) * size_hw[1], rng.uniform(0.4, 0.8) * size_hw[0])
        stage.pool(at, (rng.uniform(0.05, 0.16), rng.uniform(0.04, 0.09)), rng.uniform(-1, 1))
    stage.light()
    stage.smoke_at = site
    if rng.random() < 0.92:
        knife(stage, site, action)
    if rng.random() < 0.4:
        _cap(stage)
    return stage


def _lesion(rng: Rng, size_hw: tuple[int, int]) -> tuple[float, float, float, float]:
    """Centre (x, y) and radii of the marked area, in frame widths from the centre."""
    return (
        rng.uniform(-0.12, 0.12),
        rng.uniform(-0.12, 0.08),
        rng.uniform(0.17, 0.3),
        rng.uniform(0.13, 0.22),
    )


def _ring_field(stage: Stage, lesion: tuple[float, float, float, float]) -> tuple[Array, Array]:
    """Distance from the lesion's outline (positive outside, frame widths) and the angle around it. (H, W)."""
    h, w = stage.size_hw
    xs = np.linspace(-0.5, 0.5, w, dtype=np.float32)[None, :] - np.float32(lesion[0])
    ys = np.linspace(-0.5, 0.5, h, dtype=np.float32)[:, None] * np.float32(h / w) - np.float32(lesion[1])
    u, v = xs / lesion[2], ys / lesion[3]
    ragged = fbm(stage.rng, (h, w), 5, 3) * 0.016
    return (np.sqrt(u * u + v * v) - 1.0) * min(lesion[2:]) + ragged, np.arctan2(v, u)


def _px(stage: Stage, lesion: tuple[float, float, float, float], angle: float, grow: float) -> tuple[float, float]:
    """A pixel on the lesion's outline, grown by `grow` frame widths."""
    h, w = stage.size_hw
    x = lesion[0] + (lesion[2] + grow) * np.cos(angle)
    y = lesion[1] + (lesion[3] + grow) * np.sin(angle)
    return float((x + 0.5) * w), float(y * w + h / 2)


def _redden(stage: Stage, lesion: tuple[float, float, float, float]) -> None:
    """The lesion itself: a slightly raised patch of another shade."""
    outside, _ = _ring_field(stage, lesion)
    inside = smoothstep(0.02, 0.06, -outside)
    colour = (196, 92, 80) if stage.rng.random() < 0.6 else (232, 190, 160)
    stage.canvas.tint(inside * stage.rng.uniform(0.1, 0.45), linear(colour))
    stage.canvas.height += inside * stage.rng.uniform(0.0, 0.05)


def dots(stage: Stage, lesion: tuple[float, float, float, float], first: float, span: float, grow: float) -> None:
    """Coagulation marks along the outline from angle `first` over `span`."""
    rng, canvas = stage.rng, stage.canvas
    h, w = stage.size_hw
    radius = rng.uniform(0.018, 0.028) * w
    circumference = span * 0.5 * (lesion[2] + lesion[3] + 2 * grow)
    count = max(2, int(circumference * w / (radius * rng.uniform(3.6, 6.0))))
    white = rng.random() < 0.55
    colour = (236, 226, 214) if white else (52, 34, 28)
    rim = (170, 110, 90) if white else (214, 170, 130)
    for angle in first + np.linspace(0, span, count) + rng.normal(0, 0.03, count):
        x, y = _px(stage, lesion, float(angle), grow + rng.normal(0, 0.006))
        size = radius * rng.uniform(0.95, 1.25)
        reach = int(size * 2) + 2
        x0, x1, y0, y1 = int(x) - reach, int(x) + reach, int(y) - reach, int(y) + reach
        x0, x1, y0, y1 = max(x0, 0), min(x1, w), max(y0, 0), min(y1, h)
        if x1 - x0 < 6 or y1 - y0 < 6:
            continue
        box = (slice(y0, y1), slice(x0, x1))
        dx = np.arange(x0, x1, dtype=np.float32)[None, :] - x
        dy = np.arange(y0, y1, dtype=np.float32)[:, None] - y
        shape = (y1 - y0, x1 - x0)
        near = np.hypot(dx, dy * rng.uniform(0.9, 1.3)) / size + 0.12 * fbm(rng, shape, 4, 2)
        halo = 1.0 - smoothstep(0.9, 1.6, near)
        core = 1.0 - smoothstep(0.75, 1.05, near)
        under = canvas.albedo[:, *box]
        under += halo * 0.5 * (linear(rim)[:, None, None] - under)
        under += core * 0.92 * (linear(colour)[:, None, None] - under)
        canvas.height[box] -= core * 0.006
        mark = near < 1.0
        canvas.labels[box][mark] = CORE_IDS["marking dots"]
        canvas.instances[box][mark] = canvas.new_id()


def _marking(stage: Stage, lesion: tuple[float, float, float, float]) -> tuple[tuple[float, float], str]:
    """Dots only; the knife at the latest of them."""
    rng = stage.rng
    _redden(stage, lesion)
    first, span = rng.uniform(0, 2 * np.pi), rng.uniform(2.2, 6.0)
    dots(stage, lesion, first, span, 0.02)
    return _px(stage, lesion, first + span, 0.02), "mark"


def _incision(stage: Stage, lesion: tuple[float, float, float, float]) -> tuple[tuple[float, float], str]:
    """A cut along part of the outline that opens onto the submucosa, the dots inside it still there."""
    rng = stage.rng
    _redden(stage, lesion)
    first, span = rng.uniform(0, 2 * np.pi), rng.uniform(1.6, 4.6)
    outside, theta = _ring_field(stage, lesion)
    middle, half = 0.055, rng.uniform(0.02, 0.042)
    turn = np.mod(theta - first, 2 * np.pi)
    ends = np.minimum(turn, span - turn) * min(lesion[2:])
    groove = np.minimum(half - np.abs(outside - middle), np.where(turn < span, ends, -1.0) * 0.6)
    rim = smoothstep(-0.02, 0.0, groove)
    stage.canvas.tint(rim * 0.5, linear((214, 176, 150)))
    stage.canvas.height += rim * 0.018
    stage.lay("submucosa", groove.astype(np.float32), Swell(-0.035, 0.012, half), extra=0.8 * stage.canvas.height)
    dots(stage, lesion, first - 0.3, rng.uniform(4.0, 6.0), -0.025)
    at = _px(stage, lesion, first + span, middle)
    if rng.random() < 0.5:
        stage.stain(at, rng.uniform(0.02, 0.045), (54, 30, 20), 0.85, kind="char")
    return at, "incise"


def _dissection(stage: Stage, lesion: tuple[float, float, float, float]) -> tuple[tuple[float, float], str]:
    """The flap folded up over the upper part of the view, submucosa open beneath it, mucosa below."""
    rng = stage.rng
    h, w = stage.size_hw
    turn = rng.normal(0, 0.35)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    x0 = np.linspace(-0.5, 0.5, w, dtype=np.float32)[None, :]
    y0 = np.linspace(-0.5, 0.5, h, dtype=np.float32)[:, None] * np.float32(h / w)
    xs, ys = cos * x0 + sin * y0 - np.float32(lesion[0] * 0.5), -sin * x0 + cos * y0
    wave = 0.035 * fbm(rng, (h, w), 3, 3)
    lower = rng.uniform(0.1, 0.22) - rng.uniform(0.3, 0.9) * xs * xs + wave
    upper = rng.uniform(-0.12, 0.0) + rng.uniform(-0.3, 0.5) * xs * xs + 0.03 * fbm(rng, (h, w), 3, 3)
    width = rng.uniform(0.3, 0.5)
    bed = np.minimum(np.minimum(lower - ys, ys - upper + 0.08), width - np.abs(xs) + wave)
    rim = smoothstep(-0.03, 0.0, bed)
    stage.canvas.tint(rim * 0.5, linear((222, 178, 150)))
    stage.canvas.height += rim * 0.025
    if rng.random() < 0.6:
        dots(stage, (lesion[0] * 0.5, 0.0, width + 0.06, 0.26), 0.3, 2.4, 0.02)
    stage.lay("submucosa", bed.astype(np.float32), Swell(-0.05, 0.03, 0.15))
    # The sides curve in towards the free edge, as a lifted fold does, rather than end in corners.
    taper = 0.6 * np.maximum(0.12 - (upper - ys), 0.0)
    flap = np.minimum(upper - ys, width + 0.08 - taper - np.abs(xs) + wave)
    if rng.random() < 0.6:
        flap = np.minimum(flap, ys - upper + rng.uniform(0.2, 0.4))
    curl = 0.05 * np.exp(-(((upper - ys) / 0.05) ** 2))
    swell = Swell(0.09, rng.uniform(0.05, 0.1), 0.1)
    stage.lay("mucosal flap", flap.astype(np.float32), swell, extra=curl.astype(np.float32))
    found = stage.tissue_point(("submucosa",), 0.25)
    at = (w / 2, h / 2) if found is None else found[0]
    if rng.random() < 0.55:
        stage.stain(at, rng.uniform(0.025, 0.05), (54, 30, 20), 0.85, kind="char")
        stage.smoke_chance = 0.4
    return at, "dissect"


def knife(stage: Stage, at_px: tuple[float, float], action: str) -> None:
    """A plastic sheath from a lower corner with a short metal tip."""
    rng = stage.rng
    h, w = stage.size_hw
    corner = np.array([w * rng.choice((rng.uniform(0.55, 1.05), rng.uniform(-0.05, 0.45))), h * rng.uniform(1.0, 1.15)])
    away = np.array(at_px) - corner
    angle = float(np.arctan2(away[1], away[0]))
    width = rng.uniform(0.03, 0.055) * w
    x, y = int(np.clip(at_px[0], 0, w - 1)), int(np.clip(at_px[1], 0, h - 1))
    depth = max(float(stage.depth[y, x]) - 0.02, 0.15)
    layer = Layer.blank((h, w))
    sprite = tips.Sprite.blank(width, 2.0, 0.9)
    length = rng.uniform(0.6, 1.1)
    rod = np.array([[-0.1, 0.0], [length, 0.0]])
    style = rng.integers(3)
    if style == 1:
        rod = np.array([[-0.1, 0.0], [length, 0.0], [length, 0.3 * rng.choice((-1, 1))]])
    sprite.add(rng, sprite.line(rod, rng.uniform(0.26, 0.36)), tips.STEEL, 1.3, 0.12)
    if style == 2:
        t = np.linspace(0, 2 * np.pi, 18)
        ball = np.stack([length + 0.26 * np.cos(t), 0.26 * np.sin(t)], 1)
        sprite.add(rng, sprite.coverage(ball), tips.IVORY, 0.8, 0.2)
    reach = length * width
    end = (at_px[0] - reach * np.cos(angle), at_px[1] - reach * np.sin(angle))
    sheath = (tips.IVORY, (196, 200, 204), (150, 180, 214), (214, 206, 170), (90, 130, 190))[int(rng.integers(5))]
    draw_shaft(rng, layer, Shaft(end, angle, width, rng.uniform(0.8, 2.4), sheath, 0.6, depth), collar=False)
    if rng.random() < 0.4:
        ring = np.array([[-0.5, -0.5], [-0.12, -0.5], [-0.12, 0.5], [-0.5, 0.5]])
        band = (40, 60, 120) if rng.random() < 0.5 else tips.BLACK
        sprite.add(rng, sprite.coverage(ring), band, 0.5, 0.4)
    stamp(layer, sprite, end, angle, depth)
    target = stage.instance_at(at_px)
    stage.put(layer, Draft("electric knife", target, action if target is not None else None, at_px))


def _cap(stage: Stage) -> None:
    """The transparent distal cap: a pale ring around the view, its glare on one side."""
    rng = stage.rng
    h, w = stage.size_hw
    xs = np.linspace(-0.5, 0.5, w, dtype=np.float32)[None, :]
    ys = np.linspace(-0.5, 0.5, h, dtype=np.float32)[:, None] * np.float32(h / w)
    inner = rng.uniform(0.42, 0.52)
    radius = np.sqrt(xs * xs + ys * ys)
    ring = smoothstep(inner - 0.012, inner + 0.01, radius) * rng.uniform(0.15, 0.4)
    edge = np.exp(-(((radius - inner) / 0.006) ** 2)) * rng.uniform(0.2, 0.5)
    glow = 0.5 + 0.5 * np.cos(np.arctan2(ys, xs) - rng.uniform(0, 6.28))
    veil = np.clip(ring + edge * glow, 0.0, 0.8)
    stage.image += veil * (np.array([0.3, 0.28, 0.27], np.float32)[:, None, None] - stage.image)
