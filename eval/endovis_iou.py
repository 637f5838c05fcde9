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

from describer.eval.registry import MetricSpec, Scores
from describer.eval.segmentation import IGNORE, LABEL_MAPS, frame_matrices, listed


@dataclass(frozen=True, slots=True)
class EndovisScores:
    """Scores in [0, 1], 0 where no frame counts; ``class_iou`` has NaN for the background and classes never met.

    ``ch_iou`` is over ``n_ch`` frames, ``isi_iou`` over ``n_isi``, ``mc_iou`` over ``n_classes`` classes.
    ``frame_ch_iou`` and ``frame_isi_iou`` have one entry a frame, NaN for one that is left out.
    """

    ch_iou: float
    isi_iou: float
    mc_iou: float
    class_iou: tuple[float, ...]
    frame_ch_iou: tuple[float, ...]
    frame_isi_iou: tuple[float, ...]
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
    ch, isi, by_class = _row_means(iou, in_truth), _row_means(iou, in_either), _row_means(iou.T, in_either.T)
    return EndovisScores(
        ch_iou=_mean(ch),
        isi_iou=_mean(isi),
        mc_iou=_mean(by_class),
        class_iou=tuple(by_class.tolist()),
        frame_ch_iou=tuple(ch.tolist()),
        frame_isi_iou=tuple(isi.tolist()),
        n_ch=int(np.isfinite(ch).sum()),
        n_isi=int(np.isfinite(isi).sum()),
        n_classes=int(np.isfinite(by_class).sum()),
    )


def _row_means(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean of each row over its counted entries, NaN for a row without any."""
    numbers = counted.sum(axis=1)
    sums = np.where(counted, values, 0).sum(axis=1)
    return np.divide(sums, numbers, out=np.full(len(sums), np.nan), where=numbers > 0)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else 0.0


def _scores(
    predictions: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    classes: int | None = None,
    ignore: int = IGNORE,
) -> Scores:
    found = endovis_scores(frame_matrices(predictions, references, classes, ignore))
    return Scores(
        corpus={"ch_iou": found.ch_iou, "isi_iou": found.isi_iou, "mc_iou": found.mc_iou},
        n=len(references),
        items={"ch_iou": found.frame_ch_iou, "isi_iou": found.frame_isi_iou},
        details={
            "iou_by_class": listed(found.class_iou),
            "n_ch": found.n_ch,
            "n_isi": found.n_isi,
            "n_classes": found.n_classes,
        },
    )


SPEC = MetricSpec(
    name="endovis_iou",
    inputs=LABEL_MAPS,
    function=_scores,
    keys=("ch_iou", "isi_iou", "mc_iou"),
    summary="Ch_IoU, ISI_IoU and mcIoU of instrument class maps, background 0, as EndoVis papers report them",
    source="Gonzalez et al., ISINet, MICCAI 2020, public scorer",
)
