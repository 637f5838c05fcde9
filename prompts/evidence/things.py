"""What is there, how many, where, how large, and what it touches; and what is to be looked at."""

from __future__ import annotations

from describer.geometry import size_word
from describer.prompts.evidence.found import Evidence, Groups, first_of, listing, make, of_class, within
from describer.prompts.evidence.reading import Query
from describer.prompts.facts import entry_of, places_of, tip_place
from describer.prompts.graph import touched_regions
from describer.prompts.questions.base import in_places, named, number, yes_no
from describer.types import Region, Scene
from describer.wording import sentence_case


def exists(scene: Scene, query: Query, groups: Groups) -> Evidence:
    found = within(first_of(groups), query.place)
    return make("exists", yes_no(bool(found)), found)


def any_kind(scene: Scene, query: Query, groups: Groups) -> Evidence:
    found = within(of_class(scene, query.asked), query.place)
    return make("any kind", yes_no(bool(found)), found)


def which(scene: Scene, query: Query, groups: Groups) -> Evidence:
    return listing(query.kind, within(of_class(scene, query.asked), query.place))


def identify(scene: Scene, query: Query, groups: Groups) -> Evidence | None:
    return listing("identify", first_of(groups)) if query.nouns[0].region_id is not None else None


def count(scene: Scene, query: Query, groups: Groups) -> Evidence:
    found = within(first_of(groups) if query.nouns else of_class(scene, query.asked), query.place)
    return make("count", number(len(found)), found)


def count_kinds(scene: Scene, query: Query, groups: Groups) -> Evidence:
    found = of_class(scene, query.asked)
    return make("count kinds", number(len({region.label for region in found})), found)


def place(scene: Scene, query: Query, groups: Groups) -> Evidence:
    return make("place", in_places(places_of(first_of(groups))), first_of(groups))


def in_place(scene: Scene, query: Query, groups: Groups) -> Evidence:
    there = within(first_of(groups), query.place)
    return make("in place", yes_no(bool(there)), there or first_of(groups))


def tip(scene: Scene, query: Query, groups: Groups) -> Evidence:
    return make("tip", in_places([tip_place(region) for region in first_of(groups)]), first_of(groups))


def entry(scene: Scene, query: Query, groups: Groups) -> Evidence:
    sides = [side for region in first_of(groups) if (side := entry_of(region))]
    told = " and ".join(dict.fromkeys(sides))
    return make("entry", f"From the {told}." if told else "It enters from no side of the view.", first_of(groups))


def at_place(scene: Scene, query: Query, groups: Groups) -> Evidence:
    found = within(of_class(scene, query.asked), query.place)
    if query.yes_no:
        return make("at place", f"Yes: {named(found)[0].lower()}{named(found)[1:]}" if found else "No.", found)
    return listing("at place", found, none="Nothing.")


def size(scene: Scene, query: Query, groups: Groups) -> Evidence:
    area = sum(region.area_fraction for region in first_of(groups))
    return make("size", sentence_case(f"{size_word(area)}."), first_of(groups))


def touches(scene: Scene, query: Query, groups: Groups) -> Evidence:
    about = first_of(groups)
    found = list(dict.fromkeys(other for region in about for other in touched_regions(scene, region)))
    found = [other for other in found if other not in about and _is(other, query.asked)]
    if query.yes_no and query.kind != "touched by":
        told = named(found)
        return make(query.kind, f"Yes: {told[0].lower()}{told[1:]}" if found else "No.", [*about, *found])
    return listing(query.kind, found, about, "None." if query.kind == "touched by" else "Nothing.")


def _is(region: Region, asked: str | None) -> bool:
    kinds = {"instrument": ("instrument",), "tissue": ("anatomy",)}
    return asked is None or region.kind in kinds[asked]
