"""Counts of n-grams over all sentences of a corpus at once, as arrays."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from describer.eval.captions import Captions

ORDERS = 4


@dataclass(frozen=True, slots=True)
class Grams:
    """The distinct n-grams of one order in every sentence of a corpus.

    ``sentence``, ``gram`` and ``count``, shape (entries,), name a sentence, an n-gram and how often it
    stands there; candidates come first. ``twin`` (entries,) is the entry of the same n-gram in the
    candidate that a reference belongs to, -1 where there is none and for candidates. ``place`` (n-grams,)
    is the token at which an n-gram can be found.
    """

    sentence: np.ndarray
    gram: np.ndarray
    count: np.ndarray
    twin: np.ndarray
    place: np.ndarray


@dataclass(frozen=True, slots=True)
class Corpus:
    """Tokens of all sentences one after another, candidates first: ``words`` as text, (tokens,) as numbers.

    ``length`` and ``item``, shape (sentences,), are each sentence's number of tokens and its item.
    ``grams`` are those of order 1 to 4.
    """

    n_items: int
    words: tuple[str, ...]
    length: np.ndarray
    item: np.ndarray
    grams: tuple[Grams, ...]

    def frequency(self, grams: Grams) -> np.ndarray:
        """In how many items each n-gram stands in a reference, shape (n-grams,)."""
        theirs = grams.sentence >= self.n_items
        found = np.sort(self.item[grams.sentence[theirs]] * len(grams.place) + grams.gram[theirs])
        new = np.diff(found, prepend=-1) > 0
        return np.bincount(found[new] % max(len(grams.place), 1), minlength=len(grams.place))

    def spelled(self, grams: Grams, order: int) -> list[tuple[str, ...]]:
        """The words of each n-gram."""
        return [self.words[place : place + order] for place in grams.place.tolist()]


# BLEU and CIDEr-D count the same n-grams, one after the other.
@functools.lru_cache(maxsize=1)
def corpus_of(captions: Captions) -> Corpus:
    """Count the n-grams of tokenised captions."""
    texts = [*captions.candidates, *itertools.chain.from_iterable(captions.references)]
    # Split on every kind of space, as the public scorer does: its tokeniser leaves some inside of tokens.
    lines = [text.split() for text in texts]
    words = tuple(itertools.chain.from_iterable(lines))
    numbers = {word: number for number, word in enumerate(dict.fromkeys(words))}
    token = np.fromiter(map(numbers.__getitem__, words), np.int64, len(words))
    length = np.fromiter(map(len, lines), np.int64, len(lines))
    items = np.arange(len(captions.candidates))
    item = np.concatenate([items, np.repeat(items, [len(texts) for texts in captions.references])])
    return Corpus(len(items), words, length, item, tuple(_grams(token, len(numbers), length, item, len(items))))


def _grams(token: np.ndarray, words: int, length: np.ndarray, item: np.ndarray, n_items: int) -> Iterator[Grams]:
    of = np.repeat(np.arange(len(length)), length)
    left = np.cumsum(length)[of] - np.arange(len(token))
    start, gram, distinct = np.arange(len(token)), token, words
    for order in range(1, ORDERS + 1):
        if order > 1:
            inside = left[start] >= order
            start = start[inside]
            gram, distinct = _renumbered(gram[inside] * words + token[start + order - 1], distinct * words)
        place = np.zeros(distinct, np.int64)
        place[gram] = start
        pair, count = np.unique(of[start] * distinct + gram, return_counts=True)
        sentence, entry = np.divmod(pair, max(distinct, 1))
        yield Grams(sentence, entry, count, _twins(item[sentence] * distinct + entry, sentence, n_items), place)


def _renumbered(values: np.ndarray, bound: int) -> tuple[np.ndarray, int]:
    """The same values as 0 to k - 1, and k; all lie below ``bound``."""
    if bound > 16 * len(values):
        found, number = np.unique(values, return_inverse=True)
        return number, len(found)
    # A table is several times faster than sorting where the vocabulary is small, as in captions.
    seen = np.zeros(bound + 1, bool)
    seen[values] = True
    number = np.cumsum(seen) - 1
    return number[values], int(number[-1]) + 1


def _twins(key: np.ndarray, sentence: np.ndarray, n_items: int) -> np.ndarray:
    """See Grams.twin; ``key`` tells item and n-gram, and ascends within the candidates."""
    ours = int(np.searchsorted(sentence, n_items))
    twin = np.full(len(key), -1)
    if ours:
        near = np.minimum(np.searchsorted(key[:ours], key[ours:]), ours - 1)
        twin[ours:] = np.where(key[near] == key[ours:], near, -1)
    return twin
