"""METEOR: words aligned by form, stem and synonym, content words counting more than function words.

Stages: exact, stem (Snowball English) and synonym. The synonyms are those of a taxonomy, names of several words
included. The public scorer takes synonyms from WordNet and has a fourth stage, a table of paraphrases; both want
downloads, so its scores are a little higher (see tests/eval/test_meteor.py for how much).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from describer.eval.alignment import Match, align
from describer.eval.captions import Texts, paired
from describer.eval.registry import CAPTIONS, MetricSpec, Scores
from describer.eval.stemmer import stem
from describer.taxonomy import Taxonomy, load_taxonomy

# METEOR 1.5's parameters for English, tuned to rankings by people.
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_EXACT, _STEM, _SYNONYM = 1.0, 0.6, 0.8

# Words of English with a relative frequency above 1 in 1000: METEOR's definition of a function word.
_COMMON = """, . : ? $ ( ) ' " 't s a about after all also an and are as at be been but by can could first for from
    had has have he her his i if in into is it its last more new no not of on one or other out over people said she so
    some than that the their there they this time to two up was we were what when which who will with would year years
    you"""
_FUNCTION_WORDS = frozenset(_COMMON.split())

Synonyms = Mapping[tuple[str, ...], frozenset[int]]
"""Phrases, and the labels each may stand for."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """Of one candidate and reference: words by kind, weighted matches and chunks, as an array that adds up."""

    values: np.ndarray

    def score(self) -> float:
        ours, theirs, our_words, their_words, our_mass, their_mass, our_matched, their_matched, chunks = self.values
        if not (our_mass and their_mass):
            return 0.0
        precision, recall = our_mass / ours, their_mass / theirs
        mean = precision * recall / (_ALPHA * precision + (1 - _ALPHA) * recall)
        whole = chunks == 1 and our_matched == our_words and their_matched == their_words
        broken = 0.0 if whole else 2 * chunks / (our_matched + their_matched)
        return float(mean * (1 - _GAMMA * broken**_BETA))


def meteor(predictions: Texts, references: Texts, taxonomy: Taxonomy | str | None = "core") -> Scores:
    """METEOR in [0, 1], corpus (of the pooled counts) and per item; 0 when there are no items.

    Each item counts its best reference. ``taxonomy`` (its name, or None for none) gives the synonyms.
    ValueError: see ``captions.paired``. Source: Denkowski and Lavie, Meteor universal, WMT 2014.
    """
    captions = paired(predictions, references).tokenized()
    known = load_taxonomy(taxonomy) if isinstance(taxonomy, str) else taxonomy
    synonyms = _synonyms(known) if known else {}
    best = [
        max((_counts(candidate, text, synonyms) for text in dict.fromkeys(texts)), key=_Counts.score)
        for candidate, texts in zip(captions.candidates, captions.references)
    ]
    pooled = _Counts(np.sum([counts.values for counts in best], axis=0)).score() if best else 0.0
    return Scores({"meteor": pooled}, len(best), {"meteor": tuple(counts.score() for counts in best)})


@functools.lru_cache(maxsize=2**14)
def _words(tokens: str) -> tuple[str, ...]:
    """Tokens as METEOR's own normaliser parts them: hyphens, apostrophes and symbols stand apart or fall away."""
    text = re.sub(r"(?<=[a-z])\.(?=[a-z.]|\s|$)", "", tokens).replace("-", " ")
    text = re.sub(r"(?<=[a-z])'(?=[a-z])", " '", text)
    text = re.sub(r"(?<![a-z] )(?<![a-z])'|'(?![a-z])|(?<=\s)'(?=[a-su-z])", " ' ", text)
    return tuple(re.sub(r"([^\w\s.,'])", r" \1 ", text.replace("_", " _ ")).split())


@functools.lru_cache(maxsize=8)
def _synonyms(taxonomy: Taxonomy) -> Synonyms:
    labels: dict[tuple[str, ...], set[int]] = {}
    for number, label in enumerate(taxonomy.labels):
        for name in (label.name, *label.synonyms):
            labels.setdefault(_stems(_words(name.lower())), set()).add(number)
    return {phrase: frozenset(numbers) for phrase, numbers in labels.items()}


@functools.lru_cache(maxsize=2**14)
def _stems(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(stem, words))


def _counts(candidate: str, reference: str, synonyms: Synonyms) -> _Counts:
    ours, theirs = _words(candidate), _words(reference)
    matches, chunks = align(_matches(ours, theirs, synonyms), len(ours))
    our_weights, their_weights = _weights(ours), _weights(theirs)
    return _Counts(
        np.array(
            [
                sum(our_weights),
                sum(their_weights),
                len(ours),
                len(theirs),
                sum(match.weight * sum(our_weights[match.begin : match.end]) for match in matches),
                sum(match.weight * sum(their_weights[match.other_begin : match.other_end]) for match in matches),
                sum(match.end - match.begin for match in matches),
                sum(match.other_end - match.other_begin for match in matches),
                chunks,
            ]
        )
    )


def _weights(words: Sequence[str]) -> list[float]:
    return [1 - _DELTA if word in _FUNCTION_WORDS else _DELTA for word in words]


def _matches(ours: tuple[str, ...], theirs: tuple[str, ...], synonyms: Synonyms) -> list[Match]:
    """Every match of every stage; what shares a word ("flap", "mucosal flap") matches by that word alone."""
    our_stems, their_stems = _stems(ours), _stems(theirs)
    found = []
    for i, word in enumerate(ours):
        for j, other in enumerate(theirs):
            if word == other:
                found.append(Match(i, i + 1, j, j + 1, _EXACT))
            elif our_stems[i] == their_stems[j]:
                found.append(Match(i, i + 1, j, j + 1, _STEM))
    our_names, their_names = _names(our_stems, synonyms), _names(their_stems, synonyms)
    for begin, end, labels in our_names:
        for other_begin, other_end, others in their_names:
            if labels & others and not {*our_stems[begin:end]} & {*their_stems[other_begin:other_end]}:
                found.append(Match(begin, end, other_begin, other_end, _SYNONYM))
    return found


def _names(stems: tuple[str, ...], synonyms: Synonyms) -> list[tuple[int, int, frozenset[int]]]:
    """Where phrases of the taxonomy stand."""
    longest = max(map(len, synonyms), default=0)
    return [
        (begin, begin + length, synonyms[stems[begin : begin + length]])
        for begin in range(len(stems))
        for length in range(1, min(longest, len(stems) - begin) + 1)
        if stems[begin : begin + length] in synonyms
    ]


SPEC = MetricSpec(
    name="meteor",
    inputs=CAPTIONS,
    function=meteor,
    keys=("meteor",),
    summary="words aligned by form, stem and the taxonomy's synonyms (METEOR 1.5, no WordNet, no paraphrases)",
    source="Denkowski and Lavie, Meteor universal: language specific translation evaluation, WMT 2014.",
)
