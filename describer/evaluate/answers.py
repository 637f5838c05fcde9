"""Answers of the run against true answers: by letter, by meaning, per type, as numbers, and how sure they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from describer.eval.answers import normalise, same_answer
from describer.eval.calibration import SPEC as CALIBRATION
from describer.eval.calibration import calibration_scores
from describer.eval.counts import count_scores
from describer.eval.negation import polarity
from describer.eval.reports.report import Curve, ItemScores, Number
from describer.eval.vqa import VqaScores, vqa_scores
from describer.eval.yes_no import yes_no_scores
from describer.evaluate.findings import Findings, known_items, mean_of_items, of_whole
from describer.evaluate.material import AnswerPair, Material

_RIGHT = "normalised words are equal; of yes and no, what is affirmed or denied"


def vqa(material: Material) -> Findings:
    """Shares of right answers, over all questions and per type."""
    pairs = material.answers
    exact = _items("vqa", "exact", "answers", pairs, [float(p.said == p.true) for p in pairs])
    right = _items("vqa", "normalised", "answers", pairs, _right(pairs))
    numbers = [Number("vqa", item.key, "answers", mean_of_items(item), "questions") for item in (exact, right)]
    numbers.append(_whole("vqa", "type_mean", "answers", pairs, lambda some: _vqa(some).type_mean))
    numbers.append(_whole("vqa", "balanced", "answers", pairs, lambda some: _vqa(some).balanced))
    types = sorted({pair.type for pair in pairs})
    for name in types if len(types) > 1 else ():
        chosen = [pair for pair in pairs if pair.type == name]
        about = f"answers: {name or 'no type'}"
        part = _items("vqa", "normalised", about, chosen, _right(chosen))
        numbers.append(Number("vqa", "normalised", about, mean_of_items(part), "questions"))
        numbers.append(_whole("vqa", "balanced", about, chosen, lambda some: _vqa(some).balanced))
    rule = (
        f"Answers: right where {_RIGHT}. Balanced: the share right of each true answer of a type, averaged, then over "
        "types, so that a constant answer earns little."
    )
    return Findings(tuple(numbers), (exact, right), rules=(rule,))


def yes_no(material: Material) -> Findings:
    """The questions whose true answer is a yes or a no; nothing where there are none."""
    pairs = [pair for pair in material.answers if polarity(pair.true) is not None]
    if not pairs:
        return Findings()
    keys = ("accuracy", "balanced", "yes_share")

    def of(key: str) -> Callable[[Sequence[AnswerPair]], float]:
        return lambda some: float(getattr(yes_no_scores([p.said for p in some], [p.true for p in some]), key))

    return Findings(tuple(_whole("yes_no", key, "yes/no answers", pairs, of(key)) for key in keys))


def counts(material: Material) -> Findings:
    """The questions whose true answer is a number and nothing else; nothing where there are none."""
    pairs = [pair for pair in material.answers if normalise(pair.true).isdecimal()]
    if not pairs:
        return Findings()

    def of(key: str) -> Callable[[Sequence[AnswerPair]], float]:
        return lambda some: float(getattr(count_scores([p.said for p in some], [p.true for p in some]), key))

    keys = (("exact", False), ("within_1", False), ("mae", True))
    return Findings(tuple(_whole("counts", key, "counts", pairs, of(key), worse) for key, worse in keys))


def calibration(material: Material) -> Findings:
    """What the run's confidences are worth; nothing where it gives none."""
    pairs = [pair for pair in material.answers if pair.confidence is not None]
    if not pairs:
        return Findings()
    found = calibration_scores([p.confidence or 0.0 for p in pairs], [value == 1 for value in _right(pairs)])

    def of(key: str) -> Callable[[Sequence[AnswerPair]], float]:
        def value(some: Sequence[AnswerPair]) -> float:
            scores = calibration_scores([p.confidence or 0.0 for p in some], [v == 1 for v in _right(some)])
            return float(getattr(scores, key))

        return value

    numbers = tuple(
        _whole("calibration", key, "confidences", pairs, of(key), key in CALIBRATION.lower_is_better)
        for key in CALIBRATION.keys
    )
    curve = Curve("confidence of answers", _RIGHT, found.coverage, found.risk, found.n, "answers")
    return Findings(numbers, curves=(curve,))


def _right(pairs: Sequence[AnswerPair]) -> list[float]:
    return [float(same_answer(pair.said, pair.true)) for pair in pairs]


def _vqa(pairs: Sequence[AnswerPair]) -> VqaScores:
    return vqa_scores([p.said for p in pairs], [p.true for p in pairs], [p.type for p in pairs])


def _items(metric: str, key: str, about: str, pairs: Sequence[AnswerPair], values: Sequence[float]) -> ItemScores:
    return known_items(metric, key, about, [p.id for p in pairs], [p.video for p in pairs], values)


def _whole(
    metric: str,
    key: str,
    about: str,
    pairs: Sequence[AnswerPair],
    score: Callable[[Sequence[AnswerPair]], float],
    lower_is_better: bool = False,
) -> Number:
    def statistic(chosen: np.ndarray) -> float:
        return score([pairs[i] for i in chosen])

    interval = of_whole(statistic, [p.video for p in pairs])
    return Number(metric, key, about, interval, "questions", lower_is_better)
