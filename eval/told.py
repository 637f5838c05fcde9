"""What a text says of where things are and of what they touch, as pairs that can be held against a true text's.

The words are those of the canonical sentences and their common rewordings; a text in other words says nothing here,
and what it leaves out counts against it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from describer.eval.truth import Rate
from describer.mentions import Found, find_labels
from describer.taxonomy import Taxonomy

Pairs = Counter[tuple[str, str]]

_ROW = {"upper": "upper", "top": "upper", "lower": "lower", "bottom": "lower"}
_MIDDLE = "center|centre|middle"
_PLACE = re.compile(
    rf"\b(?:(upper|top|lower|bottom|{_MIDDLE})[\s-](left|right|{_MIDDLE})|({_MIDDLE})"
    r"|from the (left|right|top|bottom))\b"
)
_CONTACT = re.compile(
    r"\b(?:(at work on|acting on|acts? on)|touch(?:ing|es)|touched by|next to|in contact with)\b(\s+nothing\b)?"
)
_PLACED = re.compile(r"\s+(?:in|at|near) the\b")
_NOTHING = "nothing"


def places_told(text: str, taxonomy: Taxonomy) -> Pairs:
    """(label, place) of every place word, as "grasper", "upper left" or "from the left".

    A place word belongs to the last label before it in its sentence; "" where there is none.
    """
    pairs: Pairs = Counter()
    for sentence in _sentences(text):
        found = find_labels(sentence, taxonomy)
        for match in _PLACE.finditer(sentence):
            owner = next((word.label for word in reversed(found) if word.end <= match.start()), "")
            pairs[owner, _place(match)] += 1
    return pairs


def contacts_told(text: str, taxonomy: Taxonomy) -> Pairs:
    """("grasper acts on", label) and ("grasper touches", label) of everything a text says is in contact.

    The subject is the label before the contact words; "nothing" is an object too. What follows "at work on" is acted
    on, all else is touched.
    """
    pairs: Pairs = Counter()
    for sentence in _sentences(text):
        found = find_labels(sentence, taxonomy)
        cues = list(_CONTACT.finditer(sentence))
        subject = ""
        for i, cue in enumerate(cues):
            before = [word for word in found if word.end <= cue.start()]
            if i == 0 or _speaks_anew(sentence, before, cues[i - 1].end()):
                subject = before[-1].label if before else ""
            verb = f"{subject} acts on" if cue.group(1) else f"{subject} touches"
            end = cues[i + 1].start() if i + 1 < len(cues) else len(sentence)
            objects = [word for word in found if cue.end() <= word.start < end]
            if cue.group(2):
                pairs[verb, _NOTHING] += 1
            for word in objects:
                if _PLACED.match(sentence, word.end):
                    break  # a new subject with a place of its own
                pairs[verb, word.label] += 1
    return pairs


def agreement(
    candidates: Sequence[str], references: Sequence[str], told: Callable[[str, Taxonomy], Pairs], taxonomy: Taxonomy
) -> Rate:
    """Pairs that a candidate shares with its reference, of those either of them tells, whichever tells more.

    So what is wrong and what is left out both count, each once. ValueError when the lengths differ.
    """
    total = Rate(0, 0)
    for candidate, reference in zip(candidates, references, strict=True):
        ours, theirs = told(candidate, taxonomy), told(reference, taxonomy)
        total += Rate((ours & theirs).total(), max(ours.total(), theirs.total()))
    return total


def said_right(
    candidates: Sequence[str], references: Sequence[str], told: Callable[[str, Taxonomy], Pairs], taxonomy: Taxonomy
) -> Rate:
    """Pairs that a candidate shares with its reference, of those that the candidate tells. ValueError as above."""
    total = Rate(0, 0)
    for candidate, reference in zip(candidates, references, strict=True):
        ours = told(candidate, taxonomy)
        total += Rate((ours & told(reference, taxonomy)).total(), ours.total())
    return total


def _sentences(text: str) -> list[str]:
    return re.split(r"[.;]", text.lower())


def _place(match: re.Match[str]) -> str:
    row, column, middle, side = match.groups()
    if side:
        return f"from the {side}"
    if middle:
        return "center"
    row, column = _ROW.get(row, "center"), "center" if re.fullmatch(_MIDDLE, column) else column
    return "center" if row == column else f"{row} {column}"


def _speaks_anew(sentence: str, before: Sequence[Found], last_cue_end: int) -> bool:
    """Whether a label with a place of its own stands between the last contact words and these."""
    return any(word.start >= last_cue_end and _PLACED.match(sentence, word.end) for word in before)
