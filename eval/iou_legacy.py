"""The faulty box IoU behind the "mIoU" of many surgical visual question localised-answering papers.

For comparison with published numbers only; ``box_iou`` is the right one. It is the function ``mIoU_xyxy`` of the
public code of Surgical-VQLA (Bai et al., ICRA 2023), which later work took over. Its faults:

1. It adds 1 to every width and height, the old rule for whole pixels, while the boxes are normalised to [0, 1]:
   the 1 outweighs the boxes, and any two of them look alike. Two boxes a tenth of the view wide, side by side and
   sharing nothing, score 0.83.
2. Where boxes do not overlap the intersection is set to 0 and on the next line overwritten, so it is never 0.
   In pixels two gaps multiply to a positive "overlap", and boxes in opposite corners score far above 1.
3. The union is kept from falling under 1, which on normalised boxes is the size of the whole view.
"""

from __future__ import annotations

import numpy as np

from describer.eval.box_iou import BOXES, checked
from describer.eval.registry import MetricSpec, Scores


def iou_legacy(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    """What the faulty function gives for each row of two (N, 4), shape (N,); not within [0, 1].

    Published means are over normalised boxes. ValueError when the lengths differ.
    """
    first, second = checked(first_xyxy), checked(second_xyxy)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} boxes against {len(second)}")
    low, high = np.maximum(first[:, :2], second[:, :2]), np.minimum(first[:, 2:], second[:, 2:])
    shared = np.prod(high - low + 1, axis=1)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1) for boxes in (first, second)]
    return shared / np.maximum(areas[0] + areas[1] - shared, 1)


def _scores(predictions: np.ndarray, references: np.ndarray) -> Scores:
    values = iou_legacy(predictions, references)
    mean = float(values.mean()) if values.size else 0.0
    return Scores(corpus={"iou_legacy": mean}, n=len(values), items={"iou_legacy": tuple(values.tolist())})


SPEC = MetricSpec(
    name="iou_legacy",
    inputs=BOXES,
    function=_scores,
    keys=("iou_legacy",),
    summary="FAULTY box IoU of surgical VQLA papers (too high), on normalised boxes; only to compare with theirs",
    source="Bai et al., Surgical-VQLA, ICRA 2023, public code (mIoU_xyxy)",
)
