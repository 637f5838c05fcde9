"""Laparoscopic scenes: a layout of organs, an event with its instruments, and their helpers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from describer.seg.synth.arrays import Array, Rng
from describer.seg.synth.instruments import JAWED, Pose, draw
from describer.seg.synth.layouts import Organ, arrange
from describer.seg.synth.noise import fbm, smoothstep
from describer.seg.synth.shading import Canvas
from describer.seg.synth.shapes import Grid
from describer.seg.synth.stage import Draft, Stage


@dataclass(frozen=True)
class Event:
    """What makes an activity visible: its instrument, the verb, and what it is done to, best first."""

    instrument: str
    action: str
    targets: tuple[str, ...]


ANY = ("connective tissue", "gallbladder", "fat", "liver", "bowel", "abdominal wall")
EVENTS: dict[str, Event] = {
    "retraction": Event("grasper", "retract", ("gallbladder", "bowel", "fat", "connective tissue", "liver")),
    "dissection": Event("hook", "dissect", ANY),
    "cutting": Event("scissors", "cut", ANY),
    "coagulation": Event("bipolar forceps", "coagulate", ANY),
    "clipping": Event("clip applier", "clip", ("connective tissue", *ANY)),
    "suction": Event("suction irrigator", "aspirate", ("blood",)),
    "suturing": Event("needle driver", "suture", ("bowel", "abdominal wall", "connective tissue", *ANY)),
}


def build(rng: Rng, size_hw: tuple[int, int], activity: str) -> Stage:
    """A lit laparoscopic scene with its instruments in place."""
    stage, grip = _field(rng, size_hw, {"retraction": 1.0, "exploration": 0.0}.get(activity, 0.2))
    event = EVENTS.get(activity)
    site = _site(stage, activity, event)
    _traces(stage, activity, site)
    stage.light()
    headings: list[float] = []
    if grip is not None:
        _place(stage, "grasper", grip, "retract", headings, closed=True)
    if event is None:
        if rng.random() < 0.35:
            _enter_at_edge(stage)
        return stage
    if activity != "retraction":
        for _ in range(int(rng.choice((0, 1, 2), p=(0.5, 0.38, 0.12)))):
            found = stage.tissue_point(ANY, 0.36)
            if found is not None and np.hypot(found[0][0] - site[0], found[0][1] - site[1]) > 0.16 * size_hw[1]:
                _place(stage, "grasper", found[0], "grasp", headings, closed=rng.random() < 0.7)
        _place(stage, event.instrument, site, event.action, headings)
    elif rng.random() < 0.4:
        found = stage.tissue_point(ANY, 0.36)
        if found is not None:
            _place(stage, "grasper", found[0], "grasp", headings, closed=rng.random() < 0.6)
    if activity == "suturing":
        _thread(stage, site)
    return stage


def build_tools(rng: Rng, size_hw: tuple[int, int]) -> Stage:
    """Any instruments over any tissue, doing nothing in particular: for telling the kinds apart."""
    stage, _ = _field(rng, size_hw, pull_chance=0.0)
    _traces(stage, "exploration", (size_hw[1] / 2, size_hw[0] / 2))
    stage.light()
    headings: list[float] = []
    kinds = [event.instrument for event in EVENTS.values()]
    for kind in rng.permutation(kinds)[: int(rng.integers(1, 4))]:
        found = stage.tissue_point(ANY, 0.4)
        if found is not None:
            _place(stage, str(kind), found[0], "touch", headings)
    return stage


def _field(rng: Rng, size_hw: tuple[int, int], pull_chance: float) -> tuple[Stage, tuple[float, float] | None]:
    """The organs, unlit, and where one of them is pulled out to (px), if one is."""
    stage = Stage(rng, Canvas.empty(rng, size_hw))
    grid = Grid.make(size_hw, rng.normal(0, 0.35), bool(rng.random() < 0.5), rng.uniform(0.85, 1.35))
    organs = arrange(rng, grid)
    pulled = pull_chance == 1 or (pull_chance > 0 and rng.random() < pull_chance)
    grip = _tent(rng, size_hw, organs) if pulled else None
    hidden = np.zeros(size_hw, bool)
    layers: list[tuple[Organ, Array, Array]] = []
    for organ in reversed(organs):
        ragged = rng.uniform(0.0, 0.012 if organ.name in ("fat", "connective tissue") else 0.005)
        distance = grid.full(organ.distance) + ragged * fbm(rng, size_hw, rng.uniform(9, 18), 4, 0.6)
        inside = distance > 0
        layers.append((organ, distance, inside & ~hidden))
        hidden |= inside
    for organ, distance, seen in reversed(layers):
        extra = None if organ.extra is None else grid.full(organ.extra)
        stage.lay(organ.name, distance, organ.swell, extra=extra, seen=seen)
    _adhesions(stage)
    return stage, grip


def _adhesions(stage: Stage) -> None:
    """Films, fatty streaks and stains that run across the borders of organs."""
    rng = stage.rng
    h, w = stage.size_hw
    colours = (
        (226, 190, 150),
        (150, 44, 38),
        (232, 208, 176),
        (214, 150, 110),
        (120, 40, 36),
        (228, 184, 96),
    )
    for _ in range(int(rng.integers(0, 4))):
        at = (rng.uniform(0.1, 0.9) * w, rng.uniform(0.1, 0.9) * h)
        colour = colours[int(rng.integers(len(colours)))]
        stage.stain(at, rng.uniform(0.06, 0.2), colour, rng.uniform(0.15, 0.5), gloss=0.2, ramp=1.3)


def _site(stage: Stage, activity: str, event: Event | None) -> tuple[float, float]:
    """Where the event happens, in pixels; makes the pool for suction."""
    h, w = stage.size_hw
    rng = stage.rng
    middle = (w * rng.uniform(0.35, 0.65), h * rng.uniform(0.35, 0.65))
    if event is None:
        return middle
    if activity == "suction":
        stage.pool(middle, (rng.uniform(0.12, 0.26), rng.uniform(0.07, 0.16)), rng.uniform(-0.5, 0.5))
        return middle
    wanted = event.targets[: int(rng.integers(1, len(event.targets) + 1))]
    found = stage.tissue_point(wanted) or stage.tissue_point(ANY)
    return middle if found is None else found[0]


def _traces(stage: Stage, activity: str, site: tuple[float, float]) -> None:
    """What work leaves on the tissue: char, coagulum, cuts, stains, stray pools."""
    rng = stage.rng
    w = stage.size_hw[1]
    if activity in ("dissection", "coagulation", "cutting", "clipping") or rng.random() < 0.3:
        _raw(stage, site)
    if activity == "dissection":
        stage.stain(site, rng.uniform(0.06, 0.1), (206, 160, 92), 0.7)
        stage.stain(site, rng.uniform(0.03, 0.065), (44, 26, 18), 0.92, kind="char")
        stage.smoke_at, stage.smoke_chance = site, 0.6
    elif activity == "coagulation":
        stage.stain(site, rng.uniform(0.06, 0.11), (232, 216, 192), 0.85)
        stage.stain(site, rng.uniform(0.02, 0.05), (64, 40, 26), 0.8, kind="char")
        stage.smoke_at, stage.smoke_chance = site, 0.55
    elif activity == "cutting":
        _slit(stage, site, rng.uniform(0.08, 0.2))
    if rng.random() < 0.3:
        at = (site[0] + rng.normal(0, 0.1) * w, site[1] + rng.normal(0, 0.08) * w)
        stage.stain(at, rng.uniform(0.04, 0.14), (128, 14, 14), rng.uniform(0.5, 0.8), kind="blood", gloss=0.3)
    if activity != "suction" and rng.random() < 0.25:
        at = (rng.uniform(0.15, 0.85) * w, rng.uniform(0.2, 0.7) * w)
        stage.pool(at, (rng.uniform(0.06, 0.2), rng.uniform(0.04, 0.12)), rng.uniform(-0.8, 0.8))


def _raw(stage: Stage, site: tuple[float, float]) -> None:
    """A worked-over field: torn, oozing, part fatty, part burnt, with a craggy surface."""
    rng, canvas = stage.rng, stage.canvas
    shape = stage.size_hw
    alpha = stage.near(site, rng.uniform(0.07, 0.2), 0.5, 1.0) * rng.uniform(0.35, 0.8)
    kinds = ((222, 176, 108), (164, 48, 40), (228, 204, 186), (112, 22, 22), (118, 80, 50))
    for index in rng.permutation(len(kinds))[: int(rng.integers(2, 5))]:
        patch = smoothstep(0.1, 1.3, fbm(rng, shape, rng.uniform(7, 16), 4, 0.6))
        canvas.tint(alpha * patch, np.square(np.asarray(kinds[int(index)], np.float32) / 255.0))
    canvas.bump += alpha * rng.uniform(0.002, 0.006) * fbm(rng, shape, 14, 4, 0.65)


def _slit(stage: Stage, site: tuple[float, float], length: float) -> None:
    """A fresh cut running away from the tips: dark gap, raw red edges."""
    rng, canvas = stage.rng, stage.canvas
    h, w = stage.size_hw
    heading = rng.uniform(0, 2 * np.pi)
    t = np.linspace(-0.2, 1.0, 9)
    turn = heading + rng.normal(0, 0.12, 9).cumsum()
    xs = site[0] + np.cos(turn) * t * length * w
    ys = site[1] + np.sin(turn) * t * length * w
    points = [np.round(np.stack([xs, ys], 1) * 16).astype(np.int32)]
    for width, colour, strength, depth in (
        (0.03, (176, 52, 46), 0.7, 0.006),
        (0.011, (58, 8, 8), 0.95, 0.02),
    ):
        mask = np.zeros((h, w), np.uint8)
        cv2.polylines(mask, points, False, 255, max(2, round(width * w)), cv2.LINE_AA, 4)
        alpha = cv2.GaussianBlur(mask, (0, 0), max(0.8, width * w * 0.2)).astype(np.float32) / 255.0
        canvas.tint(alpha * strength, np.square(np.asarray(colour, np.float32) / 255.0))
        canvas.height -= alpha * depth


def _tent(rng: Rng, size_hw: tuple[int, int], organs: list[Organ]) -> tuple[float, float] | None:
    """Pull one organ's edge out to a point; moves it to the front and returns the point in pixels."""
    names = EVENTS["retraction"].targets
    order = [organ for organ in organs[1:] if organ.name in names] or [o for o in organs if o.name in names]
    if not order:
        order = list(organs)
    organ = order[int(rng.integers(len(order)))]
    small = organ.distance.shape
    xs, ys = np.meshgrid(
        np.linspace(-0.5, 0.5, small[1], dtype=np.float32),
        np.linspace(-0.5, 0.5, small[0], dtype=np.float32) * np.float32(size_hw[0] / size_hw[1]),
    )
    middle = (np.abs(xs) < 0.28) & (np.abs(ys) < 0.22)
    rim = np.flatnonzero(middle & (organ.distance > 0.0) & (organ.distance < 0.04))
    inside = rim if len(rim) else np.flatnonzero(middle & (organ.distance > 0.0))
    if not len(inside):
        return None
    row, col = np.unravel_index(int(rng.choice(inside)), small)
    gy, gx = np.gradient(cv2.GaussianBlur(organ.distance, (0, 0), 3.0))
    out = -np.array([gx[row, col], gy[row, col]])
    out = out / max(float(np.hypot(*out)), 1e-6) if len(rim) else np.array([0.0, -1.0])
    root = np.array([xs[row, col], ys[row, col]]) - 0.14 * out
    length = 0.14 + rng.uniform(0.05, 0.13)
    tip = np.clip(root + length * out, (-0.4, -0.3), (0.4, 0.3))
    axis = tip - root
    length = max(float(np.hypot(*axis)), 0.05)
    axis /= length
    t = ((xs - root[0]) * axis[0] + (ys - root[1]) * axis[1]) / length
    lateral = np.abs((xs - root[0]) * -axis[1] + (ys - root[1]) * axis[0])
    inner = np.clip(t, 0.0, 1.0)
    anchor = int(np.argmin((xs - root[0]) ** 2 + (ys - root[1]) ** 2))
    foot = float(np.clip(organ.distance.ravel()[anchor] + 0.01, 0.04, 0.15))
    half = foot * (1.0 - inner) ** 1.6 + 0.02
    sheet = np.minimum(half - lateral, np.minimum(t + 0.3, 1.04 - t) * length)
    organ.distance = np.maximum(organ.distance, sheet).astype(np.float32)
    spread = np.exp(-((lateral / (half + 0.02)) ** 2))
    pleat = 0.006 * np.cos(lateral / np.maximum(half, 0.02) * 9.0) * np.clip(t * 1.5, 0, 1)
    rise = (rng.uniform(0.08, 0.16) * inner + pleat) * spread * (t < 1.06) * (t > 0)
    organ.extra = rise.astype(np.float32)
    organs.remove(organ)
    organs.append(organ)
    pull = tip - 0.012 * axis
    w = size_hw[1]
    return (float((pull[0] + 0.5) * w), float(pull[1] * w + size_hw[0] / 2))


