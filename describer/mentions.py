"""Finds a taxonomy's words in a text and links them to the regions they can speak of."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from describer.taxonomy import Taxonomy
from describer.types import Region, Scene


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
    return r"[\s-]+".join([*map(re.escape, head), _plural(re.escape(last).replace(r"\-", "-"))])


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


def link(
    text: str, scene: Scene, taxonomy: Taxonomy, about: int | None = None
) -> tuple[tuple[tuple[int, int, int], ...], tuple[str, ...]]:
    """Link entity words to region ids.

    Returns (mentions, ungrounded words). Words of a label with several regions go to the region the text
    is ``about`` first, then to its neighbours in contact, then to the others by id; the same word again
    goes to the next one.
    """
    touching = set() if about is None else set(scene.related(about, "touches"))
    used: dict[str, int] = {}
    mentions, ungrounded = [], []
    for found in find_labels(text, taxonomy):
        candidates = _ranked(scene.regions, found.label, about, touching)
        if not candidates:
            ungrounded.append(text[found.start : found.end])
            continue
        turn = used.get(found.label, 0)
        used[found.label] = turn + 1
        mentions.append((found.start, found.end, candidates[min(turn, len(candidates) - 1)]))
    return tuple(mentions), tuple(ungrounded)


def _ranked(regions: Sequence[Region], label: str, about: int | None, touching: set[int]) -> list[int]:
    ids = [region.id for region in regions if region.label == label]
    return sorted(ids, key=lambda i: (i != about, i not in touching, i))
