"""Questions on what is there, how many and where."""

from __future__ import annotations

from collections.abc import Iterator

from describer.prompts.facts import entry_of, places_of, tip_place
from describer.prompts.graph import instruments_of, of_label, tissues_of
from describer.prompts.questions.base import (
    QA,
    Asker,
    Thing,
    ids_of,
    in_places,
    named,
    no_such,
    number,
    thing_of,
    yes_no,
)
from describer.types import PLACES, Region
from describer.wording import is_plural, plural

_ABSENT = 0.2
_ONE = 0.4
_KIND_WORDS = {"instrument": "instruments", "tissue": "tissues"}


def existence(ask: Asker) -> Iterator[QA]:
    regions = ask.scene.regions
    gone = ask.absent()
    if regions:
        region = ask.pick(regions)
        yield QA(ask.say("exists", thing_of(region)), "Yes.", "exists", ids_of(of_label(ask.scene, region.label)))
    if gone is not None:
        yield QA(ask.say("exists", gone), "No.", "exists")
    word, kind = ask.pick((("instrument", "instrument"), ("tissue", "anatomy"), ("polyp", "pathology")))
    found = [region for region in regions if region.kind == kind]
    words = {"kind": word, "kinds": _KIND_WORDS.get(word, f"{word}s")}
    yield QA(ask.say("any kind", **words), yes_no(bool(found)), "any kind", ids_of(found))
    tools = instruments_of(ask.scene)
    yield QA(ask.say("which instruments"), named(tools), "which instruments", ids_of(tools))
    anatomy = [region for region in regions if region.kind == "anatomy"]
    yield QA(ask.say("which tissues"), named(anatomy), "which tissues", ids_of(anatomy))
    if regions:
        region = ask.pick(regions)
        yield QA(ask.say("identify"), named([region]), "identify", (region.id,), region.id, shown=region.id)


def counting(ask: Asker) -> Iterator[QA]:
    """Instruments and polyps: parts of tissue are not things that one counts."""
    tools = instruments_of(ask.scene)
    counted = sorted({r.label for r in ask.scene.regions if r.kind in ("instrument", "pathology")})
    counted = [label for label in counted if not is_plural(label)]
    many = [label for label in counted if len(of_label(ask.scene, label)) > 1]
    gone = ask.absent(("instrument", "pathology"))
    # Most views have one of what they have: that is asked of less often, so that not all counts are one.
    if len(tools) != 1 or ask.chance(_ONE):
        yield QA(ask.say("count", Thing("instrument", "instrument")), number(len(tools)), "count", ids_of(tools))
    if many or (counted and ask.chance(_ONE)):
        label = ask.pick(many or counted)
        found = of_label(ask.scene, label)
        yield QA(ask.say("count", Thing(label, found[0].kind)), number(len(found)), "count", ids_of(found))
    if gone is not None and not is_plural(gone.label) and ask.chance(0.5):
        yield QA(ask.say("count", gone), "None.", "count")
    kind, group = ask.pick((("instrument", tools), ("tissue", _anatomy(ask))))
    labels = {region.label for region in group}
    yield QA(ask.say("count kinds", kinds=_KIND_WORDS[kind]), number(len(labels)), "count kinds", ids_of(group))


def _anatomy(ask: Asker) -> tuple[Region, ...]:
    return tuple(region for region in tissues_of(ask.scene) if region.kind == "anatomy")


def location(ask: Asker) -> Iterator[QA]:
    regions = ask.scene.regions
    gone = ask.absent()
    if regions:
        label = ask.pick(sorted({region.label for region in regions}))
        group = of_label(ask.scene, label)
        thing = thing_of(group[0])
        question = ask.say("place", thing) if len(group) == 1 else _plural_place(ask, thing)
        if question is not None:
            yield QA(question, in_places(places_of(group)), "place", ids_of(group))
        region = ask.pick(regions)
        pointed = Thing(region.label, region.kind, pointed=True)
        if ask.chance(0.5):
            yield QA(
                ask.say("place", pointed), in_places([region.place]), "place", (region.id,), region.id, shown=region.id
            )
    if gone is not None and ask.chance(_ABSENT):
        yield QA(ask.say("place", gone), no_such(gone), "place")
    tools = [region for region in ask.single() if region.kind == "instrument"]
    if tools:
        region = ask.pick(tools)
        yield QA(ask.say("tip", thing_of(region)), in_places([tip_place(region)]), "tip", (region.id,))
        side = entry_of(region)
        if side is not None:
            yield QA(ask.say("entry", thing_of(region)), f"From the {side}.", "entry", (region.id,))
    gone = ask.absent(("instrument",))
    if gone is not None and ask.chance(_ABSENT):
        kind = ask.pick(("tip", "entry"))
        yield QA(ask.say(kind, gone), no_such(gone), kind)
    filled = sorted({region.place for region in regions})
    place = ask.pick(filled) if filled and ask.chance(0.85) else ask.pick(PLACES)
    there = [region for region in regions if region.place == place]
    yield QA(ask.say("at place", place=place), named(there) if there else "Nothing.", "at place", ids_of(there))


def _plural_place(ask: Asker, thing: Thing) -> str | None:
    """ "Where are the graspers?", asked as of any plural; None for a label whose plural reads oddly."""
    if thing.kind not in ("instrument", "pathology") or is_plural(thing.label):
        return None
    return ask.say("place", Thing(plural(thing.label), thing.kind))
