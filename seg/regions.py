"""Dense outputs to a Scene: the only file of seg/ that knows both the network's arrays and our values.

Instruments and polyps are counted one by one (connected parts; instruments also by the shafts that enter
the view); a tissue is one region however many instruments cross it. Parts smaller than the stated share of
the frame are debris and are dropped.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from describer.geometry import make_region, raster, touching
from describer.masks import components
from describer.seg.decision import decide
from describer.seg.shafts import split_shafts, view_rim
from describer.taxonomy import Taxonomy
from describer.types import Activity, Kind, Region, Relation, Scene

# The working raster: masks are found here and enlarged to the frame, so cost does not follow the camera.
WORK_PX = 448
_DEBRIS = {"instrument": 0.003, "pathology": 0.0015, "other": 0.0015, "anatomy": 0.006}
# A tissue less sure than the one and smaller than the other share of the frame is a guess and left out. With that and a
# limit for instruments twice as high, 0.861 of 1,787 questions on the 150 rendered frames that both were chosen on were
# answered right, 0.846 without; on 240 others 0.838 of 3,040, 0.835 without.
_GUESS_SCORE, _GUESS_AREA = 0.7, 0.06
_PIECE = 0.25  # a part of a merged region is kept when it is at least this share of the kind's debris limit
_SECOND_LABEL = 0.30  # a component is two instruments when the second label holds this share of it
_MAX_REGIONS = 14
_LOOP = "snare"
_CRUMB = 0.08  # of an organ's largest part
_MEDIAN_PX = 9
_NEARER = 1.15


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A region before it has a number: bool mask (h, w), label, score, median disparity (larger = nearer).

    Instruments on one shaft, which nothing but their names tells apart, have the same ``shaft``.
    """

    mask: np.ndarray
    label: str
    kind: Kind
    score: float
    disparity: float | None = None
    shaft: int | None = None


def find_parts(
    probabilities: np.ndarray, disparity: np.ndarray | None, class_names: Sequence[str], taxonomy: Taxonomy
) -> list[Part]:
    """Regions of one frame from class probabilities ``(C, h, w)``, class 0 being outside of the view.

    ``disparity`` is ``(h, w)`` or None. Masks of the result have shape (h, w).
    """
    kinds = {name: taxonomy.label(name).kind for name in class_names[1:]}
    tools = [i for i, name in enumerate(class_names) if i and kinds[name] == "instrument"]
    winner = _without_specks(decide(probabilities, tools), tools)
    found = []
    masks = [
        (_instrument_class(probabilities, mask, tools), mask, shaft)
        for shaft, pieces in enumerate(_instruments(winner, tools))
        for mask in pieces
    ]
    for index, mask, shaft in _whole_loops(masks, class_names):
        part = _part(mask, index, probabilities, disparity, class_names, kinds)
        found.append(replace(part, shaft=shaft))
    for index, name in enumerate(class_names):
        if index == 0 or index in tools:
            continue
        for mask in _others(winner == index, kinds[name]):
            part = _part(mask, index, probabilities, disparity, class_names, kinds)
            if not _is_guess(part):
                found.append(part)
    return found


def _is_guess(part: Part) -> bool:
    small = np.count_nonzero(part.mask) < _GUESS_AREA * part.mask.size
    return part.kind == "anatomy" and bool(small) and part.score < _GUESS_SCORE


def _without_specks(winner: np.ndarray, tools: Sequence[int]) -> np.ndarray:
    """Tissue borders smoothed by a median filter; instruments, which may be thin, stay as they are."""
    smooth = cv2.medianBlur(winner.astype(np.uint8), _MEDIAN_PX)
    keep = np.isin(winner, tools) | np.isin(smooth, tools)
    return np.where(keep, winner, smooth)


