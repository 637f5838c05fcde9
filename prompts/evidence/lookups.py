"""A query answered from the scene graph: the words of the answer, the regions it rests on, how sure the scene is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from describer.geometry import size_word
from describer.prompts.evidence.reading import Noun, Query
from describer.prompts.facts import activity_of, entry_of, places_of, targets_of, tip_place
from describer.prompts.graph import (
    actors_on,
    deed_of,
    further,
    instruments_of,
    larger,
    nearer,
    nearest_of,
    of_label,
    phase_of,
    tissues_of,
    touched_regions,
    touching_instruments,
)
from describer.prompts.questions.base import Thing, in_places, named, no_such, number, yes_no
from describer.prompts.questions.doing import deed_answer, target_answer
from describer.taxonomy import Taxonomy
from describer.types import Region, Scene
from describer.wording import gerund, sentence_case

# How sure a scene is of what it does not have, or of a geometry of two regions: no score of its own says so.
_ABSENT = 0.8
UNKNOWN_THING = "unknown thing"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the scene says to a question.

    ``text`` is the exact answer, None where pixels have to tell it; ``region_ids`` what it rests on; ``look_at`` the
    region to look at for such an answer; ``confidence`` in [0, 1] is the scene model's own.
    """

    kind: str
    text: str | None
    region_ids: tuple[int, ...] = ()
    confidence: float = _ABSENT
    look_at: int | None = None


_Answer = Callable[[Scene, Query, list[list[Region]]], "Evidence | None"]


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
        return Evidence(query.kind, "No." if query.yes_no and present else no_such(thing), _ids(present))
    if not query.nouns and query.kind in _OF_A_CLASS:
        # "Where is the instrument?" is asked of all that there are.
        groups = [_within(_of_class(scene, query.asked), query.place)]
        if not groups[0]:
            return Evidence(query.kind, f"There is no {query.asked} in view.")
    answer = _ANSWERS.get(query.kind)
    return None if answer is None else answer(scene, query, groups)


def _regions(scene: Scene, noun: Noun) -> list[Region]:
    return [scene.region(noun.region_id)] if noun.region_id is not None else list(of_label(scene, noun.label))


def _ids(regions: Iterable[Region]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(region.id for region in regions))


def _found(kind: str, text: str, regions: Sequence[Region], score: float = 1.0) -> Evidence:
    """An answer as sure as the least sure of its regions."""
    sure = min([score, *(region.score for region in regions)]) if regions else min(score, _ABSENT)
    return Evidence(kind, text, _ids(regions), round(sure, 4))


def _listed(kind: str, found: Sequence[Region], about: Sequence[Region] = (), none: str = "None.") -> Evidence:
    return _found(kind, named(found) if found else none, [*about, *found])


def _one(groups: list[list[Region]]) -> list[Region]:
    return groups[0] if groups else []


def _of_class(scene: Scene, asked: str | None) -> list[Region]:
    if asked == "instrument":
        return list(instruments_of(scene))
    if asked == "tissue":
        return [region for region in tissues_of(scene) if region.kind == "anatomy"]
    return list(scene.regions)


def _within(regions: Iterable[Region], place: str | None) -> list[Region]:
    """Those in a place: a cell of the grid, or with "left" or "upper" a side of the view."""
    if place is None:
        return list(regions)
    whole = place == "center" or " " in place
    return [r for r in regions if (r.place == place if whole else place in r.place.split())]


