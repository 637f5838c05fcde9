"""Questions on what instruments do, what the surgeon does, and those that take two steps (as SSG-VQA asks)."""

from __future__ import annotations

from collections.abc import Iterator

from describer.geometry import size_word
from describer.prompts.facts import activity_of, places_of, targets_of
from describer.prompts.graph import (
    actors_on,
    deed_of,
    instruments_of,
    phase_of,
    touched_regions,
    touching_instruments,
)
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
from describer.types import Interaction, Region, Scene
from describer.wording import gerund, sentence_case, with_article

_ABSENT = 0.15
_POINTED = 0.15


def deed_answer(scene: Scene, deed: Interaction) -> str:
    """ "Retracting the gallbladder.", "Cutting." without a target, "Nothing." of an idle instrument."""
    if deed.verb is None:
        return "Nothing."
    target = _target_phrase(scene, deed)
    return sentence_case(f"{gerund(deed.verb)}{f' {target}' if target else ''}.")


def target_answer(scene: Scene, deed: Interaction) -> str:
    """ "The gallbladder.", "Nothing." of an instrument that acts on nothing."""
    return sentence_case(f"{_target_phrase(scene, deed) or 'nothing'}.")


def _target_phrase(scene: Scene, deed: Interaction) -> str:
    if deed.target_id is not None:
        region = scene.region(deed.target_id)
        return with_article(region.label, region.kind)
    return with_article(deed.target, "anatomy") if deed.target else ""


def _ids(region: Region, deed: Interaction) -> tuple[int, ...]:
    return (region.id,) if deed.target_id is None else (region.id, deed.target_id)


def actions(ask: Asker) -> Iterator[QA]:
    scene = ask.scene
    known = [(region, deed) for region in ask.single() if (deed := deed_of(scene, region))]
    if known:
        region, deed = ask.pick(known)
        pointed = ask.chance(_POINTED)
        thing = Thing(region.label, region.kind, pointed)
        about = region.id if pointed else None
        yield QA(ask.say("does", thing), deed_answer(scene, deed), "does", _ids(region, deed), about, shown=about)
        region, deed = ask.pick(known)
        yield QA(ask.say("acts on", thing_of(region)), target_answer(scene, deed), "acts on", _ids(region, deed))
        idle = [pair for pair in known if pair[1].verb is None]
        region, deed = ask.pick(idle or known)
        if idle or ask.chance(0.15):
            yield QA(ask.say("idle", thing_of(region)), yes_no(deed.verb is None), "idle", (region.id,))
    yield from _actors(ask)
    gone = ask.absent(("instrument",))
    if gone is not None and ask.chance(_ABSENT):
        kind = ask.pick(("does", "acts on"))
        yield QA(ask.say(kind, gone), no_such(gone), kind)


def _actors(ask: Asker) -> Iterator[QA]:
    scene = ask.scene
    if not scene.interactions:
        return
    rest = [region for region in ask.single() if region.kind != "instrument"]
    worked = [region for region in rest if actors_on(scene, region)]
    if rest:
        region = ask.pick(worked if worked and ask.chance(0.8) else rest)
        found = actors_on(scene, region)
        yield QA(ask.say("acted on by", thing_of(region)), named(found), "acted on by", ids_of([*found, region]))
    done = sorted({deed.verb for deed in scene.interactions if deed.verb})
    verb = ask.pick(done) if done and ask.chance(0.8) else ask.pick(ask.taxonomy.verbs or done or ("cut",))
    doers = [scene.region(deed.region_id) for deed in scene.interactions if deed.verb == verb]
    yield QA(ask.say("who does", verb=gerund(verb)), named(doers), "who does", ids_of(doers))


def activity(ask: Asker) -> Iterator[QA]:
    current, phase = activity_of(ask.scene), phase_of(ask.scene)
    tools = ids_of(instruments_of(ask.scene))
    if current is not None:
        yield QA(ask.say("activity"), sentence_case(f"{current}."), "activity", tools)
        others = [name for name in ask.taxonomy.activities if name != current]
        true = ask.chance(0.5) or not others
        asked = current if true else ask.pick(others)
        yield QA(ask.say("activity yes", activity=asked), yes_no(true), "activity yes", tools)
    if phase is not None:
        yield QA(ask.say("phase"), sentence_case(f"{phase}."), "phase")


def hops(ask: Asker) -> Iterator[QA]:
    scene, single = ask.scene, ask.single()
    acting = [(r, targets_of(scene, r)) for r in single if r.kind == "instrument" and len(targets_of(scene, r)) == 1]
    if acting:
        tool, (target,) = ask.pick(acting)
        size = sentence_case(f"{size_word(target.area_fraction)}.")
        yield QA(ask.say("hop size", thing_of(tool)), size, "hop size", (target.id, tool.id))
        seen = [(r, t) for r, (t,) in acting if t.id in ask.looks and ask.looks[t.id].colour]
        if seen:
            tool, target = ask.pick(seen)
            colour = sentence_case(f"{ask.looks[target.id].colour}.")
            ids = (target.id, tool.id)
            yield QA(ask.say("hop colour", thing_of(tool)), colour, "hop colour", ids, shown=target.id)
    rest = [region for region in single if region.kind != "instrument"]
    worked = [region for region in rest if len(actors_on(scene, region)) == 1]
    if worked:
        region = ask.pick(worked)
        (tool,) = actors_on(scene, region)
        place = in_places(places_of([tool]))
        yield QA(ask.say("hop place", thing_of(region)), place, "hop place", (tool.id, region.id))
    if rest:
        touched = [region for region in rest if touching_instruments(scene, region)]
        region = ask.pick(touched if touched and ask.chance(0.75) else rest)
        found = touching_instruments(scene, region)
        yield QA(ask.say("hop count", thing_of(region)), number(len(found)), "hop count", ids_of([*found, region]))
    yield from _placed(ask)


def _placed(ask: Asker) -> Iterator[QA]:
    """What the one instrument in a place does and touches."""
    tools = instruments_of(ask.scene)
    places = [tool.place for tool in tools]
    alone = [tool for tool in tools if places.count(tool.place) == 1]
    if not alone:
        return
    tool = ask.pick(alone)
    deed = deed_of(ask.scene, tool)
    if deed is not None:
        question = ask.say("hop does", place=tool.place)
        yield QA(question, deed_answer(ask.scene, deed), "hop does", _ids(tool, deed))
    found = touched_regions(ask.scene, tool)
    answer = named(found) if found else "Nothing."
    yield QA(ask.say("hop touches", place=tool.place), answer, "hop touches", ids_of([tool, *found]))