def _heading(rng: Rng, taken: list[float], site: tuple[float, float], size_hw: tuple[int, int]) -> float:
    """A pointing direction: mostly in from left, right or below, away from those already used."""
    best, best_gap = 0.0, -1.0
    for _ in range(6):
        side = rng.choice(3, p=(0.4, 0.4, 0.2))
        middle = (0.0, np.pi, -np.pi / 2)[int(side)]
        angle = middle + rng.normal(0, 0.42)
        if side < 2:
            angle += -0.3 if side == 0 else 0.3
        gap = min((abs(np.angle(np.exp(1j * (angle - other)))) for other in taken), default=np.pi)
        if gap > 0.75:
            return float(angle)
        if gap > best_gap:
            best, best_gap = float(angle), gap
    return best


def _place(
    stage: Stage,
    kind: str,
    at_px: tuple[float, float],
    action: str,
    headings: list[float],
    *,
    closed: bool | None = None,
) -> None:
    """Draw one instrument with its tip at `at_px` and record what it does there."""
    rng = stage.rng
    h, w = stage.size_hw
    angle = _heading(rng, headings, at_px, stage.size_hw)
    headings.append(angle)
    width = (rng.uniform(0.075, 0.125) if rng.random() < 0.7 else rng.uniform(0.125, 0.17)) * w
    opening = _opening(rng, kind, closed)
    x, y = int(np.clip(at_px[0], 0, w - 1)), int(np.clip(at_px[1], 0, h - 1))
    depth = max(float(stage.depth[y, x]) - 0.02, 0.15)
    pose = Pose(at_px, angle, width, rng.uniform(0.15, 0.9), rng.normal(0, 0.45), opening, depth)
    layer = draw(rng, stage.size_hw, kind, pose)
    target = stage.instance_at(at_px)
    soil: tuple[str, Array] | None = None
    if rng.random() < 0.22:
        cover = "blood" if rng.random() < 0.7 else "char"
        soil = (cover, stage.soil(layer, cover, rng.uniform(0.15, 0.5)))
    state = None if kind not in JAWED else ("open" if opening > 0.13 else "closed")
    draft = Draft(kind, target, action if target is not None else None, at_px, state, bool(rng.random() < 0.08))
    stage.put(layer, draft)
    if soil is not None:
        np.maximum(stage.canvas.cover[soil[0]], soil[1], out=stage.canvas.cover[soil[0]])


