"""Counts of n-grams over all sentences of a corpus at once, as arrays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from describer.eval.captions import Captions


@dataclass(frozen=True, slots=True)
class Grams:
    """Distinct n-grams of one order in every sentence of a corpus of ``n_items`` items.

    ``sentence``, ``gram`` and ``count``, shape (entries,), name a sentence, an n-gram and how often it
    stands there. Sentences are the candidates 0 to n_items - 1, then all references; ``item`` (sentences,)
    is the item of each. ``first`` (distinct n-grams,) is the token place where an n-gram is found.
    """

    n_items: int
    item: np.ndarray
    sentence: np.ndarray
    gram: np.ndarray
    count: np.ndarray
    first: np.ndarray

    def key(self, entries: np.ndarray) -> np.ndarray:
        """One number for the item and the n-gram of each of the ``entries``."""
        return self.item[self.sentence[entries]] * len(self.first) + self.gram[entries]

    def candidates(self) -> np.ndarray:
        """Entries of candidates, by ascending key."""
        return np.flatnonzero(self.sentence < self.n_items)

    def references(self) -> np.ndarray:
        """Entries of references."""
        return np.flatnonzero(self.sentence >= self.n_items)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Tokens of all sentences one after another: ``words`` as text, ``token`` as numbers, shape (tokens,).

    ``sentence`` (tokens,) is the sentence of each token, ``length`` (sentences,) their numbers of tokens,
    ``item`` (sentences,) the item of each sentence; candidates come first.
    """

    n_items: int
    words: tuple[str, ...]
    token: np.ndarray
    sentence: np.ndarray
    length: np.ndarray
    item: np.ndarray

    def grams(self, longest: int) -> Iterator[Grams]:
        """N-grams of order 1 to ``longest``."""
        ends = np.cumsum(self.length)[self.sentence]
        start = np.arange(len(self.token))
        gram = self.token
        for n in range(1, longest + 1):
            if n > 1:
                inside = start + n <= ends[start]
                start = start[inside]
                gram = gram[inside] * (len(self.words) + 1) + self.token[start + n - 1]
            _, first, gram = np.unique(gram, return_index=True, return_inverse=True)
            pair, count = np.unique(self.sentence[start] * max(len(first), 1) + gram, return_counts=True)
            sentence, entry = np.divmod(pair, max(len(first), 1))
            yield Grams(self.n_items, self.item, sentence, entry, count, start[first])


def corpus_of(captions: Captions) -> Corpus:
    """Number the tokens of tokenised captions."""
    texts = [*captions.candidates, *itertools.chain.from_iterable(captions.references)]
    # Split on every kind of space, as the public scorer does: its tokeniser leaves some inside of tokens.
    lines = [text.split() for text in texts]
    words = tuple(itertools.chain.from_iterable(lines))
    numbers: dict[str, int] = {}
    token = np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), np.int64, len(words))
    length = np.fromiter(map(len, lines), np.int64, len(lines))
    items = np.arange(len(captions.candidates))
    item = np.concatenate([items, np.repeat(items, [len(texts) for texts in captions.references])])
    return Corpus(len(items), words, token, np.repeat(np.arange(len(lines)), length), length, item)
