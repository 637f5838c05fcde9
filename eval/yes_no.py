"""Yes or no: whether an answer affirms and denies what the true one does, whatever else it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from describer.eval.classification import class_scores
from describer.eval.negation import polarity
from describer.eval.registry import MetricSpec, Scores
from describer.eval.vqa import ANSWERS


@dataclass(frozen=True, slots=True)
class YesNoScores:
    """In [0, 1] over the ``n`` items whose true answer says yes or no; an answer that says neither is wrong.

    ``balanced`` is the mean of the shares right of the true yes and of the true no; ``yes_share`` is how often the
    answers say yes, beside ``true_yes_share``: models lean to yes. ``n_neither`` answers say neither.
    """

    accuracy: float
    balanced: float
    yes_share: float
    true_yes_share: float
    n: int
    n_neither: int


def yes_no_scores(candidates: Sequence[str], references: Sequence[str]) -> YesNoScores:
    """Scores by ``negation.polarity`` of both sides; ValueError when the lengths differ."""
    if len(candidates) != len(references):
        raise ValueError(f"{len(candidates)} answers against {len(references)} true answers")
    pairs = [(polarity(said), polarity(true)) for said, true in zip(candidates, references)]
    said, true = [s for s, t in pairs if t], [t for _, t in pairs if t]
    scores = class_scores(said, true)
    return YesNoScores(
        accuracy=scores.accuracy,
        balanced=scores.balanced_accuracy,
        yes_share=said.count("yes") / len(said) if said else 0.0,
        true_yes_share=true.count("yes") / len(true) if true else 0.0,
        n=len(true),
        n_neither=said.count(None),
    )


def _scores(predictions: Sequence[str], references: Sequence[str]) -> Scores:
    found = yes_no_scores(predictions, references)
    right = [
        float("nan") if polarity(true) is None else float(polarity(said) == polarity(true))
        for said, true in zip(predictions, references)
    ]
    return Scores(
        corpus={key: getattr(found, key) for key in SPEC.keys},
        n=len(references),
        items={"accuracy": tuple(right)},
        details={"n_yes_no": found.n, "n_neither": found.n_neither, "true_yes_share": found.true_yes_share},
    )


SPEC = MetricSpec(
    name="yes_no",
    inputs=ANSWERS,
    function=_scores,
    keys=("accuracy", "balanced", "yes_share"),
    summary="negation-aware yes and no, over the items whose true answer is one: accuracy, balanced, share of yes said",
    source="this project (eval/negation.py)",
)
