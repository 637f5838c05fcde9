"""What instruments and the surgeon do, to what, and the questions that take two steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from describer.geometry import size_word
from describer.prompts.evidence.found import Evidence, Groups, first_of, listing, make, within
from describer.prompts.evidence.looks import looks_of
from describer.prompts.evidence.reading import Query
from describer.prompts.facts import activity_of, places_of, targets_of
from describer.prompts.graph import actors_on, deed_of, instruments_of, phase_of, touched_regions, touching_instruments
from describer.prompts.questions.base import in_places, named, number, yes_no
from describer.prompts.questions.doing import deed_answer, target_answer
from describer.types import Region, Scene
from describer.wording import gerund, sentence_case


def does(scene: Scene, query: Query, groups: Groups) -> Evidence | None:
    tools = first_of(groups) if query.nouns else within(instruments_of(scene), query.place)
    if not tools:
        return Evidence(query.kind, "There is no instrument there.")
    return _deeds(scene, query.kind, tools, deed_answer)


def acts_on(scene: Scene, query: Query, groups: Groups) -> Evidence | None:
    about = first_of(groups)
    if about[0].kind == "instrument":
        return _deeds(scene, "acts on", about, target_answer)
    found = list(dict.fromkeys(tool for region in about for tool in actors_on(scene, region)))
    return listing("acted on by", found, about)


def _deeds(scene: Scene, kind: str, tools: Sequence[Region], say: Callable[..., str]) -> Evidence | None:
    """What each instrument does or acts on; None where the scene does not tell it of one of them."""
    deeds = [(tool, deed_of(scene, tool)) for tool in tools]
    known = [(tool, deed) for tool, deed in deeds if deed is not None]
    if len(known) != len(deeds):
        return None
    texts = list(dict.fromkeys(say(scene, deed).rstrip(".") for _, deed in known))
    text = sentence_case(f"{'; '.join([texts[0], *(t[0].lower() + t[1:] for t in texts[1:])])}.")
    targets = [scene.region(deed.target_id) for _, deed in known if deed.target_id is not None]
    return make(kind, text, [*tools, *targets], min(deed.score for _, deed in known))


def at_work(scene: Scene, query: Query, groups: Groups) -> Evidence | None:
    """Which instruments do something, or which tissues it is done to."""
    busy = [deed for deed in scene.interactions if deed.verb is not None]
    if not scene.interactions:
        return None
    score = min((deed.score for deed in busy), default=1.0)
    tools = [scene.region(deed.region_id) for deed in busy]
    targets = [scene.region(i) for i in dict.fromkeys(deed.target_id for deed in busy) if i is not None]
    found = tools if query.kind == "at work" else targets
    return make(query.kind, named(found) if found else "None.", found, score)


def who_does(scene: Scene, query: Query, groups: Groups) -> Evidence | None:
    if not scene.interactions:
        return None
    doing = [deed for deed in scene.interactions if deed.verb == query.verb]
    return listing("who does", [scene.region(deed.region_id) for deed in doing])


def idle(scene: Scene, query: Query, groups: Groups) -> Evidence | None:
    deeds = [deed_of(scene, region) for region in first_of(groups)]
    if not all(deeds):
        return None
    idle = all(deed is not None and deed.verb is None for deed in deeds)
    return make("idle", yes_no(idle), first_of(groups), min(deed.score for deed in deeds if deed))


def activity(scene: Scene, query: Query, groups: Groups) -> Evidence | None:
    current = activity_of(scene)
    if current is None:
        return None
    tools, score = instruments_of(scene), max(a.score for a in scene.activities if a.level != "phase")
    if query.kind == "activity":
        return make("activity", sentence_case(f"{current}."), tools, score)
    done = {gerund(deed.verb) for deed in scene.interactions if deed.verb}
    asked = query.activity or (gerund(query.verb) if query.verb else "")
    return make("activity yes", yes_no(asked == current or (query.activity is None and asked in done)), tools, score)


def phase(scene: Scene, query: Query, groups: Groups) -> Evidence | None:
    phase = phase_of(scene)
    if phase is None:
        return None
    score = max(activity.score for activity in scene.activities if activity.level == "phase")
    return Evidence("phase", sentence_case(f"{phase}."), (), score)


def hop_target(scene: Scene, query: Query, groups: Groups) -> Evidence | None:
    """Size or colour of what an instrument acts on."""
    about = first_of(groups)
    targets = list(dict.fromkeys(target for tool in about for target in targets_of(scene, tool)))
    if len(targets) != 1:
        return None if targets else make(query.kind, "It acts on nothing.", about)
    (target,) = targets
    if query.kind == "hop size":
        return make("hop size", sentence_case(f"{size_word(target.area_fraction)}."), [target, *about])
    return looks_of(query, [target], tuple(about))


def hop_place(scene: Scene, query: Query, groups: Groups) -> Evidence:
    about = first_of(groups)
    tools = list(dict.fromkeys(tool for region in about for tool in actors_on(scene, region)))
    if not tools:
        return make("hop place", "No instrument acts on it.", about)
    return make("hop place", in_places(places_of(tools)), [*tools, *about])


def hop_count(scene: Scene, query: Query, groups: Groups) -> Evidence:
    at = touching_instruments if query.kind == "hop count" else actors_on
    found = list(dict.fromkeys(tool for region in first_of(groups) for tool in at(scene, region)))
    return make("hop count", number(len(found)), [*found, *first_of(groups)])


def hop_touches(scene: Scene, query: Query, groups: Groups) -> Evidence:
    tools = within(instruments_of(scene), query.place)
    found = list(dict.fromkeys(other for tool in tools for other in touched_regions(scene, tool) if other not in tools))
    if not tools:
        return Evidence("hop touches", "There is no instrument there.")
    return listing("hop touches", found, tools, "Nothing.")
