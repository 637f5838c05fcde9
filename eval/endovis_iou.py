"""The three IoUs of the EndoVis 2017 and 2018 instrument papers: Ch_IoU, ISI_IoU and mcIoU.

The definition is that of the public scorers of ISINet (Gonzalez et al., MICCAI 2020, "challenge IoU", "IoU" and
"mean class IoU"), which MATIS, S3Net and SurgicalSAM report by. With T the instrument classes in a frame's truth
and P those in its prediction, background left out:

- Ch_IoU: mean over frames of the mean IoU over T. A frame with empty T is left out, whatever was painted on it.
- ISI_IoU: mean over frames of the mean IoU over T and P together, so that a class that is not there scores 0. A
  frame with both empty is left out.
- mcIoU: for each class the mean of its IoU over the frames that have it in T or P; then the mean over the classes
  that any frame has.

Two other scorers in use differ in the corners, and their numbers are not these: MATIS' own script counts a class
that no frame has as 0 in mcIoU; TP-SIS' scores a frame with empty truth 1 where nothing was painted and else 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class EndovisScores:
    """Scores in [0, 1], 0 where no frame counts; ``class_iou`` has NaN for the background and classes never met.

    ``ch_iou`` is over ``n_ch`` frames, ``isi_iou`` over ``n_isi``, ``mc_iou`` over ``n_classes`` classes.
    """

    ch_iou: float
    isi_iou: float
    mc_iou: float
    class_iou: tuple[float, ...]
    n_ch: int
    n_isi: int
    n_classes: int


def endovis_scores(matrices: Sequence[np.ndarray], background: int = 0) -> EndovisScores:
    """Ch_IoU, ISI_IoU and mcIoU of one confusion matrix a frame.

    ``matrices`` are (classes, classes) counts, rows the truth, as ``segmentation.confusion`` gives them;
    ``background`` is the class id that is no instrument. ValueError without a frame.
    """
    if not len(matrices):
        raise ValueError("there is no frame to score")
    counts = np.asarray(matrices, np.float64)
    true, predicted = counts.sum(axis=2), counts.sum(axis=1)
    hits = np.diagonal(counts, axis1=1, axis2=2)
    foreground = np.arange(counts.shape[1]) != background
    in_truth = (true > 0) & foreground
    in_either = ((true > 0) | (predicted > 0)) & foreground
    iou = np.divide(hits, true + predicted - hits, out=np.zeros_like(hits), where=in_either)
    ch, isi = _row_means(iou, in_truth), _row_means(iou, in_either)
    by_class = _row_means(iou.T, in_either.T)
    met = in_either.any(axis=0)
    class_iou = np.full(len(foreground), np.nan)
    class_iou[met] = by_class
    return EndovisScores(
        ch_iou=_mean(ch),
        isi_iou=_mean(isi),
        mc_iou=_mean(by_class),
        class_iou=tuple(class_iou.tolist()),
        n_ch=len(ch),
        n_isi=len(isi),
        n_classes=len(by_class),
    )


def _row_means(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean of each row over its counted entries, for the rows that have any."""
    numbers = counted.sum(axis=1)
    sums = np.where(counted, values, 0).sum(axis=1)
    return sums[numbers > 0] / numbers[numbers > 0]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0
