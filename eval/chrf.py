"""chrF: F score of character n-grams."""

from __future__ import annotations

from collections import Counter

import numpy as np

from describer.eval.captions import Texts, paired
from describer.eval.registry import CAPTIONS, MetricSpec, Scores

_ORDERS = 6
_BETA = 2


def chrf(predictions: Texts, references: Texts) -> Scores:
    """chrF2 in [0, 100], corpus (of pooled counts) and per item; 0 when there are no items.

    Characters 1 to 6 of the raw text, case kept, spaces left out; each item counts its best reference.
    Equal to sacrebleu's chrF2. ValueError: see ``captions.paired``. Source: Popović, WMT 2015.
    """
    captions = paired(predictions, references)
    best = [
        max(_statistics(ours, [_grams(text) for text in texts]), key=_f)
        for ours, texts in zip(map(_grams, captions.candidates), captions.references)
    ]
    items = tuple(map(_f, best))
    return Scores({"chrf": _f(np.sum(best, axis=0)) if best else 0.0}, len(best), {"chrf": items})


def _grams(text: str) -> list[Counter[str]]:
    text = "".join(text.split())
    return [Counter(text[i : i + n] for i in range(len(text) - n + 1)) for n in range(1, _ORDERS + 1)]


def _statistics(ours: list[Counter[str]], texts: list[list[Counter[str]]]) -> list[np.ndarray]:
    """Per reference: n-grams of the candidate, of the reference, and in common, shape (3, orders).

    An order that the reference is too short for counts no n-grams of the candidate either.
    """
    return [
        np.array(
            [(mine.total() if other else 0, other.total(), (mine & other).total()) for mine, other in zip(ours, theirs)]
        ).T
        for theirs in texts
    ]


def _f(statistics: np.ndarray) -> float:
    ours, theirs, common = statistics
    usable = (ours > 0) & (theirs > 0)
    if not common.any():
        return 0.0
    precision = float(np.mean(common[usable] / ours[usable]))
    recall = float(np.mean(common[usable] / theirs[usable]))
    return 100 * (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall)


SPEC = MetricSpec(
    name="chrf",
    inputs=CAPTIONS,
    function=chrf,
    keys=("chrf",),
    summary="F (beta 2) of character n-grams to 6, 0 to 100, as sacrebleu computes chrF2",
    source="Popović, chrF: character n-gram F-score for automatic MT evaluation, WMT 2015.",
)