def _part(
    mask: np.ndarray,
    index: int,
    probabilities: np.ndarray,
    disparity: np.ndarray | None,
    class_names: Sequence[str],
    kinds: dict[str, Kind],
) -> Part:
    score = float(probabilities[index][mask].mean(dtype=np.float64))
    near = None if disparity is None else float(np.median(disparity[mask]))
    name = class_names[index]
    return Part(mask, name, kinds[name], round(min(score, 1.0), 4), near)


_Piece = tuple[int, np.ndarray, int]
"""Class, mask and shaft."""


def _whole_loops(masks: Sequence[_Piece], class_names: Sequence[str]) -> list[_Piece]:
    """Pieces of a wire loop joined: tissue shows through it and hides parts of it, and a scope carries one."""
    loops = [piece for piece in masks if class_names[piece[0]] == _LOOP]
    rest = [piece for piece in masks if class_names[piece[0]] != _LOOP]
    if not loops:
        return rest
    index, _, shaft = loops[0]
    return [*rest, (index, np.logical_or.reduce([mask for _, mask, _ in loops]), shaft)]


def class_map(probabilities: np.ndarray, tools: Sequence[int]) -> np.ndarray:
    """The class of each pixel (h, w) from probabilities (C, h, w), every instrument being of one class throughout."""
    winner = decide(probabilities, tools)
    settled = winner.copy()
    for mask in itertools.chain.from_iterable(_instruments(winner, tools)):
        settled[mask] = _instrument_class(probabilities, mask, tools)
    return settled


def _instrument_class(probabilities: np.ndarray, mask: np.ndarray, tools: Sequence[int]) -> int:
    """The class that an instrument's pixels vote for, each with its shares: an undecided shaft hardly counts."""
    among = probabilities[list(tools)][:, mask]
    share = among / np.maximum(among.sum(axis=0), 1e-9)
    return tools[int(share.sum(axis=1).argmax())]


def _instruments(winner: np.ndarray, tools: Sequence[int]) -> list[list[np.ndarray]]:
    """For each shaft the masks of what it seems to carry: one, or two of different names."""
    mask = np.isin(winner, tools)
    least = _DEBRIS["instrument"] * mask.size
    rim = view_rim(winner == 0)
    return [
        _by_label(piece, winner, tools, rim)
        for part in components(mask, int(least))
        for piece in split_shafts(part, rim, least)
    ]


def _by_label(mask: np.ndarray, winner: np.ndarray, tools: Sequence[int], rim: np.ndarray) -> list[np.ndarray]:
    named = sorted((mask & (winner == i) for i in tools), key=np.count_nonzero, reverse=True)[:2]
    least = max(_SECOND_LABEL * np.count_nonzero(mask), 2 * _DEBRIS["instrument"] * mask.size)
    if len(named) < 2 or np.count_nonzero(named[1]) < least:
        return [mask]
    if not all((label & rim).any() for label in named):
        return [mask]  # only a shaft of its own makes a second instrument; else the network is undecided
    return [mask & ~named[1], named[1]]


def _others(mask: np.ndarray, kind: str) -> list[np.ndarray]:
    least = int(_DEBRIS[kind] * mask.size)
    if kind == "pathology":
        return components(mask, least)
    parts = components(mask, max(int(_PIECE * least), 4))
    areas = [int(np.count_nonzero(part)) for part in parts]
    if not areas or sum(areas) < least:
        return []
    if kind == "anatomy":
        # An organ seen left and right of an instrument is one organ; crumbs far smaller than it are guesses.
        parts = [part for part, area in zip(parts, areas) if area >= _CRUMB * areas[0]]
    return [np.logical_or.reduce(parts)]


