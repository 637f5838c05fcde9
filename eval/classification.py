"""Scores of a choice among classes, such as the activity: confusion, accuracy, balanced accuracy, macro-F1."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from describer.eval.registry import MetricSpec, Scores


@dataclass(frozen=True, slots=True)
class ClassScores:
    """In [0, 1] over ``n`` pairs; all 0 when n is 0.

    ``macro_f1`` is the mean F1 of the classes in the truth or the prediction, ``balanced_accuracy`` the mean
    recall of those in the truth.
    """

    accuracy: float
    macro_f1: float
    balanced_accuracy: float
    n: int


def confusion(predicted: Sequence[Hashable], true: Sequence[Hashable], classes: Sequence[Hashable]) -> np.ndarray:
    """Counts, shape (classes, classes): rows are the truth, columns the prediction.

    ValueError when the lengths differ or a value is not among ``classes``.
    """
    if len(predicted) != len(true):
        raise ValueError(f"{len(predicted)} predictions against {len(true)} true values")
    index = {name: i for i, name in enumerate(classes)}
    unknown = {value for value in (*predicted, *true) if value not in index}
    if unknown:
        raise ValueError(f"values {sorted(map(str, unknown))} are not among the classes {list(classes)}")
    matrix = np.zeros((len(index), len(index)), np.int64)
    for guess, truth in zip(predicted, true):
        matrix[index[truth], index[guess]] += 1
    return matrix


def f1_of(matrix: np.ndarray) -> np.ndarray:
    """F1 of each class of a confusion matrix, NaN for a class that is neither true nor predicted."""
    hits = np.diag(matrix).astype(np.float64)
    total = matrix.sum(axis=0) + matrix.sum(axis=1)
    return np.divide(2 * hits, total, out=np.full(len(hits), np.nan), where=total > 0)


def recall_of(matrix: np.ndarray) -> np.ndarray:
    """Recall of each class of a confusion matrix, NaN for a class absent from the truth."""
    hits, total = np.diag(matrix).astype(np.float64), matrix.sum(axis=1)
    return np.divide(hits, total, out=np.full(len(hits), np.nan), where=total > 0)


def class_scores(predicted: Sequence[Hashable], true: Sequence[Hashable]) -> ClassScores:
    """Accuracy, macro-F1 and balanced accuracy; ValueError when the lengths differ."""
    if not true and not predicted:
        return ClassScores(0.0, 0.0, 0.0, 0)
    matrix = confusion(predicted, true, list(dict.fromkeys((*true, *predicted))))
    return ClassScores(
        accuracy=float(np.trace(matrix) / matrix.sum()),
        macro_f1=float(np.nanmean(f1_of(matrix))),
        balanced_accuracy=float(np.nanmean(recall_of(matrix))),
        n=len(true),
    )


def _scores(predictions: Sequence[Hashable], references: Sequence[Hashable]) -> Scores:
    found = class_scores(predictions, references)
    classes = sorted({*predictions, *references}, key=str)
    return Scores(
        corpus={key: getattr(found, key) for key in SPEC.keys},
        n=found.n,
        items={"accuracy": tuple(float(guess == true) for guess, true in zip(predictions, references))},
        details={"classes": classes, "confusion": confusion(predictions, references, classes).tolist()},
    )


SPEC = MetricSpec(
    name="classification",
    inputs=(("predictions", "label"), ("references", "label")),
    function=_scores,
    keys=("accuracy", "macro_f1", "balanced_accuracy"),
    summary="one class an item, such as the activity: accuracy, macro-F1, balanced accuracy, confusion",
    source="Sokolova and Lapalme, A systematic analysis of performance measures, 2009; equal to scikit-learn",
)
