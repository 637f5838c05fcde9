"""What a Scene's graph says about pairs and groups of regions: the exact answers behind relation questions."""

from __future__ import annotations

from collections.abc import Iterable

from describer.prompts.facts import contacts_of, targets_of
from describer.types import Interaction, Region, Scene

_CLEARLY_LARGER = 1.3
_CLEARLY_APART = 0.08  # of the frame's side
_CLEAR_RANKS = 3


def instruments_of(scene: Scene) -> tuple[Region, ...]:
    return tuple(region for region in scene.regions if region.kind == "instrument")


def tissues_of(scene: Scene) -> tuple[Region, ...]:
    """Everything that is no instrument."""
    return tuple(region for region in scene.regions if region.kind != "instrument")


def of_label(scene: Scene, label: str) -> tuple[Region, ...]:
    return tuple(region for region in scene.regions if region.label == label)


def touched_regions(scene: Scene, region: Region) -> tuple[Region, ...]:
    """Everything in contact with a region, in `contacts_of`'s order."""
    return contacts_of(scene, region, len(scene.regions))


def touching_instruments(scene: Scene, region: Region) -> tuple[Region, ...]:
    return tuple(other for other in touched_regions(scene, region) if other.kind == "instrument")


def actors_on(scene: Scene, region: Region) -> tuple[Region, ...]:
    """Instruments that act on a region, by id."""
    return tuple(tool for tool in instruments_of(scene) if region in targets_of(scene, tool))


def deed_of(scene: Scene, region: Region) -> Interaction | None:
    """What an instrument does, or None where the scene does not tell."""
    return next((deed for deed in scene.interactions if deed.region_id == region.id), None)


def middle_of(region: Region) -> tuple[float, float]:
    """Middle (x, y) of a region's box as shares of the frame."""
    x0, y0, x1, y1 = region.box_xyxy
    height, width = region.mask.size_hw
    return (x0 + x1) / (2 * width), (y0 + y1) / (2 * height)


def further(axis: int, one: Region, other: Region) -> tuple[bool, bool]:
    """Whether ``one`` comes first along x (axis 0, left first) or y (axis 1, top first), and whether that is clear:
    places and boxes agree."""
    gap = middle_of(other)[axis] - middle_of(one)[axis]
    steps = _step(axis, other) - _step(axis, one)
    return gap > 0, steps != 0 and (steps > 0) == (gap > 0) and abs(gap) >= _CLEARLY_APART


def _step(axis: int, region: Region) -> int:
    words = ("left", "right") if axis == 0 else ("upper", "lower")
    return -1 if words[0] in region.place else 1 if words[1] in region.place else 0


def larger(one: Region, other: Region) -> tuple[bool, bool]:
    """Whether ``one`` takes up more of the view, and whether that is clear."""
    small, large = sorted((one.area_fraction, other.area_fraction))
    return one.area_fraction > other.area_fraction, large >= _CLEARLY_LARGER * small


def nearer(scene: Scene, one: Region, other: Region) -> tuple[bool, bool] | None:
    """Whether ``one`` is nearer to the camera, and whether that is clear; None where no depth is known."""
    for relation in scene.relations:
        if relation.predicate == "nearer than" and {relation.subject, relation.object} == {one.id, other.id}:
            return relation.subject == one.id, True
    if one.depth_rank is None or other.depth_rank is None:
        return None
    return one.depth_rank < other.depth_rank, abs(one.depth_rank - other.depth_rank) >= _CLEAR_RANKS


def nearest_of(regions: Iterable[Region]) -> Region | None:
    """The region nearest to the camera; None of none, or where a depth is unknown."""
    ranked = [(region.depth_rank, region) for region in regions]
    if not ranked or any(rank is None for rank, _ in ranked):
        return None
    return min(ranked, key=lambda pair: pair[0] or 0)[1]


def phase_of(scene: Scene) -> str | None:
    """Label of the likeliest phase of the operation."""
    told = [activity for activity in scene.activities if activity.level == "phase"]
    best = max(told, key=lambda activity: activity.score, default=None)
    return None if best is None else best.label
