"""A query answered from the scene graph: the words of the answer, the regions it rests on, how sure the scene is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from describer.prompts.evidence import deeds, looks, pairs, things
from describer.prompts.evidence.found import UNKNOWN_THING, Evidence, Groups, of_class, within
from describer.prompts.evidence.reading import Noun, Query
from describer.prompts.facts import targets_of
from describer.prompts.graph import larger, of_label
from describer.prompts.questions.base import Thing, ids_of, no_such
from describer.taxonomy import Taxonomy
from describer.types import Region, Scene

_Answer = Callable[[Scene, Query, Groups], "Evidence | None"]


def look_up(query: Query, scene: Scene, taxonomy: Taxonomy) -> Evidence | None:
    """The scene's answer to a query; None where the scene cannot tell it and no region is to be looked at.

    A question about a label that has no region is answered with "There is no .. in view.", unless it asks whether or
    how many there are.
    """
    unknown = next((noun for noun in query.nouns if not noun.known), None)
    if unknown is not None:
        return Evidence(UNKNOWN_THING, f"I see no {unknown.label}, but I was not taught to know one.", (), 0.2)
    groups = [_regions(scene, noun) for noun in query.nouns]
    missing = next((noun for noun, group in zip(query.nouns, groups) if not group), None)
    if missing is not None and query.kind not in _OF_THE_ABSENT:
        thing = Thing(missing.label, taxonomy.label(missing.label).kind)
        present = [region for group in groups for region in group]
        return Evidence(query.kind, "No." if query.yes_no and present else no_such(thing), ids_of(present))
    if not query.nouns and query.kind in _OF_A_CLASS:
        # "Where is the instrument?" is asked of all that there are.
        groups = [within(of_class(scene, query.asked), query.place)]
        if not groups[0]:
            return Evidence(query.kind, f"There is no {query.asked} in view.")
    answer = _ANSWERS.get(query.kind)
    return None if answer is None else answer(scene, query, groups)


def _regions(scene: Scene, noun: Noun) -> list[Region]:
    return [scene.region(noun.region_id)] if noun.region_id is not None else list(of_label(scene, noun.label))


_OF_A_CLASS = ("place", "colour")
_OF_THE_ABSENT = ("exists", "count", "more", "smoke", "blood", "in place")
_ANSWERS: Mapping[str, _Answer] = {
    "exists": things.exists,
    "any kind": things.any_kind,
    **dict.fromkeys(("which instruments", "which tissues"), things.which),
    "identify": things.identify,
    "count": things.count,
    "count kinds": things.count_kinds,
    "place": things.place,
    "in place": things.in_place,
    "tip": things.tip,
    "entry": things.entry,
    "at place": things.at_place,
    "size": things.size,
    **dict.fromkeys(("touches", "touches tissue", "touched by"), things.touches),
    "does touch": pairs.any_pair(lambda scene, a, b: b.id in scene.related(a.id, "touches")),
    "acts yes": pairs.any_pair(lambda scene, a, b: b in targets_of(scene, a) or a in targets_of(scene, b)),
    "left of": pairs.pairwise(pairs.is_first(0, True)),
    "right of": pairs.pairwise(pairs.is_first(0, False)),
    "above": pairs.pairwise(pairs.is_first(1, True)),
    "below": pairs.pairwise(pairs.is_first(1, False)),
    "nearer": pairs.pairwise(pairs.near),
    "larger yes": pairs.pairwise(lambda scene, a, b: larger(a, b)[0]),
    "larger": pairs.which_of_two(lambda scene, a, b: larger(a, b)[0]),
    "nearer of": pairs.which_of_two(pairs.near),
    **dict.fromkeys(("nearest", "largest"), pairs.superlative),
    "more": pairs.more,
    **dict.fromkeys(("does", "hop does"), deeds.does),
    "acts on": deeds.acts_on,
    "who does": deeds.who_does,
    **dict.fromkeys(("at work", "worked on"), deeds.at_work),
    "idle": deeds.idle,
    **dict.fromkeys(("activity", "activity yes"), deeds.activity),
    "phase": deeds.phase,
    **dict.fromkeys(("hop size", "hop colour"), deeds.hop_target),
    "hop place": deeds.hop_place,
    **dict.fromkeys(("hop count", "count actors"), deeds.hop_count),
    "hop touches": deeds.hop_touches,
    **dict.fromkeys(("colour", "jaws", "jaws open", "cover", "covered with", "glare", "sharp"), looks.of_region),
    "tip visible": looks.tip_visible,
    **dict.fromkeys(("smoke", "blood", "view glare", "dirt", "blur", "disturbs", "clear"), looks.of_view),
}
