"""Scores of dense segmentation from one confusion matrix, summed over as many frames as there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from describer.eval.registry import Inputs, MetricSpec, Scores

IGNORE = 255
LABEL_MAPS: Inputs = (("predictions", "label_map"), ("references", "label_map"))
"""A map of class ids a frame, and the true one."""


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


@dataclass(frozen=True, slots=True)
class LevelledScores:
    """One set of frames scored at three levels.

    ``pooled`` is of all pixels together, ``by_video`` of each video's pixels together, ``by_frame`` of each
    frame alone, in order. ``video_miou``, ``video_dice``, ``frame_miou`` and ``frame_dice`` are plain means
    over the ``n_videos`` videos and ``n_frames`` frames that have a scored pixel; 0 when none has.
    """

    pooled: SegmentationScores
    by_video: Mapping[str, SegmentationScores]
    by_frame: tuple[SegmentationScores, ...]
    video_miou: float
    video_dice: float
    frame_miou: float
    frame_dice: float
    n_videos: int
    n_frames: int


def levelled_scores(matrices: Sequence[np.ndarray], videos: Sequence[str]) -> LevelledScores:
    """Scores per frame, per video and pooled of one confusion matrix a frame.

    ``matrices`` are (classes, classes) counts as ``confusion`` gives them, ``videos`` the video of each frame.
    The rule for absent classes holds at each level by itself: a class counts in a frame's mean where the frame
    has it, in a video's where the video has it. ValueError when the lengths differ or there is no frame.
    """
    if len(matrices) != len(videos) or not matrices:
        raise ValueError(f"{len(matrices)} confusion matrices against {len(videos)} videos; give one video a frame")
    sums: dict[str, np.ndarray] = {}
    for matrix, video in zip(matrices, videos):
        sums[video] = sums.get(video, 0) + matrix
    by_video = {video: segmentation_scores(matrix) for video, matrix in sums.items()}
    by_frame = tuple(segmentation_scores(matrix) for matrix in matrices)
    scored_videos = [score for score in by_video.values() if score.n_px]
    scored_frames = [score for score in by_frame if score.n_px]
    return LevelledScores(
        pooled=segmentation_scores(np.sum(matrices, axis=0)),
        by_video=by_video,
        by_frame=by_frame,
        video_miou=_mean([score.miou for score in scored_videos]),
        video_dice=_mean([score.mean_dice for score in scored_videos]),
        frame_miou=_mean([score.miou for score in scored_frames]),
        frame_dice=_mean([score.mean_dice for score in scored_frames]),
        n_videos=len(scored_videos),
        n_frames=len(scored_frames),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def listed(values: Iterable[float]) -> list[float | None]:
    """Values as JSON can hold them: None for NaN."""
    return [None if math.isnan(value) else value for value in values]


def frame_matrices(
    predictions: Sequence[np.ndarray], references: Sequence[np.ndarray], classes: int | None, ignore: int
) -> list[np.ndarray]:
    """One confusion matrix a frame; ``classes`` None takes one more than the highest id met."""
    if len(predictions) != len(references) or not len(references):
        raise ValueError(f"{len(predictions)} predicted maps against {len(references)} true ones")
    pairs = [(np.asarray(p), np.asarray(t)) for p, t in zip(predictions, references)]
    if classes is None:
        classes = 1 + max(int(np.max(ids, where=ids != ignore, initial=0)) for pair in pairs for ids in pair)
    return [confusion(p, t, classes, ignore) for p, t in pairs]


def _scores(
    predictions: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    classes: int | None = None,
    ignore: int = IGNORE,
    videos: Sequence[str] | None = None,
) -> Scores:
    matrices = frame_matrices(predictions, references, classes, ignore)
    levels = levelled_scores(matrices, [""] * len(matrices) if videos is None else videos)
    pooled = levels.pooled
    return Scores(
        corpus={"miou": pooled.miou, "dice": pooled.mean_dice, "pixel_accuracy": pooled.pixel_accuracy},
        n=len(matrices),
        items={
            "miou": tuple(s.miou if s.n_px else math.nan for s in levels.by_frame),
            "dice": tuple(s.mean_dice if s.n_px else math.nan for s in levels.by_frame),
            "pixel_accuracy": tuple(s.pixel_accuracy if s.n_px else math.nan for s in levels.by_frame),
        },
        details={
            "iou_by_class": listed(pooled.iou),
            "dice_by_class": listed(pooled.dice),
            "miou_by_video": {} if videos is None else {v: s.miou for v, s in levels.by_video.items() if s.n_px},
            "video_miou": None if videos is None else levels.video_miou,
            "frame_miou": levels.frame_miou,
            "confusion": np.sum(matrices, axis=0).tolist(),
        },
    )


SPEC = MetricSpec(
    name="segmentation",
    inputs=LABEL_MAPS,
    function=_scores,
    keys=("miou", "dice", "pixel_accuracy"),
    summary="mIoU, mean Dice and pixel accuracy of class maps, pooled; per frame and, given `videos`, per video",
    source="Everingham et al., The PASCAL VOC Challenge, IJCV 2010; means over the classes in the truth",
)