def build_scene(parts: Sequence[Part], size_wh: tuple[int, int], activities: Sequence[Activity] = ()) -> Scene:
    """Number the parts (instruments first, then by area), enlarge them to ``size_wh``, add their relations."""
    order = {"instrument": 0, "pathology": 1, "other": 2, "anatomy": 3}
    ranked = sorted(parts, key=lambda p: (order[p.kind], -np.count_nonzero(p.mask)))[:_MAX_REGIONS]
    masks = [enlarge(part.mask, size_wh) for part in ranked]
    kept = [(part, mask) for part, mask in zip(ranked, masks) if mask.any()]
    depths = _depth_ranks([part.disparity for part, _ in kept])
    regions = [
        make_region(i, part.label, part.kind, mask, part.score, depth)
        for i, ((part, mask), depth) in enumerate(zip(kept, depths), start=1)
    ]
    masks = [raster(mask) for _, mask in kept]
    contacts = touching(regions, masks)
    relations = [*contacts, *_inside(regions, masks), *_sides(regions), *_nearer(contacts, [p for p, _ in kept])]
    return Scene(size_wh, tuple(regions), tuple(relations), tuple(activities))


def add_region(scene: Scene, mask: np.ndarray, label: str, kind: Kind, score: float) -> tuple[Scene, int]:
    """The scene with one more region, drawn by hand, and that region's id; ``mask`` has the frame's size."""
    new = make_region(max((r.id for r in scene.regions), default=0) + 1, label, kind, mask, score)
    regions = [*scene.regions, new]
    larger = replace(scene, regions=tuple(regions))  # RecordError for a mask of another size
    small = [raster(region.mask.to_array()) for region in regions]
    contacts = [relation for relation in touching(regions, small) if new.id in (relation.subject, relation.object)]
    return replace(larger, relations=(*scene.relations, *contacts)), new.id


def enlarge(mask: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """A bool mask at another size with smooth borders."""
    if (mask.shape[1], mask.shape[0]) == size_wh:
        return mask
    return cv2.resize(mask.astype(np.uint8) * 255, size_wh, interpolation=cv2.INTER_LINEAR) >= 128


def _depth_ranks(disparities: Sequence[float | None]) -> list[int | None]:
    if any(value is None for value in disparities):
        return [None] * len(disparities)
    order = sorted(range(len(disparities)), key=lambda i: -float(disparities[i] or 0.0))
    return [order.index(i) + 1 for i in range(len(disparities))]


def _inside(regions: Sequence[Region], masks: Sequence[np.ndarray]) -> list[Relation]:
    """A polyp, blood or marking whose rim is nearly all one tissue lies inside that tissue."""
    found = []
    for region, mask in zip(regions, masks):
        if region.kind in ("instrument", "anatomy"):
            continue
        rim = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & ~mask
        for other, around in zip(regions, masks):
            if other.kind == "anatomy" and np.count_nonzero(rim & around) >= 0.85 * max(int(np.count_nonzero(rim)), 1):
                found.append(Relation(region.id, "inside", other.id))
    return found


def _sides(regions: Sequence[Region]) -> list[Relation]:
    """Which instrument is left of or above which: the axis along which their boxes' middles differ more."""
    tools = [(r.id, *_middle(r)) for r in regions if r.kind == "instrument"]
    found = []
    for i, (first, x, y) in enumerate(tools):
        for second, u, v in tools[i + 1 :]:
            if abs(x - u) >= abs(y - v):
                pair = (first, second) if x <= u else (second, first)
                found.append(Relation(pair[0], "left of", pair[1]))
            else:
                pair = (first, second) if y <= v else (second, first)
                found.append(Relation(pair[0], "above", pair[1]))
    return found


def _middle(region: Region) -> tuple[float, float]:
    x0, y0, x1, y1 = region.box_xyxy
    return (x0 + x1) / 2, (y0 + y1) / 2


def _nearer(contacts: Sequence[Relation], parts: Sequence[Part]) -> list[Relation]:
    """Of two regions in contact, the one whose disparity is clearly larger is nearer to the camera."""
    found = []
    for contact in contacts:
        first, second = parts[contact.subject - 1].disparity, parts[contact.object - 1].disparity
        if first is None or second is None:
            continue
        if first > _NEARER * second:
            found.append(Relation(contact.subject, "nearer than", contact.object))
        elif second > _NEARER * first:
            found.append(Relation(contact.object, "nearer than", contact.subject))
    return found
