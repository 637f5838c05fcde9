"""CIDEr-D: n-grams weighted by how rare they are among the references."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from describer.eval.captions import Captions, Texts, paired
from describer.eval.ngrams import ORDERS, Corpus, Grams, corpus_of
from describer.eval.ptb import tokenize
from describer.eval.registry import CAPTIONS, MetricSpec, Scores

_SIGMA = 6.0


@dataclass(frozen=True, slots=True)
class DocumentFrequency:
    """In how many of ``n_items`` items an n-gram (a tuple of 1 to 4 tokens) stands in any reference."""

    counts: Mapping[tuple[str, ...], int]
    n_items: int


def document_frequency(references: Iterable[Iterable[str]]) -> DocumentFrequency:
    """Frequencies of a reference corpus, to score small sets by: the references of each item, as raw text."""
    items = [tuple(map(tokenize, texts)) for texts in references]
    corpus = corpus_of(Captions(("",) * len(items), tuple(items)))
    counts: dict[tuple[str, ...], int] = {}
    for order, grams in enumerate(corpus.grams, start=1):
        counts.update(zip(corpus.spelled(grams, order), corpus.frequency(grams).tolist()))
    return DocumentFrequency(counts, len(items))


def cider_d(predictions: Texts, references: Texts, frequency: DocumentFrequency | None = None) -> Scores:
    """CIDEr-D in [0, 10], corpus (the mean of the items) and per item; 0 when there are no items.

    N-grams to 4, sigma 6. Document frequencies come from the references at hand, so scores of different
    sets do not compare and one item alone scores 0, unless ``frequency`` is given. Equal to pycocoevalcap
    1.2 (its class Cider is CIDEr-D). ValueError: see ``captions.paired``. Source: Vedantam et al., CVPR 2015.
    """
    corpus = corpus_of(paired(predictions, references).tokenized())
    n = corpus.n_items
    if n == 0:
        return Scores({"cider_d": 0.0}, 0)
    # One similarity a reference; the length that counts is the number of word pairs.
    pairs = np.maximum(corpus.length - 1, 0)
    short = np.exp(-((pairs[corpus.item] - pairs) ** 2) / (2 * _SIGMA**2))[n:]
    similarity = np.zeros(len(corpus.length) - n)
    documents = np.log(float(frequency.n_items if frequency else n))
    for order, grams in enumerate(corpus.grams, start=1):
        if frequency is None:
            found = corpus.frequency(grams)
        else:
            found = np.array([frequency.counts.get(gram, 0) for gram in corpus.spelled(grams, order)])
        similarity += _similarity(grams, documents - np.log(np.maximum(1.0, found)), corpus)
    per_reference = similarity * short / ORDERS
    item = corpus.item[n:]
    items = 10 * np.bincount(item, per_reference, n) / np.bincount(item, minlength=n)
    return Scores({"cider_d": float(items.mean())}, n, {"cider_d": tuple(items.tolist())})


def _similarity(grams: Grams, idf: np.ndarray, corpus: Corpus) -> np.ndarray:
    """Clipped cosine of each reference with its candidate, shape (references,)."""
    weight = grams.count * idf[grams.gram]
    norm = np.sqrt(np.bincount(grams.sentence, weight**2, len(corpus.item)))
    shared = grams.twin >= 0
    mine = weight[shared]
    clipped = np.minimum(weight[grams.twin[shared]], mine) * mine
    dot = np.bincount(grams.sentence[shared], clipped, len(corpus.item))[corpus.n_items :]
    norms = norm[corpus.n_items :] * norm[corpus.item[corpus.n_items :]]
    return np.divide(dot, norms, out=np.zeros(len(norms)), where=norms != 0)


SPEC = MetricSpec(
    name="cider_d",
    inputs=CAPTIONS,
    function=cider_d,
    keys=("cider_d",),
    summary="cosine of n-grams weighted by rarity among the references, 0 to 10, as pycocoevalcap 1.2 computes it",
    source="Vedantam et al., CIDEr: consensus-based image description evaluation, CVPR 2015.",
)
