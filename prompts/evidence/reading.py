"""From a free question to a query of the scene graph: rules on what is named and on a few words around it.

The rules are tried in order and the first that fits decides, so the narrow ones stand first: "How many instruments
touch the liver?" before "How many liver..?". A question that no rule fits is left to the language model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from describer.prompts.evidence.marking import Marked, Noun, mark
from describer.taxonomy import Taxonomy
from describer.types import Cover

__all__ = ["Noun", "Query", "read_question"]


def _any(phrases: str, *patterns: str) -> str:
    """A pattern for any of the comma-divided phrases as whole words (``*`` ends one that may go on) or of ``patterns``,
    regular expressions for what phrases cannot say."""
    listed = [re.escape(phrase.strip()).replace(r"\*", r"\w*") for phrase in phrases.split(",") if phrase.strip()]
    return "|".join([*([rf"\b(?:{'|'.join(listed)})(?!\w)"] if listed else []), *patterns])


_TOUCH = _any(
    "touch*, contact, meet, up against, rest against, rests against, resting against, against what, against which"
)
_ACT = _any(
    "acting, act on, acts on, acted on, work on, works on, working on, at work on, treat*, target, targets, "
    "applied to, operate on, operates on, operating on, operated on, used on",
    r"\b(?:on|to) wh\w+\b.*\b(?:acting|at work|applied)\b",
)
_WHERE = _any("where*, position, location, located, place of, which part, what part, which area, what area")
_COUNT = _any("how many, number of, count, count of")
_SIZE = _any("how large, how big, how much, how extensive, size, small or large, large or small")
_LARGER = _any("larger, bigger, greater, more of the, more space, more than, more of, fill more, fills more")
_SMALLER = _any("smaller, less space, less of the")
_NEARER = _any("nearer, closer, in front, less far", r"\bbefore X\d in depth\b")
_FARTHER = _any("farther, further away, behind, more distant")
_WHICH_OF_TWO = _any("which, or", r"^(?:what|between|compare)\b")
_COLOUR = _any("colour*, color*, shade")
_SHARP = _any("sharp*, focus*, blur*")
_GLARE = _any("shiny, shin*, reflect*, glist*, glar*, highlight, highlights, bright spot, bright spots, dazzl*")
_LIST = _any("which, what, name, list, identify, enumerate, tell me the, who")
_DOES = _any("do, does, doing, done, action, task, used")
_VIEW = _any("view, picture, image, frame, scene, field, camera, sight")
_SEEN = _any("visible, in view, see, seen, in sight, show, include, hidden")
_THERE = _any(
    "there, see, seen, visible, in view, in the scene, in the picture, in the frame, in the image, present, among, "
    "used, in use, looking for, show*, appear*, contain*"
)
_THINGS = r"\b(?:INSTR|TISSUE)\b"
# A question that starts so asks for a yes or a no.
_YES = (
    r"^(?:is|are|do|does|can|could|has|have|was|were|would|will|any|anything|am|i am looking|tell me (?:whether|if))\b"
)


@dataclass(frozen=True, slots=True)
class Query:
    """What a question asks of the scene.

    ``kind`` is one of `describer.prompts.questions.KINDS`, or "in place" (is it there?), "acts yes" (does it act on
    that?), "count actors", "at work" (which instruments act on anything?), "worked on" (which tissues are acted on?).
    ``asked`` is the class of things that the answer is to name or count ("instrument", "tissue" or None for any);
    ``negated`` turns a comparison round ("smaller") or a look ("blurred"); ``unclear`` says that it may be turned round
    or not; ``yes_no`` says that a yes or no is asked for; ``cover`` is what something may be covered with.
    """

    kind: str
    nouns: tuple[Noun, ...] = ()
    asked: str | None = None
    place: str | None = None
    verb: str | None = None
    activity: str | None = None
    negated: bool = False
    unclear: bool = False
    yes_no: bool = False
    cover: Cover | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rule:
    """``kind`` where every one of ``words`` is found and ``without`` is not, of ``nouns`` nouns ("0", "1", "2" or
    several such, 2 being two or more); ``negated`` finds the words that turn it round."""

    kind: str
    nouns: str
    words: tuple[str, ...] = field(default=())
    without: str = ""
    negated: str = ""

    def fits(self, marked: Marked) -> bool:
        if str(min(len(marked.nouns), 2)) not in self.nouns:
            return False
        if self.without and re.search(self.without, marked.text):
            return False
        return all(re.search(pattern, marked.text) for pattern in self.words)


# Antonyms of what looks are asked by, and words that leave open which of the two is meant.
_BLURRED = _any("blur*, unsharp, unfocused, unfocussed, defocused", r"\bout of focus\b")
_SHUT = _any("closed, shut")
_FREE = _any("free of, free from", r"\bclean\b(?! or)")
_MAY_DENY = frozenset(("jaws open", "sharp", "blur", "dirt", "clear", "tip visible", "glare", "view glare"))
_DENIED = r"\b(?:not|no|never|without|unclear|unopened|hidden|hide\w*)\b|n't\b"
_COVERS: Mapping[str, Cover] = {"smok": "smoke", "char": "char", "blood": "blood"}

_INSTR, _PLACE = r"\bINSTR\b", r"\bPLACE\b"
_TWO = (
    _Rule("more", "2", (r"\bmore X1\b.*\bthan X2|\boutnumber|\b(?:number|count) of X1\b.*\bX2",)),
    _Rule("nearer of", "2", (f"{_NEARER}|{_FARTHER}", _WHICH_OF_TWO), _YES, _FARTHER),
    _Rule("nearer", "2", (f"{_NEARER}|{_FARTHER}",), negated=_FARTHER),
    _Rule("larger", "2", (f"{_LARGER}|{_SMALLER}", _WHICH_OF_TWO), _YES, _SMALLER),
    _Rule("larger yes", "2", (f"{_LARGER}|{_SMALLER}",), negated=_SMALLER),
    _Rule("left of", "2", (_any("left"),)),
    _Rule("right of", "2", (_any("right"),)),
    _Rule("above", "2", (_any("above, higher, further up", r"\bover X"),)),
    _Rule("below", "2", (_any("below, lower, under*, beneath, further down"),)),
    _Rule("does touch", "2", (_TOUCH,)),
    _Rule("acts yes", "2", (_ACT,)),
)
_HOPS = (
    _Rule(
        "count kinds", "0", (_any("how many types") + "|" + _COUNT, _any("kinds, types, sorts, different, distinct"))
    ),
    _Rule("hop count", "1", (_COUNT, _INSTR, _TOUCH)),
    _Rule("count actors", "1", (_COUNT, _INSTR, _ACT)),
    _Rule("count", "01", (_COUNT, r"\b(?:INSTR|TISSUE|X1)\b")),
    _Rule("hop colour", "1", (_COLOUR, _ACT)),
    _Rule("hop size", "1", (_SIZE, _ACT)),
    _Rule("hop place", "1", (_WHERE, _INSTR, _ACT)),
)
_LOOKS = (
    _Rule("blood", "01", (_any("bloody, stained red, reddened, stained with X1", r"\bX1 (?:disturb|stain)"), _VIEW)),
    _Rule(
        "cover",
        "1",
        (_any("stained or, charred or, clean or", r"\bstained, charred|\bwith what\b.*\b(?:stain|cover)ed"),),
    ),
    _Rule("covered with", "1", (_any("blood stain*, bloodstain*, smok*, char*"),), _any("what")),
    _Rule("tip", "1", (_any("tip, end, ends"), _WHERE)),
    _Rule("tip visible", "1", (_any("tip, end"), _SEEN)),
    _Rule("entry", "1", (_any("enter*, from where, inserted, edge, border", r"\bcom(?:e|es|ing) (?:in|from|into)\b"),)),
    _Rule("entry", "1", (r"\bside .*\bcom\w+",)),
    _Rule("colour", "1", (_COLOUR,)),
    _Rule("jaws", "1", (r"\bopen\w*\b.*\bclosed\b|\bclosed\b.*\bopen\b|\b(?:state|how)\b.*\bjaws\b",)),
    _Rule("jaws open", "1", (_any("open*, closed, jaws"),), negated=_SHUT),
    _Rule("glare", "1", (_GLARE,), negated=_FREE),
    _Rule("sharp", "1", (_SHARP,), negated=_BLURRED),
)
_DEEDS = (
    _Rule(
        "idle",
        "1",
        (_any("idle, at rest, inactive, resting, do nothing, doing nothing, waiting, unused, out of use"),),
        _TOUCH,
    ),
    _Rule("touched by", "1", (_TOUCH, _INSTR)),
    _Rule("touches tissue", "1", (_TOUCH, r"\bTISSUE\b")),
    _Rule("touches", "1", (_TOUCH,)),
    _Rule("hop touches", "0", (_TOUCH, _INSTR)),
    _Rule("acts on", "1", (_ACT,)),
    _Rule("does", "1", (_any("what task, at work with, used for", r"\bhow (?:is|are) X1 being used\b"),)),
    _Rule("place", "1", (_WHERE,)),
    _Rule("in place", "1", (_PLACE, _YES)),
    _Rule("cover", "1", (_any("cover*, soils, soil, stain*, surface, on X1, over X1, clean"),)),
    _Rule("size", "1", (_SIZE,)),
    _Rule("does", "1", (_any("state of"),)),  # EndoVis-18-VQA asks so
    _Rule("at work", "0", (_INSTR, r"\bTISSUE\b", f"{_ACT}|{_any('operating')}"), _YES),
    _Rule("worked on", "0", (r"\bTISSUE\b", f"{_ACT}|{_any('being operated, operated')}"), _YES),
    _Rule("who does", "0", (_INSTR, r"\bVERB\b")),
    _Rule("nearest", "0", (_any("nearest, closest, smallest distance"), _THINGS)),
    _Rule("largest", "0", (_any("largest, biggest, most of, most space, greatest"), _THINGS)),
    _Rule("does", "1", (_any("action, task, perform*"),)),
    _Rule("does", "1", (_DOES, r"^(?:what|which|how|tell|name|the)\b"), _any("see, find, call, contain, show")),
    _Rule("hop does", "0", (_INSTR, _PLACE, _DOES), _YES),
    _Rule("hop does", "0", (r"\b(?:is|are|does|do) the INSTR do(?:ing)?\b",)),
    _Rule("colour", "0", (_COLOUR, _THINGS)),
    _Rule("place", "0", (_WHERE, _THINGS)),
    _Rule("at place", "0", (_PLACE,)),
)
_WHOLE_VIEW = (
    _Rule("phase", "0", (_any("phase, phases"),)),
    _Rule("smoke", "0", (_any("smok*"),)),
    _Rule("view glare", "0", (f"{_GLARE}|{_any('overexposed')}",), negated=_FREE),
    _Rule("dirt", "0", (_any("dirt*, soiled, lens, optics"),), negated=_FREE),
    _Rule("blur", "0", (_SHARP,), negated=_BLURRED),
    _Rule("disturbs", "0", (_any("gets in the way"),)),
    _Rule("clear", "0", (_any("clear*, undisturbed, visibility, free of*, see well, view good, good view"),)),
    _Rule("disturbs", "0", (_any("disturb*, impair*, hinder*, quality, wrong with, worse, how well, how is the"),)),
    _Rule("activity yes", "0", (r"\b(?:ACTIVITY|VERB)\b", _YES)),
    _Rule("which instruments", "0", (_INSTR, _LIST), _YES),
    _Rule("which tissues", "0", (r"\bTISSUE\b", _LIST), _YES),
    _Rule("any kind", "0", (_THINGS, _YES)),
    _Rule("activity", "0", (_any("surgeon, surgeons, activity, step, happening, going on, being done, they doing"),)),
    _Rule("identify", "1", (f"{_LIST}|{_any('call')}",), r"^(?:is|are|do|does|has|have)\b"),
    _Rule("exists", "1", (_THERE,)),
)  # fmt: skip
_RULES = (*_HOPS, *_TWO, *_LOOKS, *_DEEDS, *_WHOLE_VIEW)


def read_question(question: str, taxonomy: Taxonomy, pointed: Noun | None = None) -> Query | None:
    """The query that a question makes of the scene, None where no rule knows it.

    ``pointed`` is the region that the question is asked of.
    """
    marked = mark(question, taxonomy, pointed)
    for rule in _RULES:
        if rule.fits(marked):
            return Query(
                kind=rule.kind,
                nouns=marked.nouns,
                asked=_asked(marked.text),
                place=marked.place,
                verb=marked.verb,
                activity=marked.activity,
                negated=bool(rule.negated and re.search(rule.negated, marked.text)),
                unclear=bool(rule.kind in _MAY_DENY and re.search(_DENIED, marked.text)),
                cover=next((cover for word, cover in _COVERS.items() if word in marked.text), None),
                yes_no=bool(re.search(_YES, marked.text)),
                options=marked.options,
            )
    return None


def _asked(text: str) -> str | None:
    return "instrument" if "INSTR" in text else "tissue" if "TISSUE" in text else None
