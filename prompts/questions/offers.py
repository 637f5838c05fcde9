"""Questions that offer their answers: multiple choice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from describer.prompts.questions.base import NUMBERS, QA, Asker
from describer.types import PLACES
from describer.wording import sentence_case

_COLOURS = (
    *("white", "brown", "pale yellow", "grey", "orange", "reddish brown", "black", "dark brown", "yellow", "beige"),
    *("pale pink", "pink", "silver", "dark red", "red", "pale blue", "purple", "blue"),
)
_SIZES = ("tiny", "small", "medium", "large", "very large")
_FIXED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("place", "tip", "hop place"), PLACES),
    **dict.fromkeys(("colour", "hop colour"), _COLOURS),
    **dict.fromkeys(("size", "hop size"), _SIZES),
    **dict.fromkeys(("count", "hop count", "count kinds"), tuple(word.lower() for word in NUMBERS[:5])),
    "entry": ("left", "right", "top", "bottom"),
    "jaws": ("open", "closed"),
}
_ONE_THING = ("which instruments", "identify", "touched by", "acts on", "acted on by", "who does", "nearest", "largest")
_MAX_SHOWN = 4


def pool_of(ask: Asker, qa: QA) -> tuple[str, ...]:
    """What a question of this kind can be answered with, () where it is not asked as multiple choice."""
    right = plain(qa.answer)
    if qa.kind in ("activity",):
        return ask.taxonomy.activities if right in ask.taxonomy.activities else ()
    if qa.kind in _ONE_THING:
        labels = _labels(ask, instruments=qa.kind not in ("acts on", "identify", "largest"))
        return labels if right in labels else ()
    pool = _FIXED.get(qa.kind, ())
    return pool if right in pool else ()


def _labels(ask: Asker, instruments: bool) -> tuple[str, ...]:
    return tuple(label.name for label in ask.taxonomy.labels if (label.kind == "instrument") == instruments)


def plain(answer: str) -> str:
    """ "In the upper left." -> "upper left", "A hook." -> "hook"."""
    return re.sub(r"^(?:in the|from the|the|an|a) ", "", answer.rstrip(".").lower())


def offered(ask: Asker, qa: QA, pool: tuple[str, ...]) -> QA:
    """The same question with at most four answers to choose from, of which it gives one back word for word."""
    right = plain(qa.answer)
    wrong = [word for word in pool if word != right]
    shown = [wrong[int(i)] for i in ask.rng.permutation(len(wrong))[: _MAX_SHOWN - 1]] + [right]
    choices = tuple(shown[int(i)] for i in ask.rng.permutation(len(shown)))
    question = ask.say("choose", question=qa.question, choices=", ".join(choices))
    return replace(qa, question=question, answer=sentence_case(f"{right}."), choices=choices)
