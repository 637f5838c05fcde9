"""Finds a taxonomy's words in a text and links them to the regions they can speak of."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from describer.taxonomy import Taxonomy
from describer.types import Region, Scene

# Hyphens as keyboards and as typesetters write them.
_JOIN = r"[\s\-\u2010-\u2013]+"
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


@dataclass(frozen=True, slots=True)
class Found:
    """A taxonomy word in a text: character span and the label's name."""

    start: int
    end: int
    label: str


def _plural(word: str) -> str:
    if re.search(r"(s|x|ch|sh)$", word):
        return f"{word}(?:es)?"
    if word.endswith("knife"):
        return f"{word[:-2]}(?:fe|ves)"
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}(?:y|ies)"
    return f"{word}s?"


def _pattern(phrase: str) -> str:
    *head, last = re.split(r"[\s-]+", phrase.lower())
    return _JOIN.join([*map(re.escape, head), _plural(re.escape(last).replace(r"\-", "-"))])


@functools.lru_cache(maxsize=32)
def _compiled(taxonomy: Taxonomy) -> tuple[re.Pattern[str], tuple[str, ...]]:
    pairs = [(word, label.name) for label in taxonomy.labels for word in (label.name, *label.synonyms)]
    # Longest phrase first, so that "needle driver" is never read as a needle.
    pairs.sort(key=lambda pair: -len(pair[0]))
    groups = "|".join(f"({_pattern(word)})" for word, _ in pairs)
    return re.compile(rf"\b(?:{groups})\b", re.IGNORECASE), tuple(name for _, name in pairs)


def find_labels(text: str, taxonomy: Taxonomy) -> tuple[Found, ...]:
    """Every name, synonym and plural of the taxonomy in ``text``, longest match first, left to right."""
    pattern, names = _compiled(taxonomy)
    return tuple(Found(m.start(), m.end(), names[(m.lastindex or 1) - 1]) for m in pattern.finditer(text))


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


def link(
    text: str, scene: Scene, taxonomy: Taxonomy, about: int | None = None
) -> tuple[tuple[tuple[int, int, int], ...], tuple[str, ...]]:
    """Link entity words to region ids.

    Returns (mentions, ungrounded words). Words of a label with several regions go to the region the text
    is ``about`` first, then to its neighbours in contact, then to the others by id; the same word again
    goes to the next one. A word without a region that the text denies ("no snare") is not ungrounded: it is true.
    """
    touching = set() if about is None else set(scene.related(about, "touches"))
    used: dict[str, int] = {}
    affirmed = set(affirmed_labels(text, taxonomy))
    mentions, ungrounded = [], []
    for found in find_labels(text, taxonomy):
        candidates = _ranked(scene.regions, found.label, about, touching)
        if not candidates:
            if found in affirmed:
                ungrounded.append(text[found.start : found.end])
            continue
        turn = used.get(found.label, 0)
        used[found.label] = turn + 1
        mentions.append((found.start, found.end, candidates[min(turn, len(candidates) - 1)]))
    return tuple(mentions), tuple(ungrounded)


def _ranked(regions: Sequence[Region], label: str, about: int | None, touching: set[int]) -> list[int]:
    ids = [region.id for region in regions if region.label == label]
    return sorted(ids, key=lambda i: (i != about, i not in touching, i))