def _exists(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    found = _within(_one(groups), query.place)
    return _found("exists", yes_no(bool(found)), found)


def _any_kind(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    found = _within(_of_class(scene, query.asked), query.place)
    return _found("any kind", yes_no(bool(found)), found)


def _which(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    return _listed(query.kind, _within(_of_class(scene, query.asked), query.place))


def _identify(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence | None:
    return _listed("identify", _one(groups)) if query.nouns[0].region_id is not None else None


def _count(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    found = _within(_one(groups) if query.nouns else _of_class(scene, query.asked), query.place)
    return _found("count", number(len(found)), found)


def _count_kinds(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    found = _of_class(scene, query.asked)
    return _found("count kinds", number(len({region.label for region in found})), found)


def _place(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    return _found("place", in_places(places_of(_one(groups))), _one(groups))


def _in_place(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    there = _within(_one(groups), query.place)
    return _found("in place", yes_no(bool(there)), there or _one(groups))


def _tip(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    return _found("tip", in_places([tip_place(region) for region in _one(groups)]), _one(groups))


def _entry(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    sides = [side for region in _one(groups) if (side := entry_of(region))]
    told = " and ".join(dict.fromkeys(sides))
    return _found("entry", f"From the {told}." if told else "It enters from no side of the view.", _one(groups))


def _at_place(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    found = _within(_of_class(scene, query.asked), query.place)
    if query.yes_no:
        return _found("at place", f"Yes: {named(found)[0].lower()}{named(found)[1:]}" if found else "No.", found)
    return _listed("at place", found, none="Nothing.")


def _size(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    area = sum(region.area_fraction for region in _one(groups))
    return _found("size", sentence_case(f"{size_word(area)}."), _one(groups))


def _touches(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    about = _one(groups)
    found = list(dict.fromkeys(other for region in about for other in touched_regions(scene, region)))
    found = [other for other in found if other not in about and _is(other, query.asked)]
    if query.yes_no and not _asks_which(query):
        told = named(found)
        return _found(query.kind, f"Yes: {told[0].lower()}{told[1:]}" if found else "No.", [*about, *found])
    return _listed(query.kind, found, about, "None." if query.kind == "touched by" else "Nothing.")


def _asks_which(query: Query) -> bool:
    return query.kind == "touched by"


def _is(region: Region, asked: str | None) -> bool:
    kinds = {"instrument": ("instrument",), "tissue": ("anatomy",)}
    return asked is None or region.kind in kinds[asked]


def _pairwise(
    holds: Callable[[Scene, Region, Region], bool | None],
) -> Callable[[Scene, Query, list[list[Region]]], Evidence | None]:
    """Yes or no of two things; None where it holds for some regions of their labels and not for others."""

    def answer(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence | None:
        pairs = [(a, b) for a in groups[0] for b in groups[1] if a.id != b.id]
        told = {holds(scene, a, b) for a, b in pairs}
        if len(told) != 1 or told == {None}:
            return None
        true = told.pop() != query.negated
        return _found(query.kind, yes_no(true), [*groups[0], *groups[1]])

    return answer


def _any_pair(
    holds: Callable[[Scene, Region, Region], bool],
) -> Callable[[Scene, Query, list[list[Region]]], Evidence | None]:
    """Yes or no of two things that may have several regions: yes where any of them does."""

    def answer(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence | None:
        pairs = [(a, b) for a in groups[0] for b in groups[1] if a.id != b.id]
        meant = [pair for pair in pairs if holds(scene, *pair)]
        regions = [region for pair in meant or pairs for region in pair]
        return _found(query.kind, yes_no(bool(meant)), list(dict.fromkeys(regions)))

    return answer


def _near(scene: Scene, one: Region, other: Region) -> bool | None:
    told = nearer(scene, one, other)
    return None if told is None else told[0]


def _which_of_two(
    holds: Callable[[Scene, Region, Region], bool | None],
) -> Callable[[Scene, Query, list[list[Region]]], Evidence | None]:
    def answer(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence | None:
        told = {holds(scene, a, b) for a in groups[0] for b in groups[1] if a.id != b.id}
        if len(told) != 1 or told == {None}:
            return None
        winner = groups[0] if told.pop() != query.negated else groups[1]
        return _found(query.kind, named(winner[:1]), [*groups[0], *groups[1]])

    return answer


def _superlative(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence | None:
    among = _of_class(scene, query.asked)
    if query.kind == "nearest":
        best = nearest_of(among)
        if among and best is None:
            return None
    else:
        best = max(among, key=lambda region: region.area_fraction, default=None)
    return _listed(query.kind, [best] if best else [])


def _more(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    return _found("more", yes_no(len(groups[0]) > len(groups[1])), [*groups[0], *groups[1]])


def _does(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence | None:
    tools = _one(groups) if query.nouns else _within(instruments_of(scene), query.place)
    if not tools:
        return Evidence(query.kind, "There is no instrument there.")
    return _deeds(scene, query.kind, tools, deed_answer)


def _acts_on(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence | None:
    about = _one(groups)
    if about[0].kind == "instrument":
        return _deeds(scene, "acts on", about, target_answer)
    found = list(dict.fromkeys(tool for region in about for tool in actors_on(scene, region)))
    return _listed("acted on by", found, about)


def _deeds(scene: Scene, kind: str, tools: Sequence[Region], say: Callable[..., str]) -> Evidence | None:
    """What each instrument does or acts on; None where the scene does not tell it of one of them."""
    deeds = [(tool, deed_of(scene, tool)) for tool in tools]
    known = [(tool, deed) for tool, deed in deeds if deed is not None]
    if len(known) != len(deeds):
        return None
    texts = list(dict.fromkeys(say(scene, deed).rstrip(".") for _, deed in known))
    text = sentence_case(f"{'; '.join([texts[0], *(t[0].lower() + t[1:] for t in texts[1:])])}.")
    targets = [scene.region(deed.target_id) for _, deed in known if deed.target_id is not None]
    return _found(kind, text, [*tools, *targets], min(deed.score for _, deed in known))


def _at_work(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence | None:
    """Which instruments do something, or which tissues it is done to."""
    busy = [deed for deed in scene.interactions if deed.verb is not None]
    if not scene.interactions:
        return None
    score = min((deed.score for deed in busy), default=1.0)
    tools = [scene.region(deed.region_id) for deed in busy]
    targets = [scene.region(i) for i in dict.fromkeys(deed.target_id for deed in busy) if i is not None]
    found = tools if query.kind == "at work" else targets
    return _found(query.kind, named(found) if found else "None.", found, score)


def _who_does(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence | None:
    if not scene.interactions:
        return None
    doing = [deed for deed in scene.interactions if deed.verb == query.verb]
    return _listed("who does", [scene.region(deed.region_id) for deed in doing])


def _idle(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence | None:
    deeds = [deed_of(scene, region) for region in _one(groups)]
    if not all(deeds):
        return None
    idle = all(deed is not None and deed.verb is None for deed in deeds)
    return _found("idle", yes_no(idle), _one(groups), min(deed.score for deed in deeds if deed))


def _activity(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence | None:
    current = activity_of(scene)
    if current is None:
        return None
    tools, score = instruments_of(scene), max(a.score for a in scene.activities if a.level != "phase")
    if query.kind == "activity":
        return _found("activity", sentence_case(f"{current}."), tools, score)
    done = {gerund(deed.verb) for deed in scene.interactions if deed.verb}
    asked = query.activity or (gerund(query.verb) if query.verb else "")
    return _found("activity yes", yes_no(asked == current or (query.activity is None and asked in done)), tools, score)


def _phase(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence | None:
    phase = phase_of(scene)
    if phase is None:
        return None
    score = max(activity.score for activity in scene.activities if activity.level == "phase")
    return Evidence("phase", sentence_case(f"{phase}."), (), score)


def _hop_target(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence | None:
    """Size or colour of what an instrument acts on."""
    about = _one(groups)
    targets = list(dict.fromkeys(target for tool in about for target in targets_of(scene, tool)))
    if len(targets) != 1:
        return None if targets else _found(query.kind, "It acts on nothing.", about)
    (target,) = targets
    if query.kind == "hop size":
        return _found("hop size", sentence_case(f"{size_word(target.area_fraction)}."), [target, *about])
    return Evidence("hop colour", None, _ids([target, *about]), target.score, target.id)


def _hop_place(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    about = _one(groups)
    tools = list(dict.fromkeys(tool for region in about for tool in actors_on(scene, region)))
    if not tools:
        return _found("hop place", "No instrument acts on it.", about)
    return _found("hop place", in_places(places_of(tools)), [*tools, *about])


def _hop_count(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    at = touching_instruments if query.kind == "hop count" else actors_on
    found = list(dict.fromkeys(tool for region in _one(groups) for tool in at(scene, region)))
    return _found("hop count", number(len(found)), [*found, *_one(groups)])


def _hop_touches(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    tools = _within(instruments_of(scene), query.place)
    found = list(dict.fromkeys(other for tool in tools for other in touched_regions(scene, tool) if other not in tools))
    if not tools:
        return Evidence("hop touches", "There is no instrument there.")
    return _listed("hop touches", found, tools, "Nothing.")


def _look(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    """A question that pixels answer: which region to look at."""
    about = _one(groups)
    sure = min((region.score for region in about), default=1.0)
    return Evidence(query.kind, None, _ids(about), sure, about[0].id if len(about) == 1 else None)


def _look_around(scene: Scene, query: Query, groups: list[list[Region]]) -> Evidence:
    return Evidence(query.kind, None)


def _is_first(axis: int, first: bool) -> Callable[[Scene, Region, Region], bool | None]:
    return lambda scene, a, b: further(axis, a, b)[0] == first


_OF_A_CLASS = ("place", "colour")
_OF_THE_ABSENT = ("exists", "count", "more", "smoke", "blood", "in place")
_ANSWERS: Mapping[str, _Answer] = {
    "exists": _exists,
    "any kind": _any_kind,
    **dict.fromkeys(("which instruments", "which tissues"), _which),
    "identify": _identify,
    "count": _count,
    "count kinds": _count_kinds,
    "place": _place,
    "in place": _in_place,
    "tip": _tip,
    "entry": _entry,
    "at place": _at_place,
    "size": _size,
    **dict.fromkeys(("touches", "touches tissue", "touched by"), _touches),
    "does touch": _any_pair(lambda scene, a, b: b.id in scene.related(a.id, "touches")),
    "acts yes": _any_pair(lambda scene, a, b: b in targets_of(scene, a) or a in targets_of(scene, b)),
    "left of": _pairwise(_is_first(0, True)),
    "right of": _pairwise(_is_first(0, False)),
    "above": _pairwise(_is_first(1, True)),
    "below": _pairwise(_is_first(1, False)),
    "nearer": _pairwise(_near),
    "larger yes": _pairwise(lambda scene, a, b: larger(a, b)[0]),
    "larger": _which_of_two(lambda scene, a, b: larger(a, b)[0]),
    "nearer of": _which_of_two(_near),
    **dict.fromkeys(("nearest", "largest"), _superlative),
    "more": _more,
    **dict.fromkeys(("does", "hop does"), _does),
    "acts on": _acts_on,
    "who does": _who_does,
    **dict.fromkeys(("at work", "worked on"), _at_work),
    "idle": _idle,
    **dict.fromkeys(("activity", "activity yes"), _activity),
    "phase": _phase,
    **dict.fromkeys(("hop size", "hop colour"), _hop_target),
    "hop place": _hop_place,
    **dict.fromkeys(("hop count", "count actors"), _hop_count),
    "hop touches": _hop_touches,
    **dict.fromkeys(("colour", "jaws", "jaws open", "cover", "covered with", "glare", "sharp", "tip visible"), _look),
    **dict.fromkeys(("smoke", "blood", "view glare", "dirt", "blur", "disturbs", "clear"), _look_around),
}
