"""Intersection over union of boxes, half-open (x0, y0, x1, y1) in any unit."""

from __future__ import annotations

import numpy as np

from describer.eval.registry import Inputs, MetricSpec, Scores

BOXES: Inputs = (("predictions", "box"), ("references", "box"))
"""One box (x0, y0, x1, y1) an item, and the true one."""


def pairwise_iou(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    """IoU of every box of (N, 4) with every one of (M, 4), shape (N, M); 0 where both are without area."""
    first, second = checked(first_xyxy)[:, None], checked(second_xyxy)[None]
    return _iou(first, second)


def paired_iou(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    """IoU of each box of (N, 4) with the one in the same row of another (N, 4), shape (N,)."""
    first, second = checked(first_xyxy), checked(second_xyxy)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} boxes against {len(second)}")
    return _iou(first, second)


def checked(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Boxes as float64 (N, 4); ValueError for another shape, NaN, or a box that ends before it begins."""
    boxes = np.asarray(boxes_xyxy, np.float64)
    boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must have shape (N, 4), got {boxes.shape}")
    if not (boxes[:, 2:] >= boxes[:, :2]).all():
        raise ValueError("a box must be (x0, y0, x1, y1) with x0 <= x1 and y0 <= y1; is it (x, y, w, h)?")
    return boxes


def area(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Areas of boxes (..., 4), shape (...)."""
    return (boxes_xyxy[..., 2] - boxes_xyxy[..., 0]) * (boxes_xyxy[..., 3] - boxes_xyxy[..., 1])


def intersection(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Shared area of boxes (..., 4) that broadcast against each other."""
    wh = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    return np.prod(np.maximum(wh, 0), axis=-1)


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    shared = intersection(first, second)
    union = area(first) + area(second) - shared
    return np.divide(shared, union, out=np.zeros_like(union), where=union > 0)


def _scores(predictions: np.ndarray, references: np.ndarray) -> Scores:
    values = paired_iou(predictions, references)
    hits = values >= 0.5
    return Scores(
        corpus={
            "iou": float(values.mean()) if values.size else 0.0,
            "acc_50": float(hits.mean()) if hits.size else 0.0,
        },
        n=len(values),
        items={"iou": tuple(values.tolist()), "acc_50": tuple(hits.astype(float).tolist())},
    )


SPEC = MetricSpec(
    name="box_iou",
    inputs=BOXES,
    function=_scores,
    keys=("iou", "acc_50"),
    summary="mean IoU of one box an item, and the share with an IoU of at least 0.5",
    source="Everingham et al., The PASCAL VOC Challenge, IJCV 2010",
)
