"""Questions on pairs of things: contact, side, depth, and which of two is larger, nearer or more."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

from describer.prompts.graph import (
    further,
    instruments_of,
    larger,
    nearer,
    nearest_of,
    of_label,
    tissues_of,
    touched_regions,
    touching_instruments,
)
from describer.prompts.questions.base import QA, Asker, Thing, ids_of, named, no_such, thing_of, yes_no
from describer.types import Region

_ABSENT = 0.15
_POINTED = 0.15
_COUNTED = ("instrument", "pathology")


def relations(ask: Asker) -> Iterator[QA]:
    scene, single = ask.scene, ask.single()
    tools = [region for region in single if region.kind == "instrument"]
    rest = [region for region in single if region.kind != "instrument"]
    if tools:
        tool = ask.pick(tools)
        yield from _of_one(ask, tool, "touches", touched_regions(scene, tool))
        anatomy = [other for other in touched_regions(scene, tool) if other.kind == "anatomy"]
        yield from _of_one(ask, tool, "touches tissue", anatomy)
    if rest:
        touched = [region for region in rest if touching_instruments(scene, region)]
        region = ask.pick(touched if touched and ask.chance(0.8) else rest)
        yield from _of_one(ask, region, "touched by", touching_instruments(scene, region))
    gone = ask.absent(("instrument",))
    if gone is not None and ask.chance(_ABSENT):
        yield QA(ask.say("touches", gone), no_such(gone), "touches")
    pairs = [(a, b) for a in single for b in single if a.id != b.id]
    mixed = [(a, b) for a, b in pairs if "instrument" in (a.kind, b.kind)]
    yield from _yes_or_no(ask, "does touch", mixed, lambda a, b: (b.id in scene.related(a.id, "touches"), True))
    for kind, axis, first in (("left of", 0, True), ("right of", 0, False), ("above", 1, True), ("below", 1, False)):
        yield from _yes_or_no(ask, kind, pairs, functools.partial(_placed, axis, first))
    yield from _yes_or_no(ask, "nearer", pairs, lambda a, b: nearer(scene, a, b) or (False, False))


def _placed(axis: int, first: bool, one: Region, other: Region) -> tuple[bool, bool]:
    comes_first, clear = further(axis, one, other)
    return comes_first == first, clear


def _of_one(ask: Asker, region: Region, kind: str, found: Sequence[Region]) -> Iterator[QA]:
    answer = named(found) if found else ("None." if kind == "touched by" else "Nothing.")
    pointed = ask.chance(_POINTED)
    question = ask.say(kind, Thing(region.label, region.kind, pointed))
    about = region.id if pointed else None
    yield QA(question, answer, kind, ids_of([region, *found]), about, shown=about)


def _yes_or_no(
    ask: Asker,
    kind: str,
    pairs: Sequence[tuple[Region, Region]],
    holds: Callable[[Region, Region], tuple[bool, bool]],
) -> Iterator[QA]:
    """One question whose answer is yes or no by a coin; only of pairs for which it is clear."""
    wanted = ask.chance(0.5)
    fitting = [(a, b) for a, b in pairs if holds(a, b) == (wanted, True)]
    if fitting:
        a, b = ask.pick(fitting)
        yield QA(ask.say(kind, thing_of(a), thing_of(b)), yes_no(wanted), kind, (a.id, b.id))


def comparisons(ask: Asker) -> Iterator[QA]:
    scene, single = ask.scene, ask.single()
    pairs = [(a, b) for a in single for b in single if a.id != b.id]
    yield from _yes_or_no(ask, "larger yes", pairs, larger)
    yield from _which(ask, "larger", pairs, larger)
    yield from _which(ask, "nearer of", pairs, lambda a, b: nearer(scene, a, b) or (False, False))
    tools, tissues = instruments_of(scene), tissues_of(scene)
    for kind, word, group in (("nearest", "instrument", tools), ("largest", "tissue", _anatomy(tissues))):
        best = nearest_of(group) if kind == "nearest" else max(group, key=lambda r: r.area_fraction, default=None)
        if best is not None:
            yield QA(ask.say(kind, kind=word, kinds=f"{word}s"), named([best]), kind, (best.id,))
    big = max(tools, key=lambda r: r.area_fraction, default=None)
    if big is not None and ask.chance(0.5):
        yield QA(ask.say("largest", kind="instrument", kinds="instruments"), named([big]), "largest", (big.id,))
    yield from _more(ask)


def _anatomy(regions: Sequence[Region]) -> list[Region]:
    return [region for region in regions if region.kind == "anatomy"]


def _which(
    ask: Asker,
    kind: str,
    pairs: Sequence[tuple[Region, Region]],
    holds: Callable[[Region, Region], tuple[bool, bool]],
) -> Iterator[QA]:
    clear = [(a, b) for a, b in pairs if holds(a, b)[1]]
    if clear:
        a, b = ask.pick(clear)
        answer = a if holds(a, b)[0] else b
        yield QA(ask.say(kind, thing_of(a), thing_of(b)), named([answer]), kind, (a.id, b.id))


def _more(ask: Asker) -> Iterator[QA]:
    """Are there more of these than of those, one of which may be absent."""
    counted = [Thing(label.name, label.kind) for label in ask.taxonomy.labels if label.kind in _COUNTED]
    seen = {region.label for region in ask.scene.regions}
    here = [thing for thing in counted if thing.label in seen]
    if not here:
        return
    wanted = ask.chance(0.5)

    def holds(a: Thing, b: Thing) -> bool:
        return len(of_label(ask.scene, a.label)) > len(of_label(ask.scene, b.label))

    fitting = [
        (a, b) for a in counted for b in counted if a != b and holds(a, b) == wanted and (a in here or b in here)
    ]
    if fitting:
        a, b = ask.pick(fitting)
        ids = ids_of([*of_label(ask.scene, a.label), *of_label(ask.scene, b.label)])
        yield QA(ask.say("more", a, b), yes_no(wanted), "more", ids)
