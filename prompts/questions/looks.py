"""Questions on how things look and on what disturbs the view: only pixels answer them, except size."""

from __future__ import annotations

from collections.abc import Iterator

from describer.geometry import size_word
from describer.prompts.questions.base import QA, Asker, Thing, no_such, thing_of, yes_no
from describer.prompts.sentences import view_sentence
from describer.types import Appearance, Region
from describer.wording import COVER_PHRASES, sentence_case

# Most things are clean and most views clear: what is plain is asked of about as often as what is not.
_PLAIN_COVER, _PLAIN_GLARE, _SHARP = 0.1, 0.12, 0.2
_NO_SMOKE, _NO_GLARE, _NO_BLUR, _NO_DIRT, _SEEN_TIP = 0.12, 0.15, 0.13, 0.07, 0.35
_POINTED = 0.3
_WHOLE = 0.15
_ABSENT = 0.1
SMOKE_ANSWERS = {"none": "No.", "light": "Yes, a little.", "heavy": "Yes, a lot."}
BLOOD_ANSWERS = {"none": "No.", "some": "Yes, a little.", "a lot": "Yes, a lot."}


def attributes(ask: Asker) -> Iterator[QA]:
    """Looks of one region each; what is named is shown from near as well (`shown`)."""
    known = [(region, ask.looks[region.id]) for region in ask.scene.regions if region.id in ask.looks]
    yield from _coloured(ask, known)
    yield from _jaws(ask, known)
    yield from _covered(ask, known)
    yield from _flagged(ask, known, "glare")
    yield from _flagged(ask, known, "sharp")
    if ask.scene.regions:
        region = ask.pick(ask.scene.regions)
        yield from _of(ask, region, "size", sentence_case(f"{size_word(region.area_fraction)}."))
    gone = ask.absent()
    if gone is not None and ask.chance(_ABSENT):
        kind = ask.pick(("colour", "size"))
        yield QA(ask.say(kind, gone), no_such(gone), kind)


def _of(ask: Asker, region: Region, kind: str, answer: str, /, **words: str) -> Iterator[QA]:
    """A question about one region: by its name where that is plain, else pointed at. It comes with the region's crop,
    now and then only with the whole frame."""
    alone = sum(other.label == region.label for other in ask.scene.regions) == 1
    thing = thing_of(region) if alone and not ask.chance(_POINTED) else Thing(region.label, region.kind, True)
    about = region.id if thing.pointed else None
    shown = None if not thing.pointed and ask.chance(_WHOLE) else region.id
    yield QA(ask.say(kind, thing, **words), answer, kind, (region.id,), about, shown=shown)


Known = list[tuple[Region, Appearance]]


def _coloured(ask: Asker, known: Known) -> Iterator[QA]:
    coloured = [(region, look.colour) for region, look in known if look.colour]
    if coloured:
        region, colour = ask.pick(coloured)
        yield from _of(ask, region, "colour", sentence_case(f"{colour}."))


def _jaws(ask: Asker, known: Known) -> Iterator[QA]:
    jawed = [(region, look.state) for region, look in known if look.state]
    if jawed:
        region, state = ask.pick(jawed)
        yield from _of(ask, region, "jaws", sentence_case(f"{state}."))
        region, state = ask.pick(jawed)
        yield from _of(ask, region, "jaws open", yes_no(state == "open"))


def _covered(ask: Asker, known: Known) -> Iterator[QA]:
    covered = [(region, look.cover) for region, look in known if look.cover != "none"]
    clean = [(region, look.cover) for region, look in known if look.cover == "none"]
    if covered:
        region, cover = ask.pick(covered)
        yield from _of(ask, region, "cover", sentence_case(f"{COVER_PHRASES[cover]}."))
        true = ask.chance(0.6)
        others = [name for name in COVER_PHRASES if name != cover]
        stuff = COVER_PHRASES[cover if true else ask.pick(others)].removesuffix(" in front")
        yield from _of(ask, region, "covered with", yes_no(true), stuff=stuff)
    elif clean and ask.chance(_PLAIN_COVER):
        region, _ = ask.pick(clean)
        yield from _of(ask, region, "cover", "Nothing.")
        stuff = ask.pick(tuple(COVER_PHRASES.values())).removesuffix(" in front")
        yield from _of(ask, region, "covered with", "No.", stuff=stuff)


def _flagged(ask: Asker, known: Known, kind: str) -> Iterator[QA]:
    """Glare or sharpness as yes or no: what is rare is always asked of, what is common now and then."""
    rare = [region for region, look in known if getattr(look, kind) == (kind == "glare")]
    common = [region for region, look in known if getattr(look, kind) != (kind == "glare")]
    if rare:
        yield from _of(ask, ask.pick(rare), kind, yes_no(kind == "glare"))
    elif common and ask.chance(_PLAIN_GLARE if kind == "glare" else _SHARP):
        yield from _of(ask, ask.pick(common), kind, yes_no(kind != "glare"))


def visibility(ask: Asker) -> Iterator[QA]:
    """What disturbs the whole view, and whether an instrument's tip can be seen."""
    yield from _tips(ask)
    view = ask.view
    if view is None:
        return
    yield QA(ask.say("blood"), BLOOD_ANSWERS[view.blood], "blood")
    if view.smoke != "none" or ask.chance(_NO_SMOKE):
        yield QA(ask.say("smoke"), SMOKE_ANSWERS[view.smoke], "smoke")
    for kind, on, share in (("view glare", view.glare, _NO_GLARE), ("dirt", view.dirt, _NO_DIRT)):
        if on or ask.chance(share):
            yield QA(ask.say(kind), yes_no(on), kind)
    if view.blur or ask.chance(_NO_BLUR):
        yield QA(ask.say("blur"), yes_no(not view.blur), "blur")
    said = view_sentence(view)
    yield QA(ask.say("clear"), yes_no(said == "The view is clear."), "clear")
    yield QA(ask.say("disturbs"), said, "disturbs")


def _tips(ask: Asker) -> Iterator[QA]:
    tools = [region for region in ask.scene.regions if region.id in ask.tips]
    hidden = [region for region in tools if not ask.tips[region.id]]
    seen = [region for region in tools if ask.tips[region.id]]
    if hidden:
        yield from _of(ask, ask.pick(hidden), "tip visible", "No.")
    elif seen and ask.chance(_SEEN_TIP):
        yield from _of(ask, ask.pick(seen), "tip visible", "Yes.")
    gone = ask.absent(("instrument",))
    if gone is not None and ask.chance(_ABSENT):
        yield QA(ask.say("tip visible", gone), no_such(gone), "tip visible")
