"""Scores of dense segmentation from one confusion matrix, summed over as many frames as there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

IGNORE = 255


@dataclass(frozen=True, slots=True)
class SegmentationScores:
    """Scores in [0, 1]; ``iou`` and ``dice`` have one entry a class, NaN for a class absent from the truth.

    ``miou`` and ``mean_dice`` are means over the classes that occur in the truth of the whole set: what a
    model paints of an absent class counts against the classes it paints over. ``n_px`` counts the pixels
    that were scored.
    """

    miou: float
    mean_dice: float
    pixel_accuracy: float
    iou: tuple[float, ...]
    dice: tuple[float, ...]
    n_px: int


def confusion(predicted: np.ndarray, true: np.ndarray, classes: int, ignore: int = IGNORE) -> np.ndarray:
    """Pixel counts of class ids, shape (classes, classes): rows are the truth, columns the prediction.

    ``predicted`` and ``true`` are integer arrays of one shape; pixels whose truth is ``ignore`` are left
    out. ValueError when the shapes differ or an id is out of range. Sum the matrices of many frames.
    """
    if predicted.shape != true.shape:
        raise ValueError(f"prediction {predicted.shape} and truth {true.shape} differ in shape")
    counted = true != ignore
    rows, columns = true[counted].astype(np.int64), predicted[counted].astype(np.int64)
    for name, ids in (("truth", rows), ("prediction", columns)):
        if ids.size and not (ids.min() >= 0 and ids.max() < classes):
            raise ValueError(f"the {name} has class ids {ids.min()} to {ids.max()}, outside of 0 to {classes - 1}")
    return np.bincount(rows * classes + columns, minlength=classes * classes).reshape(classes, classes)


def segmentation_scores(matrix: np.ndarray) -> SegmentationScores:
    """Scores of a confusion matrix (rows truth); all 0 when no pixel was scored."""
    hits = np.diag(matrix).astype(np.float64)
    true, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    present = true > 0
    nothing = np.full(len(hits), np.nan)
    iou = np.divide(hits, true + predicted - hits, out=nothing.copy(), where=present)
    dice = np.divide(2 * hits, true + predicted, out=nothing.copy(), where=present)
    total = int(matrix.sum())
    return SegmentationScores(
        miou=float(iou[present].mean()) if total else 0.0,
        mean_dice=float(dice[present].mean()) if total else 0.0,
        pixel_accuracy=float(hits.sum() / total) if total else 0.0,
        iou=tuple(iou.tolist()),
        dice=tuple(dice.tolist()),
        n_px=total,
    )
