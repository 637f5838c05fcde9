"""What a text affirms and what it denies: yes or no of an answer, and entity words that are said to be absent.

Rules over words, for the short plain English of answers and captions; n-gram scores and sentence embeddings are
blind to exactly this ("is active" against "is not active" is 0.88 alike to a common embedding).
"""

from __future__ import annotations

import re
from typing import Literal

from describer.mentions import Found, find_labels
from describer.taxonomy import Taxonomy

Polarity = Literal["yes", "no"]

_YES = re.compile(r"\W*(?:yes|yeah|yep|true|correct|indeed|affirmative)\b", re.IGNORECASE)
_NO = re.compile(r"\W*(?:no|nope|false|incorrect|negative)\b", re.IGNORECASE)
_UNSURE = re.compile(
    r"\b(?:can ?not|can['’]?t|unable to|impossible to|hard to|not possible to|do(?:es)? not|don['’]?t) "
    r"(?:\w+ )?(?:tell|say|determine|know|see clearly|answer|judge)\b"
    r"|\b(?:unsure|not sure|unclear|not clear|unknown|uncertain)\b",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:no|not|none|nothing|never|neither|nor|without|absent|cannot|nowhere)\b|\w+n['’]t\b", re.IGNORECASE
)

_FILL = (
    r"(?:(?:a|an|any|the|visible|clear|evident|obvious|apparent|active|further|other|more|signs? of|evidence of)\s+)*"
)
_BEFORE = re.compile(rf"\b(?:no|without|not|neither|absence of|lack of|free of)\s+{_FILL}$", re.IGNORECASE)
_AFTER = re.compile(
    r"\s+(?:(?:is|are|was|were)(?: not|n['’]t)(?: \w+ly)? (?:visible|present|seen|shown|in view|in the view|there)\b"
    r"|(?:is|are|was|were) (?:absent|missing|out of view)\b"
    r"|can(?:not| not|['’]t) be seen\b)",
    re.IGNORECASE,
)
_LISTED = re.compile(rf"\s*(?:,|,?\s*(?:or|nor|and))\s+{_FILL}", re.IGNORECASE)
_OR = re.compile(r"\b(?:or|nor)\b", re.IGNORECASE)


def polarity(text: str) -> Polarity | None:
    """Whether an answer says yes or no; None when it says neither or says that it does not know.

    A leading yes or no decides, whatever follows ("Yes, no bleeding is seen" is a yes). Without one, a denying
    word anywhere makes it a no ("There are none"). A bare statement ("Forceps") is neither.
    """
    if _YES.match(text):
        return "yes"
    if _NO.match(text):
        return "no"
    if _UNSURE.search(text):
        return None
    return "no" if _DENIES.search(text) else None


def affirmed_labels(text: str, taxonomy: Taxonomy) -> tuple[Found, ...]:
    """The taxonomy's words in a text without those it denies ("no snare", "a snare is not visible").

    Of a list, a word before it denies all up to what its last "or" joins ("no snare, hook or clip"), words after
    it in the plural deny all ("liver and fat are not visible"); otherwise only the nearest word is denied.
    """
    found = find_labels(text, taxonomy)
    kept: list[Found] = []
    i = 0
    while i < len(found):
        end = _list_end(text, found, i)
        first, last = found[i], found[end - 1]
        after = _AFTER.match(text[last.end :])
        denied: set[Found] = set()
        if _BEFORE.search(text[: first.start]):
            denied.update(found[i : _or_end(text, found, i, end)])
        if after:
            denied.update(found[i:end] if after.group().lstrip().lower().startswith(("are", "were")) else [last])
        kept += [word for word in found[i:end] if word not in denied]
        i = end
    return tuple(kept)


def _list_end(text: str, found: tuple[Found, ...], start: int) -> int:
    """One past the last word of the list of labels that begins with ``start``."""
    end = start + 1
    while end < len(found) and _LISTED.fullmatch(text[found[end - 1].end : found[end].start]):
        end += 1
    return end


def _or_end(text: str, found: tuple[Found, ...], start: int, end: int) -> int:
    """One past the word that the list's last "or" or "nor" joins to it; without one, past its first word."""
    joined = [k for k in range(start + 1, end) if _OR.search(text[found[k - 1].end : found[k].start])]
    return max(joined, default=start) + 1
