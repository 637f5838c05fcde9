"""Boundary F: how well outlines agree within a small distance, where IoU sees only areas.

The measure of the DAVIS benchmark (Perazzi et al., CVPR 2016): precision is the share of predicted outline pixels
within the tolerance of a true one, recall the share of true ones within it of a predicted one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from describer.eval.registry import MetricSpec, Scores
from describer.eval.segmentation import IGNORE, LABEL_MAPS

TOLERANCE = 0.008


@dataclass(frozen=True, slots=True)
class BoundaryScores:
    """Boundary ``f`` in [0, 1], the mean over the ``n_classes`` classes in the truth, 0 when there is none.

    ``by_class`` has one entry a class, NaN for a class absent from the truth.
    """

    f: float
    by_class: tuple[float, ...]
    n_classes: int


def boundary_f(
    predicted: np.ndarray, true: np.ndarray, tolerance: float = TOLERANCE, valid: np.ndarray | None = None
) -> float:
    """F of the outlines of two (H, W) bool masks: 1 when both have none, 0 when one has.

    ``tolerance`` is a share of the frame's diagonal, rounded up to whole pixels (0.008 is DAVIS'). Where
    ``valid`` (H, W) is False no outline is counted. ValueError when the shapes differ.
    """
    if predicted.shape != true.shape or predicted.ndim != 2:
        raise ValueError(f"prediction {predicted.shape} and truth {true.shape} must be (H, W) of one size")
    known = np.ones(true.shape, bool) if valid is None else valid
    radius_px = math.ceil(tolerance * math.hypot(*true.shape))
    ours, theirs = outline(predicted, known), outline(true, known)
    if not ours.any() or not theirs.any():
        return float(not ours.any() and not theirs.any())
    precision = _share_near(ours, theirs, radius_px)
    recall = _share_near(theirs, ours, radius_px)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary_scores(
    predicted: np.ndarray, true: np.ndarray, classes: int, ignore: int = IGNORE, tolerance: float = TOLERANCE
) -> BoundaryScores:
    """Boundary F of each class of two (H, W) maps of class ids; see ``boundary_f``.

    No outline is counted where the truth is ``ignore`` or against such a pixel.
    """
    known = true != ignore
    values = [
        boundary_f(predicted == i, true == i, tolerance, known) if np.any(true == i) else math.nan
        for i in range(classes)
    ]
    present = [value for value in values if not math.isnan(value)]
    return BoundaryScores(float(np.mean(present)) if present else 0.0, tuple(values), len(present))


def outline(mask: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Pixels of (H, W) that differ from their right, lower or lower-right neighbour; the frame's edge is none."""
    edge = np.zeros(mask.shape, bool)
    for here, there in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1], np.s_[1:]),
        (np.s_[:-1, :-1], np.s_[1:, 1:]),
    ):
        edge[here] |= (mask[here] != mask[there]) & valid[here] & valid[there]
    return edge


def _share_near(outline_px: np.ndarray, other: np.ndarray, radius_px: int) -> float:
    distance_px = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # A distance is the root of a whole number: the half keeps float32 noise away from the rim of the disc.
    near = distance_px[outline_px] ** 2 < radius_px**2 + 0.5
    return float(near.mean())


def _scores(
    predictions: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    classes: int | None = None,
    ignore: int = IGNORE,
    tolerance: float = TOLERANCE,
) -> Scores:
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predicted maps against {len(references)} true ones")
    values = []
    for predicted, reference in zip(predictions, references):
        ids, true = np.asarray(predicted), np.asarray(reference)
        number = classes or 1 + int(np.max(true, where=true != ignore, initial=0))
        found = boundary_scores(ids, true, number, ignore, tolerance)
        values.append(found.f if found.n_classes else math.nan)
    known = [value for value in values if not math.isnan(value)]
    return Scores(
        corpus={"boundary_f": float(np.mean(known)) if known else 0.0},
        n=len(values),
        items={"boundary_f": tuple(values)},
        details={"n_frames": len(known)},
    )


SPEC = MetricSpec(
    name="boundary_f",
    inputs=LABEL_MAPS,
    function=_scores,
    keys=("boundary_f",),
    summary="agreement of outlines within 0.8 % of the diagonal: mean over a frame's true classes, then over frames",
    source="Perazzi et al., A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation, CVPR 2016",
)
