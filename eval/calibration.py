"""What confidences are worth: the risk-coverage curve, AUROC of right against wrong, and calibration error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from describer.eval.registry import MetricSpec, Scores

BINS = 15


@dataclass(frozen=True, slots=True)
class CalibrationScores:
    """Over ``n`` answers with a confidence each.

    ``coverage`` and ``risk`` (n entries each) are the curve: answering only the surest ``coverage`` share, ``risk``
    of those are wrong. ``aurc`` is the mean risk over the curve (Geifman and El-Yaniv, NeurIPS 2017), lower is
    better; ``auroc`` the chance that a right answer is surer than a wrong one, NaN when all are right or all
    wrong; ``ece`` the expected calibration error over 15 equal-width bins (Guo et al., ICML 2017). Ties in
    confidence are taken in every order at once, so the order of the input does not matter.
    """

    aurc: float
    auroc: float
    ece: float
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    n: int


def calibration_scores(confidences: Sequence[float], correct: Sequence[bool]) -> CalibrationScores:
    """Scores of confidences in [0, 1] for answers that are right or wrong.

    ValueError when the lengths differ, nothing is given, or a confidence is outside of [0, 1].
    """
    sure, right = np.asarray(confidences, np.float64), np.asarray(correct, bool)
    if len(sure) != len(right) or not len(sure):
        raise ValueError(f"{len(sure)} confidences against {len(right)} answers; give one an answer")
    if not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError("confidences must be in [0, 1]")
    n = len(sure)
    _, group, sizes = np.unique(-sure, return_inverse=True, return_counts=True)
    # Within a tie each place holds the tie's share of errors: the mean over all orders.
    errors = np.repeat(np.bincount(group, ~right) / sizes, sizes)
    risk = np.cumsum(errors) / np.arange(1, n + 1)
    return CalibrationScores(
        aurc=float(risk.mean()),
        auroc=_auroc(group, sizes, right),
        ece=_ece(sure, right),
        coverage=tuple((np.arange(1, n + 1) / n).tolist()),
        risk=tuple(risk.tolist()),
        n=n,
    )


def _auroc(group: np.ndarray, sizes: np.ndarray, right: np.ndarray) -> float:
    """Mann-Whitney U over pairs, ties half; ``group`` 0 is the surest."""
    n_right, n_wrong = int(right.sum()), int((~right).sum())
    if not n_right or not n_wrong:
        return float("nan")
    rights = np.bincount(group, right, minlength=len(sizes))
    wrongs = sizes - rights
    less_sure_wrong = n_wrong - np.cumsum(wrongs)
    return float((rights * (less_sure_wrong + wrongs / 2)).sum() / (n_right * n_wrong))


def _ece(sure: np.ndarray, right: np.ndarray) -> float:
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.abs(np.bincount(bins, right, BINS) - np.bincount(bins, sure, BINS))
    return float(gaps.sum() / len(sure))


def _scores(predictions: Sequence[float], references: Sequence[float]) -> Scores:
    found = calibration_scores(predictions, [bool(value) for value in references])
    return Scores(
        corpus={"aurc": found.aurc, "auroc": found.auroc, "ece": found.ece},
        n=found.n,
        details={"coverage": list(found.coverage), "risk": list(found.risk)},
    )


SPEC = MetricSpec(
    name="calibration",
    inputs=(("predictions", "number"), ("references", "number")),
    function=_scores,
    keys=("aurc", "auroc", "ece"),
    summary="confidences against whether each answer was right (1 or 0): area under risk-coverage, AUROC, ECE",
    source="Geifman and El-Yaniv, NeurIPS 2017; Guo et al., ICML 2017",
    lower_is_better=("aurc", "ece"),
)
