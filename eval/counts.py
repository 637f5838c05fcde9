"""Answers that are numbers: how far off, not only whether right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from describer.eval.answers import number_of
from describer.eval.registry import MetricSpec, Scores
from describer.eval.vqa import ANSWERS


@dataclass(frozen=True, slots=True)
class CountScores:
    """Over ``n`` questions with a number as the true answer.

    ``exact`` and ``within_1`` are shares of all n, an answer without a number being wrong. ``mae`` is the mean
    absolute error of the ``n_read`` answers that name a number, NaN when none does.
    """

    exact: float
    within_1: float
    mae: float
    n: int
    n_read: int


def count_scores(candidates: Sequence[str], references: Sequence[str | int]) -> CountScores:
    """Scores of counts in words or digits ("Two.", "3 graspers", "none").

    ValueError when the lengths differ or a true answer names no number.
    """
    if len(candidates) != len(references):
        raise ValueError(f"{len(candidates)} answers against {len(references)} true answers")
    true = [number_of(str(reference)) for reference in references]
    if None in true:
        raise ValueError(f"the true answer {references[true.index(None)]!r} names no number")
    said = [number_of(candidate) for candidate in candidates]
    errors = np.array([abs(s - t) for s, t in zip(said, true) if s is not None and t is not None], np.float64)
    n = len(references)
    return CountScores(
        exact=float(np.count_nonzero(errors == 0) / n) if n else 0.0,
        within_1=float(np.count_nonzero(errors <= 1) / n) if n else 0.0,
        mae=float(errors.mean()) if errors.size else float("nan"),
        n=n,
        n_read=len(errors),
    )


def _scores(predictions: Sequence[str], references: Sequence[str]) -> Scores:
    found = count_scores(predictions, references)
    return Scores(
        corpus={"exact": found.exact, "within_1": found.within_1, "mae": found.mae},
        n=found.n,
        details={"n_read": found.n_read},
    )


SPEC = MetricSpec(
    name="counts",
    inputs=ANSWERS,
    function=_scores,
    keys=("exact", "within_1", "mae"),
    summary="answers that are numbers, in words or digits: share right, share off by at most 1, mean absolute error",
    source="this project (eval/counts.py)",
    lower_is_better=("mae",),
)
