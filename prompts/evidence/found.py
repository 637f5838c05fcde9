"""What an answer of the scene is, and how the lookups make one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from describer.prompts.graph import instruments_of, tissues_of
from describer.prompts.questions.base import ids_of, named
from describer.types import Region, Scene

# How sure a scene is of what it does not have, or of a geometry of two regions: no score of its own says so.
ABSENT = 0.8
UNKNOWN_THING = "unknown thing"

Groups = list[list[Region]]
"""The regions of each noun of a query."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the scene says to a question.

    ``text`` is the exact answer, None where pixels have to tell it; ``region_ids`` what it rests on; ``look_at`` the
    region to look at for such an answer; ``confidence`` in [0, 1] is the scene model's own.
    """

    kind: str
    text: str | None
    region_ids: tuple[int, ...] = ()
    confidence: float = ABSENT
    look_at: int | None = None


def make(kind: str, text: str, regions: Sequence[Region], score: float = 1.0) -> Evidence:
    """An answer as sure as the least sure of its regions."""
    sure = min([score, *(region.score for region in regions)]) if regions else min(score, ABSENT)
    return Evidence(kind, text, ids_of(regions), round(sure, 4))


def listing(kind: str, found: Sequence[Region], about: Sequence[Region] = (), none: str = "None.") -> Evidence:
    return make(kind, named(found) if found else none, [*about, *found])


def first_of(groups: Groups) -> list[Region]:
    return groups[0] if groups else []


def of_class(scene: Scene, asked: str | None) -> list[Region]:
    if asked == "instrument":
        return list(instruments_of(scene))
    if asked == "tissue":
        return [region for region in tissues_of(scene) if region.kind == "anatomy"]
    return list(scene.regions)


def within(regions: Iterable[Region], place: str | None) -> list[Region]:
    """Those in a place: a cell of the grid, or with "left" or "upper" a side of the view."""
    if place is None:
        return list(regions)
    whole = place == "center" or " " in place
    return [r for r in regions if (r.place == place if whole else place in r.place.split())]
