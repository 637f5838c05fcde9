"""BLEU-1 to 4: clipped n-gram precision with a brevity penalty."""

from __future__ import annotations

import numpy as np

from describer.eval.captions import Texts, paired
from describer.eval.ngrams import ORDERS, Corpus, Grams, corpus_of
from describer.eval.registry import CAPTIONS, MetricSpec, Scores

# The public scorer's guards against division by zero; they show in scores of sentences shorter than 4 tokens.
_SMALL, _TINY = 1e-9, 1e-15


def bleu(predictions: Texts, references: Texts) -> Scores:
    """BLEU-1 to BLEU-4 in [0, 1], corpus and per item; all 0 when there are no items.

    Effective reference length: the closest to the candidate's, the shorter of two as close. Corpus scores
    pool counts and are not the mean of the items. Equal to pycocoevalcap 1.2. ValueError: see
    ``captions.paired``. Source: Papineni et al., ACL 2002.
    """
    corpus = corpus_of(paired(predictions, references).tokenized())
    n = corpus.n_items
    keys = SPEC.keys
    if n == 0:
        return Scores(dict.fromkeys(keys, 0.0), 0)
    correct = np.stack([_correct(grams, n) for grams in corpus.grams])
    length = corpus.length[:n]
    guessed = np.maximum(0, length - np.arange(ORDERS)[:, None])
    closest = _closest(corpus)
    items = _scores(correct, guessed, length, closest)
    whole = _scores(*(values.sum(axis=-1, keepdims=True) for values in (correct, guessed, length, closest)))
    return Scores(dict(zip(keys, whole[:, 0].tolist())), n, dict(zip(keys, map(tuple, items.tolist()))))


def _correct(grams: Grams, items: int) -> np.ndarray:
    """N-grams of each candidate that its references have, each at most as often as in one of them; (items,)."""
    shared = grams.twin >= 0
    most = np.zeros(len(grams.count), np.int64)
    np.maximum.at(most, grams.twin[shared], grams.count[shared])
    return np.bincount(grams.sentence, np.minimum(most, grams.count), items)[:items]


def _closest(corpus: Corpus) -> np.ndarray:
    """Length of the reference nearest to each candidate's length, shape (items,)."""
    n = corpus.n_items
    length, item = corpus.length[n:], corpus.item[n:]
    order = np.lexsort((length, np.abs(length - corpus.length[item]), item))
    _, begins = np.unique(item[order], return_index=True)
    return length[order][begins]


def _scores(correct: np.ndarray, guessed: np.ndarray, length: np.ndarray, closest: np.ndarray) -> np.ndarray:
    """BLEU-1 to 4, shape (4, n), of counts (4, n) and lengths (n,)."""
    precision = np.cumprod((correct + _TINY) / (guessed + _SMALL), axis=0)
    mean = precision ** (1 / np.arange(1, ORDERS + 1))[:, None]
    ratio = (length + _TINY) / (closest + _SMALL)
    return mean * np.exp(np.minimum(0, 1 - 1 / ratio))


SPEC = MetricSpec(
    name="bleu",
    inputs=CAPTIONS,
    function=bleu,
    keys=tuple(f"bleu_{n}" for n in range(1, ORDERS + 1)),
    summary="clipped n-gram precision with a brevity penalty, as pycocoevalcap 1.2 computes it",
    source="Papineni et al., BLEU: a method for automatic evaluation of machine translation, ACL 2002.",
)
