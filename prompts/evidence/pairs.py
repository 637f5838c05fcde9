"""Two things held against each other, and the most of many."""

from __future__ import annotations

from collections.abc import Callable

from describer.prompts.evidence.found import Evidence, Groups, listing, make, of_class
from describer.prompts.evidence.reading import Query
from describer.prompts.graph import further, nearer, nearest_of
from describer.prompts.questions.base import named, yes_no
from describer.types import Region, Scene


def pairwise(
    holds: Callable[[Scene, Region, Region], bool | None],
) -> Callable[[Scene, Query, Groups], Evidence | None]:
    """Yes or no of two things; None where it holds for some regions of their labels and not for others."""

    def answer(scene: Scene, query: Query, groups: Groups) -> Evidence | None:
        pairs = [(a, b) for a in groups[0] for b in groups[1] if a.id != b.id]
        told = {holds(scene, a, b) for a, b in pairs}
        if len(told) != 1 or told == {None}:
            return None
        true = told.pop() != query.negated
        return make(query.kind, yes_no(true), [*groups[0], *groups[1]])

    return answer


def any_pair(
    holds: Callable[[Scene, Region, Region], bool],
) -> Callable[[Scene, Query, Groups], Evidence | None]:
    """Yes or no of two things that may have several regions: yes where any of them does."""

    def answer(scene: Scene, query: Query, groups: Groups) -> Evidence | None:
        pairs = [(a, b) for a in groups[0] for b in groups[1] if a.id != b.id]
        meant = [pair for pair in pairs if holds(scene, *pair)]
        regions = [region for pair in meant or pairs for region in pair]
        return make(query.kind, yes_no(bool(meant)), list(dict.fromkeys(regions)))

    return answer


def near(scene: Scene, one: Region, other: Region) -> bool | None:
    told = nearer(scene, one, other)
    return None if told is None else told[0]


def which_of_two(
    holds: Callable[[Scene, Region, Region], bool | None],
) -> Callable[[Scene, Query, Groups], Evidence | None]:
    def answer(scene: Scene, query: Query, groups: Groups) -> Evidence | None:
        told = {holds(scene, a, b) for a in groups[0] for b in groups[1] if a.id != b.id}
        if len(told) != 1 or told == {None}:
            return None
        winner = groups[0] if told.pop() != query.negated else groups[1]
        return make(query.kind, named(winner[:1]), [*groups[0], *groups[1]])

    return answer


def superlative(scene: Scene, query: Query, groups: Groups) -> Evidence | None:
    among = of_class(scene, query.asked)
    if query.kind == "nearest":
        best = nearest_of(among)
        if among and best is None:
            return None
    else:
        best = max(among, key=lambda region: region.area_fraction, default=None)
    return listing(query.kind, [best] if best else [])


def more(scene: Scene, query: Query, groups: Groups) -> Evidence:
    return make("more", yes_no(len(groups[0]) > len(groups[1])), [*groups[0], *groups[1]])


def is_first(axis: int, first: bool) -> Callable[[Scene, Region, Region], bool | None]:
    return lambda scene, a, b: further(axis, a, b)[0] == first
