"""Seeded noise fields, made on small grids and enlarged, so that a field costs about one resize."""

from __future__ import annotations

import cv2
import numpy as np

from describer.seg.synth.arrays import Array, Rng


def fbm(rng: Rng, size_hw: tuple[int, int], cells: float, octaves: int = 3, gain: float = 0.5) -> Array:
    """Fractal noise of zero mean and unit deviation, `cells` features across the width. Shape size_hw."""
    h, w = size_hw
    cols = max(2, round(cells))
    rows = max(2, round(cells * h / max(w, 1)))
    field: Array = rng.standard_normal((rows + 1, cols + 1), dtype=np.float32)
    amplitude = 1.0
    for _ in range(octaves - 1):
        rows, cols = rows * 2, cols * 2
        if cols > w or rows > h:
            break
        amplitude *= gain
        field = cv2.resize(field, (cols + 1, rows + 1), interpolation=cv2.INTER_CUBIC)
        field = field + np.float32(amplitude) * rng.standard_normal(field.shape, dtype=np.float32)
    mean, deviation = cv2.meanStdDev(field)
    field -= np.float32(mean[0, 0])
    field /= np.float32(max(deviation[0, 0], 1e-4))
    return _enlarged(field, size_hw, cols)


def _enlarged(field: Array, size_hw: tuple[int, int], cols: int) -> Array:
    """The field at full size: cubic for coarse ones, whose last doubling can be linear at a fraction of the cost."""
    h, w = size_hw
    if cols * 3 >= w:
        return cv2.resize(field, (w, h), interpolation=cv2.INTER_LINEAR)
    if cols * 6 < w and w >= 256 and h >= 32:
        field = cv2.resize(field, (w // 2, h // 2), interpolation=cv2.INTER_CUBIC)
        return cv2.resize(field, (w, h), interpolation=cv2.INTER_LINEAR)
    return cv2.resize(field, (w, h), interpolation=cv2.INTER_CUBIC)


def folds(rng: Rng, size_hw: tuple[int, int], cells: float, octaves: int = 3, gain: float = 0.5) -> Array:
    """As `fbm`, but turned at random, so that strong relief does not follow the frame's axes. Shape size_hw."""
    h, w = size_hw
    side = int(np.hypot(h, w) / 2) + 2
    field = fbm(rng, (side, side), cells * 2 * side / w, octaves, gain)
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle) / 2, np.sin(angle) / 2
    turn = np.array([[cos, sin], [-sin, cos]])
    matrix = np.column_stack([turn, side / 2 - turn @ np.array([w / 2, h / 2])])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(field, matrix, (w, h), flags=flags, borderMode=cv2.BORDER_REFLECT)


def fibres(rng: Rng, size_hw: tuple[int, int], cells: float, stretch: float, angle: float) -> Array:
    """Noise drawn out by `stretch` along `angle` (radians): fibres, strands, membranes. Shape size_hw."""
    h, w = size_hw
    side = int(np.hypot(h, w)) + 2
    small = max(16, side // 2)
    rows, cols = max(3, int(cells * side / w)), max(3, int(cells * side / w / stretch))
    grid = rng.standard_normal((rows, cols), dtype=np.float32)
    field = cv2.resize(grid, (small, small), interpolation=cv2.INTER_CUBIC)
    bend = fbm(rng, (small, small), 3, 2) * (small * 0.02)
    rows_px = np.arange(small, dtype=np.float32)
    map_x, map_y = np.meshgrid(rows_px, rows_px)
    field = cv2.remap(field, map_x, map_y + bend, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    zoom = side / small
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array(
        [
            [cos / zoom, sin / zoom, small / 2 - (cos * w + sin * h) / 2 / zoom],
            [-sin / zoom, cos / zoom, small / 2 - (-sin * w + cos * h) / 2 / zoom],
        ],
        np.float32,
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(field, matrix, (w, h), flags=flags, borderMode=cv2.BORDER_REFLECT)


def lobules(rng: Rng, size_hw: tuple[int, int], cells: float) -> tuple[Array, Array]:
    """Rounded bumps with creases between them: (height 0..1, one random value per bump). Shapes size_hw."""
    h, w = size_hw
    step = 2 if w > 120 else 1
    hs, ws = max(8, h // step), max(8, w // step)
    count = max(3, int(cells * cells * hs / ws))
    seeds = np.full((hs, ws), 255, np.uint8)
    seeds[rng.integers(0, hs, count), rng.integers(0, ws, count)] = 0
    distance, nearest = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_CCOMP
    )
    radius = 0.75 * ws / cells
    bump = 1.0 - np.minimum(distance / radius, 1.0) ** 2
    values = rng.random(int(nearest.max()) + 1, dtype=np.float32)[nearest]
    # Warping the cells keeps them from looking like straight-edged Voronoi polygons.
    xs, ys = np.meshgrid(np.arange(ws, dtype=np.float32), np.arange(hs, dtype=np.float32))
    reach = 0.22 * ws / cells
    map_x = xs + fbm(rng, (hs, ws), cells * 1.2, 2) * reach
    map_y = ys + fbm(rng, (hs, ws), cells * 1.2, 2) * reach
    both: Array = np.dstack([bump, values]).astype(np.float32)
    both = cv2.remap(both, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    both = cv2.resize(both, (w, h), interpolation=cv2.INTER_LINEAR)
    return both[..., 0], both[..., 1]


def vessels(rng: Rng, size_hw: tuple[int, int], count: int, width_px: float, reach_px: float) -> Array:
    """Branching curves of falling width, as coverage 0..1. Shape size_hw."""
    h, w = size_hw
    image = np.zeros((h, w), np.uint8)
    pending = [
        (rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0, 2 * np.pi), width_px * rng.uniform(0.6, 1.2), 0)
        for _ in range(count)
    ]
    while pending:
        x, y, heading, width, level = pending.pop()
        steps = max(4, int(rng.integers(7, 15)) - 2 * level)
        stride = reach_px / 12
        turns = rng.normal(0, 0.28, steps).cumsum() + heading
        path = np.empty((steps, 2))
        np.cos(turns, out=path[:, 0])
        np.sin(turns, out=path[:, 1])
        path = path.cumsum(axis=0)
        path *= stride
        path += (x, y)
        points = np.rint(path * 16).astype(np.int32)
        shade = int(255 * min(1.0, 0.45 + 0.25 * width))
        cv2.polylines(image, [points], False, shade, max(1, round(width)), cv2.LINE_AA, 4)
        if level < 3:
            for _ in range(2):
                at = int(rng.integers(1, steps))
                side = (-1.0, 1.0)[rng.integers(2)] * rng.uniform(0.4, 1.1)
                pending.append((*path[at].tolist(), float(turns[at]) + side, width * 0.65, level + 1))
    soft = cv2.GaussianBlur(image, (0, 0), max(0.6, 0.25 * width_px))
    return soft * np.float32(1 / 255)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below `low`, 1 above `high`, a smooth ramp between."""
    slope = 1.0 / (high - low)
    t: Array = value * slope
    t -= low * slope
    np.clip(t, 0.0, 1.0, out=t)
    ramp = 3.0 - 2.0 * t
    t *= t
    t *= ramp
    return t
