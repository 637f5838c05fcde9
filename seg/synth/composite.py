"""Labelled frames made of real tissue and cut-out instruments.

After "Rethinking Surgical Instrument Segmentation: A Background Image Can Be All You Need" (Wang et al., arXiv
2206.11804): instruments cut from labelled frames, or drawn, are laid on pictures of tissue. A shaft always comes in
over the border of the view; light and noise follow the background; the label map says exactly what was pasted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from describer.errors import InputError
from describer.seg.synth import effects
from describer.seg.synth.arrays import Array, Rng
from describer.seg.synth.shapes import bounding_box

_DARK = 22  # a pixel no brighter than this may lie outside of the scope's view
_LEAST, _MOST = 0.006, 0.2  # of the frame: smaller is a speck of an instrument, larger is a lens full of it
_SECOND_ENTRY = 0.4  # a second cut end as long as this share of the first: two instruments, or one across the view
_TRIES = 12
_OVERLAP = 0.35
_SMOKE = 0.12
# Mean and spread (8-bit LAB) of tissue in a well-lit laparoscopy: what a cut-out without surroundings was lit by.
_USUAL_TISSUE = np.array([(105, 148, 140), (45, 9, 8)], np.float32)
_ENDS = 24  # points that stand for the cut end of a shaft


@dataclass(frozen=True, slots=True, eq=False)
class CutOut:
    """An instrument cut from a picture, at the size that it has in frames of the output's size.

    Shapes: rgb (h, w, 3) uint8; alpha (h, w) uint8; entry_xy_px (N, 2) the points where the picture's border cut its
    shaft; tip_xy_px (2,); tissue_lab (2, 3) mean and spread of the tissue around it. `code` is its label.
    """

    rgb: Array
    alpha: Array
    code: int
    entry_xy_px: Array
    tip_xy_px: Array
    tissue_lab: Array


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """A picture and what is known of it: image (H, W, 3) uint8, labels (H, W) uint8, instances (H, W) uint16.

    Labels are class ids and the codes of seg.losses. An instrument that is to be seen must be labelled (or IGNORE),
    or it is taught to be tissue.
    """

    image: Array
    labels: Array
    instances: Array

    def __post_init__(self) -> None:
        hw = self.image.shape[:2]
        if self.labels.shape != hw or self.instances.shape != hw:
            raise InputError(f"a background of {hw} has labels of {self.labels.shape}; give both the same size.")


@dataclass(frozen=True, slots=True)
class Pasted:
    """An instrument of a composite; the tip is None where it lies out of view or is covered."""

    instance_id: int
    code: int
    tip_xy_px: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """image (H, W, 3) uint8, labels (H, W) uint8, instances (H, W) uint16, and what was pasted."""

    image: Array
    labels: Array
    instances: Array
    pasted: tuple[Pasted, ...]


def view_of(image: Array, labels: Array | None = None) -> Array:
    """Where a picture (H, W, 3) shows anything, as bool (H, W): the hull of all but the dark surround.

    Of labels (H, W), solid areas of class 0 (the background: a recorder's box in a corner) are out of view too.
    """
    h, w = image.shape[:2]
    small = image[::2, ::2]
    lit: Array = (np.maximum(np.maximum(small[..., 0], small[..., 1]), small[..., 2]) >= _DARK).astype(np.uint8)
    lit = cv2.morphologyEx(lit, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(lit)
    hull = np.zeros(lit.shape, np.uint8)
    if count > 1:
        largest = (parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)
        outlines, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.fillConvexPoly(hull, cv2.convexHull(outlines[0]), 1)
    if labels is not None:
        blank = (labels[::2, ::2] == 0).astype(np.uint8)
        hull[cv2.morphologyEx(blank, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8)) > 0] = 0
    return cv2.resize(hull, (w, h), interpolation=cv2.INTER_NEAREST).astype(bool)


def cut_out(image: Array, labels: Array, codes: Sequence[int], *, exact: bool = False) -> list[CutOut]:
    """The instruments of a labelled frame that come in over the border of its view.

    Every connected piece of one of `codes` is one; pieces that touch no border, or two, are left out, and so are
    specks. The edge is drawn one pixel in and feathered, unless the labels are `exact`.
    """
    view = view_of(image)
    tissue = tissue_lab(image, view & ~np.isin(labels, codes))
    inner = cv2.erode(view.astype(np.uint8), np.ones((7, 7), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    found = []
    for code in np.intersect1d(codes, labels):
        piece = ((labels == code) & view).astype(np.uint8)
        count, parts, stats, _ = cv2.connectedComponentsWithStats(piece)
        for k in range(1, count):
            if _LEAST <= stats[k, cv2.CC_STAT_AREA] / labels.size <= _MOST:
                mask = parts == k
                entry = _entry(mask & (inner == 0))
                if entry is not None:
                    alpha = _feathered(mask, 0 if exact else 1)
                    found.append(_trimmed(image, alpha, int(code), entry, tissue))
    return found


def cut_out_picture(rgba: Array, code: int, size_wh: tuple[int, int]) -> CutOut | None:
    """A transparent picture (h, w, 4) of one instrument as a cut-out for frames of `size_wh`.

    The shaft's cut end is where most of it touches the border of the picture. It is brought to 0.6 of the frame's
    width along its longer side. None when nothing of it is opaque or it touches no border.
    """
    box = bounding_box(rgba[..., 3] > 127)
    if box is None:
        return None
    scale = 0.6 * size_wh[0] / max(s.stop - s.start for s in box)
    to_wh = tuple(max(2, round(side * scale)) for side in (rgba.shape[1], rgba.shape[0]))
    weighted = rgba.astype(np.float32)
    weighted[..., :3] *= weighted[..., 3:] / 255
    small = cv2.resize(weighted, to_wh, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    alpha = small[..., 3]
    rgb = np.clip(small[..., :3] * (255 / np.maximum(alpha, 1))[..., None], 0, 255).astype(np.uint8)
    opaque = alpha > 127
    borders = [np.zeros(opaque.shape, bool) for _ in range(4)]
    borders[0][0] = borders[1][-1] = borders[2][:, 0] = borders[3][:, -1] = True
    end = max((opaque & border for border in borders), key=np.count_nonzero)
    entry = _entry(end)
    return None if entry is None else _trimmed(rgb, alpha.astype(np.uint8), code, entry, _USUAL_TISSUE)


def tissue_lab(image: Array, where: Array) -> Array:
    """Mean and spread (2, 3) in 8-bit LAB of the pixels `where`; usual tissue if there are hardly any."""
    pixels = image[::3, ::3][where[::3, ::3]]
    if len(pixels) < 30:
        return _USUAL_TISSUE
    lab = cv2.cvtColor(pixels[None], cv2.COLOR_RGB2LAB)[0].astype(np.float32)
    return np.stack([lab.mean(0), lab.std(0)])


def composite(background: Background, cut_outs: Sequence[CutOut], rng: Rng) -> Composite:
    """Lay the cut-outs on a background, each coming in over the border of its view.

    A cut-out that finds no place is left out. The same arguments and state of `rng` give the same result.
    """
    view = view_of(background.image, background.labels)
    image = background.image.astype(np.float32)
    labels, instances = background.labels.copy(), background.instances.copy()
    light = tissue_lab(background.image, view)
    grain = _noise(background.image)
    pasted, free = [], view.copy()
    for cut in cut_outs:
        matrix = _place(cut, view, free, rng)
        if matrix is None:
            continue
        colour, alpha, box = _warped(_harmonised(cut, light, grain, rng), cut.alpha, matrix, view.shape)
        alpha *= view[box]
        _shadow(image, alpha, box, rng)
        under = image[box]
        under += alpha[..., None] * (colour - under)
        solid = alpha > 0.5
        instance = int(instances.max()) + 1
        labels[box][solid] = cut.code
        instances[box][solid] = instance
        free[box][solid] = False
        pasted.append((instance, cut.code, matrix @ (*cut.tip_xy_px, 1.0)))
    if rng.random() < _SMOKE:
        image = _smoked(image, view, rng)
    seen = tuple(_seen(*one, instances) for one in pasted if (instances == one[0]).any())
    return Composite(np.clip(image, 0, 255).round().astype(np.uint8), labels, instances, seen)


def _seen(instance: int, code: int, tip: Array, instances: Array) -> Pasted:
    h, w = instances.shape
    x, y = float(tip[0]), float(tip[1])
    inside = 0 <= x < w and 0 <= y < h and instances[int(y), int(x)] == instance
    return Pasted(instance, code, (x, y) if inside else None)


def _entry(touching: Array) -> Array | None:
    """Points (N, 2) of the one cut end among the pixels on the border; None for no end, or two."""
    wide = cv2.dilate(touching.astype(np.uint8), np.ones((5, 5), np.uint8))
    count, parts, _, _ = cv2.connectedComponentsWithStats(wide)
    sizes = np.bincount(parts[touching], minlength=count)[1:]
    if not len(sizes) or sizes.max() < 4:
        return None
    order = np.sort(sizes)
    if len(order) > 1 and order[-2] > _SECOND_ENTRY * order[-1]:
        return None
    ys, xs = np.nonzero(touching & (parts == 1 + int(sizes.argmax())))
    pick = np.linspace(0, len(xs) - 1, min(_ENDS, len(xs))).round().astype(int)
    return np.stack([xs[pick], ys[pick]], 1).astype(np.float32)


def _feathered(mask: Array, inward_px: int) -> Array:
    """Coverage (H, W) uint8 that falls to nothing within the mask."""
    solid: Array = mask.astype(np.uint8)
    if inward_px:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * inward_px + 1,) * 2)
        solid = cv2.erode(solid, kernel, borderType=cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(solid.astype(np.float32), (0, 0), 0.7, borderType=cv2.BORDER_REPLICATE)
    return (soft * 255 * mask).round().astype(np.uint8)


def _trimmed(rgb: Array, alpha: Array, code: int, entry: Array, tissue: Array) -> CutOut:
    """The cut-out without empty margins; its tip is the opaque pixel farthest from the cut end."""
    box = bounding_box(alpha > 0) or (slice(0, 1), slice(0, 1))
    corner = np.array([box[1].start, box[0].start], np.float32)
    ys, xs = np.nonzero(alpha[box] > 127)
    end = entry - corner
    far = int(np.hypot(xs - end[:, 0].mean(), ys - end[:, 1].mean()).argmax()) if len(xs) else 0
    tip = np.array([xs[far], ys[far]], np.float32) if len(xs) else end.mean(0)
    return CutOut(np.ascontiguousarray(rgb[box]), np.ascontiguousarray(alpha[box]), code, end, tip, tissue)


def _place(cut: CutOut, view: Array, free: Array, rng: Rng) -> Array | None:
    """A similarity (2, 3) that puts the shaft's cut end out of view and enough of the rest into it; None if none."""
    h, w = view.shape
    middle = cut.entry_xy_px.mean(0)
    ys, xs = np.nonzero(cut.alpha[::3, ::3] > 127)
    body = np.stack([xs * 3, ys * 3], 1).astype(np.float32)
    for _ in range(_TRIES):
        scale = float(np.exp(rng.normal(0.1, 0.2)))
        turn = rng.uniform(-np.pi, np.pi) if rng.random() < 0.25 else rng.normal(0.0, 0.35)
        flip = -1.0 if rng.random() < 0.5 else 1.0
        cos, sin = scale * np.cos(turn), scale * np.sin(turn)
        linear = np.array([[cos * flip, -sin], [sin * flip, cos]])
        goal = np.array([rng.uniform(0.15, 0.85) * w, rng.uniform(0.15, 0.85) * h])
        back = linear @ (middle - cut.tip_xy_px)
        shift = goal - linear @ cut.tip_xy_px + _way_out(cut.entry_xy_px @ linear.T, back, goal, cut, linear, view)
        landed = np.round(body @ linear.T + shift).astype(int)
        inside = ((landed >= 0) & (landed < (w, h))).all(1)
        x, y = landed[inside].T
        shown = np.count_nonzero(view[y, x]) * 9 * scale**2
        if shown < max(1.5 * _LEAST * view.size, 0.3 * 9 * scale**2 * len(body)) or not len(x):
            continue
        if np.count_nonzero(free[y, x]) >= (1 - _OVERLAP) * np.count_nonzero(view[y, x]):
            return np.column_stack([linear, shift])
    return None


def _way_out(entry: Array, back: Array, goal: Array, cut: CutOut, linear: Array, view: Array) -> Array:
    """How far to draw an instrument back along itself until its cut end is out of view. Shape (2,)."""
    h, w = view.shape
    at = entry + (goal - linear @ cut.tip_xy_px)
    away = back / max(float(np.hypot(*back)), 1e-6)
    steps = np.arange(0.0, np.hypot(h, w), 2.0)
    points = np.round(at[None] + steps[:, None, None] * away).astype(int)
    inside = ((points >= 0) & (points < (w, h))).all(2)
    seen = inside & view[points[..., 1].clip(0, h - 1), points[..., 0].clip(0, w - 1)]
    last = np.flatnonzero(seen.any(1))
    return away * (steps[last[-1]] + 3.0 if len(last) else 0.0)


def _harmonised(cut: CutOut, light: Array, grain: float, rng: Rng) -> Array:
    """The cut-out's colours (h, w, 3) float32 as the background's lamp and camera would give them."""
    lab = cv2.cvtColor(cut.rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    (mean, spread), (own_mean, own_spread) = light, cut.tissue_lab
    how_much = rng.uniform(0.3, 0.8) * np.array([1.0, 0.5, 0.5], np.float32)
    gain = (np.clip(spread / np.maximum(own_spread, 1), 0.7, 1.4) - 1) * how_much + 1
    moved = (lab - own_mean) * gain + own_mean + np.clip(mean - own_mean, -45, 45) * how_much
    moved[..., 0] += rng.normal(0, 8)
    if spread[1:].max() < 2:  # a camera without colours
        moved[..., 1:] = mean[1:]
    rgb = cv2.cvtColor(np.clip(moved, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    if rng.random() < 0.5:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.3, 1.0))
    lacking = np.sqrt(max(grain**2 - _noise(cut.rgb) ** 2, 0.0))
    return rgb + rng.normal(0, 1, (*rgb.shape[:2], 1)).astype(np.float32) * np.float32(min(lacking, 6.0))


def _noise(image: Array) -> float:
    """Standard deviation of a picture's noise in grey levels: Immerkaer's filter (CVIU 1996), by the median."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if min(grey.shape) < 3:
        return 0.0
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    rough = np.abs(cv2.filter2D(grey, cv2.CV_32F, kernel)[1:-1, 1:-1])
    return float(np.median(rough) / (6 * 0.6745))


def _warped(
    rgb: Array, alpha: Array, matrix: Array, size_hw: tuple[int, int]
) -> tuple[Array, Array, tuple[slice, slice]]:
    """Colours (h, w, 3), coverage (h, w) in 0..1 and the box of the frame that they fill."""
    h, w = size_hw
    ah, aw = alpha.shape
    corners = np.array([(0, 0, 1), (aw, 0, 1), (0, ah, 1), (aw, ah, 1)], np.float64) @ matrix.T
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int) - 1, 0, (w - 1, h - 1))
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int) + 1, (x0 + 1, y0 + 1), (w, h))
    local = matrix.copy()
    local[:, 2] -= (x0, y0)
    weight = alpha.astype(np.float32) / 255
    packed: Array = np.dstack([rgb * weight[..., None], weight]).astype(np.float32)
    packed = cv2.warpAffine(packed, local, (int(x1 - x0), int(y1 - y0)), flags=cv2.INTER_LINEAR)
    coverage = np.ascontiguousarray(packed[..., 3])
    colour = packed[..., :3] / np.maximum(coverage, 0.02)[..., None]
    return colour, coverage, (slice(int(y0), int(y1)), slice(int(x0), int(x1)))


def _shadow(image: Array, alpha: Array, box: tuple[slice, slice], rng: Rng) -> None:
    """Darken the tissue beside an instrument, as the lamp next to the lens does."""
    h, w = image.shape[:2]
    reach = rng.uniform(0.01, 0.035) * w
    shift = np.array([[1, 0, rng.uniform(-1, 1) * reach], [0, 1, rng.uniform(0.3, 1) * reach]], np.float32)
    full = np.zeros((h, w), np.float32)
    full[box] = alpha
    small = cv2.resize(full, (w // 4, h // 4), interpolation=cv2.INTER_AREA)
    shift[:, 2] /= 4
    small = cv2.GaussianBlur(cv2.warpAffine(small, shift, (w // 4, h // 4)), (0, 0), max(0.8, w / 300))
    image *= 1 - cv2.resize(small, (w, h))[..., None] * np.float32(rng.uniform(0.15, 0.5))


def _smoked(image: Array, view: Array, rng: Rng) -> Array:
    linear = np.square(np.moveaxis(image, 2, 0) / 255).astype(np.float32)
    effects.smoke(rng, linear, None, 1.0)
    smoky = np.moveaxis(np.sqrt(np.clip(linear, 0, 1)), 0, 2) * 255
    return np.where(view[..., None], smoky, image)