def _opening(rng: Rng, kind: str, closed: bool | None) -> float:
    """Half the jaws' angle in radians."""
    if closed is None:
        closed = kind != "scissors" and rng.random() < 0.45
    return float(rng.uniform(0.0, 0.06)) if closed else float(rng.uniform(0.2, 0.5))


def _enter_at_edge(stage: Stage) -> None:
    """A grasper just coming in: only its end shows at the border, touching nothing."""
    rng = stage.rng
    h, w = stage.size_hw
    angle = _heading(rng, [], (w / 2, h / 2), stage.size_hw)
    reach = rng.uniform(0.1, 0.2) * w
    centre = np.array([w / 2, h / 2]) + rng.uniform(-0.2, 0.2, 2) * np.array([w, h])
    direction = np.array([np.cos(angle), np.sin(angle)])
    steps = [
        ((0 if d > 0 else size) - c) / d for c, d, size in zip(centre, direction, (w, h), strict=True) if abs(d) > 0.05
    ]
    border = centre + direction * max(s for s in steps if s <= 0)
    tip = border + direction * reach
    opening = _opening(rng, "grasper", None)
    at_px = (float(tip[0]), float(tip[1]))
    pose = Pose(at_px, angle, rng.uniform(0.045, 0.09) * w, 0.4, 0.0, opening, 0.3)
    layer = draw(rng, stage.size_hw, "grasper", pose)
    stage.put(layer, Draft("grasper", None, None, pose.tip_xy_px, "open" if opening > 0.13 else "closed"))


def _thread(stage: Stage, site: tuple[float, float]) -> None:
    """Suture thread from the stitch: ignored by the labels, seen in the picture."""
    rng = stage.rng
    h, w = stage.size_hw
    steps = 14
    heading = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.35, steps).cumsum()
    xs = site[0] + np.cumsum(np.cos(heading)) * w * 0.035
    ys = site[1] + np.cumsum(np.sin(heading)) * w * 0.035
    mask = np.zeros((h, w), np.uint8)
    points = np.round(np.stack([xs, ys], 1) * 16).astype(np.int32)
    cv2.polylines(mask, [points], False, 255, max(1, round(w * 0.005)), cv2.LINE_AA, 4)
    colours = ((236, 236, 240), (52, 60, 130), (104, 52, 130), (30, 30, 34))
    colour = np.square(np.asarray(colours[int(rng.integers(4))], np.float32) / 255.0)
    alpha = mask.astype(np.float32) / 255.0
    stage.image += alpha * (colour[:, None, None] * 0.8 - stage.image)
    stage.canvas.labels[mask > 100] = 255
    stage.canvas.instances[mask > 100] = 0
