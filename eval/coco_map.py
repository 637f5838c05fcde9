"""COCO mean average precision and recall of boxes or masks, equal to pycocotools' COCOeval.

The definition of the COCO detection challenge (Lin et al., ECCV 2014; cocodataset.org, "Detection evaluation"):
greedy matching by score at ten IoU thresholds, precision made monotone and read at 101 recalls, means over
thresholds and labels; crowds and things outside of an area range are neither hits nor misses.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from describer.eval.box_iou import area, checked, intersection
from describer.eval.registry import MetricSpec, Scores
from describer.types import Mask

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = (1, 10, 100)
AREAS_PX = {"all": (0, 1e5**2), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e5**2)}

Shape = tuple[float, float, float, float] | Mask
"""A box (x0, y0, x1, y1) in pixels, or a mask."""


@dataclass(frozen=True, slots=True)
class Detection:
    """Something a model found in ``image``."""

    image: str
    label: str
    shape: Shape
    score: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise ValueError(f"a detection of {self.label!r} in {self.image!r} has score {self.score}")


@dataclass(frozen=True, slots=True)
class TrueObject:
    """Something that is in ``image``. ``area_px`` None is the shape's own area.

    A ``crowd`` is an area with many of the label: detections in it count neither way.
    """

    image: str
    label: str
    shape: Shape
    area_px: float | None = None
    crowd: bool = False


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """The twelve COCO numbers, in [0, 1]; NaN (COCO prints -1) where the truth has nothing of that area.

    ``ap`` is mAP over IoU 0.50:0.95, ``ar_100`` recall with at most 100 detections an image and label; small is
    under 32 x 32 px, large from 96 x 96. ``ap_by_label`` is ``ap`` of each label of the truth; detections of
    other labels count nowhere. Counts: true objects without crowds, detections, images with either.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar_1: float
    ar_10: float
    ar_100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    ap_by_label: dict[str, float]
    n_objects: int
    n_detections: int
    n_images: int


def detection_scores(detections: Sequence[Detection], truth: Sequence[TrueObject]) -> DetectionScores:
    """Scores of detections against the truth; all shapes are boxes or all are masks, ValueError otherwise.

    Detections of equal score rank in the order of their images' names, then as given.
    """
    _check_shapes([*(d.shape for d in detections), *(t.shape for t in truth)])
    labels = sorted({thing.label for thing in truth})
    found, real = _by_label_and_image(detections), _by_label_and_image(truth)
    # (labels, areas, maxima, thresholds[, recalls]); NaN where a label has no object of that area.
    shape = (len(labels), len(AREAS_PX), len(MAX_DETECTIONS), len(IOU_THRESHOLDS))
    precision = np.full((*shape, len(_RECALLS)), np.nan)
    recall = np.full(shape, np.nan)
    for k, label in enumerate(labels):
        images = sorted({*found[label], *real[label]})
        pairs = [_Pair(found[label][image], real[label][image]) for image in images]
        for a, area_range in enumerate(AREAS_PX.values()):
            matches = [pair.match(area_range) for pair in pairs]
            for m, most in enumerate(MAX_DETECTIONS):
                curves = _curves(matches, most)
                if curves is not None:
                    precision[k, a, m], recall[k, a, m] = curves
    at_100 = precision[:, :, -1]
    areas = list(AREAS_PX)
    return DetectionScores(
        ap=_mean(at_100[:, 0]),
        ap50=_mean(at_100[:, 0, 0]),
        ap75=_mean(at_100[:, 0, 5]),
        **{f"ap_{name}": _mean(at_100[:, areas.index(name)]) for name in areas[1:]},
        **{f"ar_{most}": _mean(recall[:, 0, m]) for m, most in enumerate(MAX_DETECTIONS)},
        **{f"ar_{name}": _mean(recall[:, areas.index(name), -1]) for name in areas[1:]},
        ap_by_label={label: _mean(at_100[k, 0]) for k, label in enumerate(labels)},
        n_objects=sum(not thing.crowd for thing in truth),
        n_detections=len(detections),
        n_images=len({*(d.image for d in detections), *(t.image for t in truth)}),
    )


@dataclass(frozen=True, slots=True)
class _Matches:
    """Of one image: scores (D,), hits and ignored (thresholds, D), and how many objects count."""

    scores: np.ndarray
    hit: np.ndarray
    ignored: np.ndarray
    n_counted: int


class _Pair:
    """The detections and objects of one label in one image, best detection first, with their IoUs."""

    def __init__(self, detections: Sequence[Detection], truth: Sequence[TrueObject]) -> None:
        order = np.argsort([-d.score for d in detections], kind="stable")[: MAX_DETECTIONS[-1]]
        kept = [detections[i] for i in order]
        self.scores = np.array([d.score for d in kept])
        self.areas_px = _areas([d.shape for d in kept])
        self.crowd = np.array([t.crowd for t in truth], bool)
        own = _areas([t.shape for t in truth])
        self.true_areas_px = np.array([o if t.area_px is None else t.area_px for t, o in zip(truth, own)])
        self.iou = _iou([d.shape for d in kept], [t.shape for t in truth], self.crowd)

    def match(self, area_range: tuple[float, float]) -> _Matches:
        low, high = area_range
        outside = (self.true_areas_px < low) | (self.true_areas_px > high)
        optional = self.crowd | outside
        free = np.ones((len(IOU_THRESHOLDS), len(optional)), bool)
        hit = np.zeros((len(IOU_THRESHOLDS), len(self.scores)), bool)
        ignored = np.zeros_like(hit)
        limits = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)[:, None]
        for d in np.flatnonzero((self.iou >= limits[0]).any(axis=1)):
            row = self.iou[d]
            good = free & (row >= limits)
            # A counted object goes before any optional one, however well that one fits.
            best, some = _last_best(row, good & ~optional)
            spare, any_spare = _last_best(row, good & optional)
            chosen = np.where(some, best, spare)
            matched = np.flatnonzero(some | any_spare)
            hit[matched, d] = True
            ignored[matched, d] = optional[chosen[matched]]
            taken = matched[~self.crowd[chosen[matched]]]
            free[taken, chosen[taken]] = False
        ignored |= ~hit & ((self.areas_px < low) | (self.areas_px > high))
        return _Matches(self.scores, hit, ignored, int(np.count_nonzero(~optional)))


def _last_best(row: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Column of the highest IoU among the allowed (thresholds, G), the last of equals; and whether there is one."""
    values = np.where(allowed, row, -1.0)[:, ::-1]
    return len(row) - 1 - values.argmax(axis=1), np.asarray(allowed.any(axis=1))


def _curves(matches: Sequence[_Matches], most: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Precision (thresholds, 101) and recall (thresholds,) over all images; None when no object counts."""
    n_counted = sum(m.n_counted for m in matches)
    if n_counted == 0:
        return None
    order = np.argsort(-np.concatenate([m.scores[:most] for m in matches]), kind="stable")
    hit = np.concatenate([m.hit[:, :most] for m in matches], axis=1)[:, order]
    ignored = np.concatenate([m.ignored[:, :most] for m in matches], axis=1)[:, order]
    right = np.cumsum(hit & ~ignored, axis=1, dtype=np.float64)
    wrong = np.cumsum(~hit & ~ignored, axis=1, dtype=np.float64)
    if not right.shape[1]:
        return np.zeros((len(right), len(_RECALLS))), np.zeros(len(right))
    recall = right / n_counted
    precision = right / (right + wrong + np.spacing(1))
    highest = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    beyond = np.concatenate([highest, np.zeros((len(right), 1))], axis=1)  # recalls never reached: precision 0
    at = np.stack([np.searchsorted(row, _RECALLS, side="left") for row in recall])
    return np.take_along_axis(beyond, at, axis=1), recall[:, -1]


def _check_shapes(shapes: Sequence[Shape]) -> None:
    if len({isinstance(shape, Mask) for shape in shapes}) > 1:
        raise ValueError("detections and truth mix boxes with masks; score each kind by itself")
    if shapes and not isinstance(shapes[0], Mask):
        checked(np.array(shapes))


def _by_label_and_image(things: Sequence) -> dict[str, dict[str, list]]:
    out: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for thing in things:
        out[thing.label][thing.image].append(thing)
    return out


def _areas(shapes: Sequence[Shape]) -> np.ndarray:
    if shapes and isinstance(shapes[0], Mask):
        return np.array([shape.area_px for shape in shapes if isinstance(shape, Mask)], np.float64)
    return area(np.array(shapes, np.float64).reshape(-1, 4))


def _iou(found: Sequence[Shape], real: Sequence[Shape], crowd: np.ndarray) -> np.ndarray:
    """(D, G); against a crowd the share of the detection that lies in it."""
    if not found or not real:
        return np.zeros((len(found), len(real)))
    if isinstance(found[0], Mask):
        rles = [[shape.to_rle() for shape in shapes if isinstance(shape, Mask)] for shapes in (found, real)]
        return np.asarray(coco_mask.iou(*rles, crowd.astype(np.uint8)))
    ours, theirs = (np.array(shapes, np.float64) for shapes in (found, real))
    shared = intersection(ours[:, None], theirs[None])
    whole = np.where(crowd, area(ours)[:, None], area(ours)[:, None] + area(theirs)[None] - shared)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _scores(
    predictions: Sequence[Sequence[Mapping[str, Any]]], references: Sequence[Sequence[Mapping[str, Any]]]
) -> Scores:
    """One list of {"label", "box", "score"} an image against one of {"label", "box"}."""
    if len(predictions) != len(references):
        raise ValueError(f"detections of {len(predictions)} images against objects of {len(references)}")
    names = [f"{i:09d}" for i in range(len(references))]
    found = detection_scores(
        [Detection(n, d["label"], tuple(d["box"]), d["score"]) for n, row in zip(names, predictions) for d in row],
        [TrueObject(n, t["label"], tuple(t["box"])) for n, row in zip(names, references) for t in row],
    )
    numbers = asdict(found)
    return Scores(
        corpus={key: numbers[key] for key in SPEC.keys},
        n=len(references),
        details={key: numbers[key] for key in ("ap_by_label", "n_objects", "n_detections")},
    )


SPEC = MetricSpec(
    name="coco_map",
    inputs=(("predictions", "detections"), ("references", "objects")),
    function=_scores,
    keys=(
        *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
        *("ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"),
    ),
    summary="COCO mean average precision and recall of boxes; masks through coco_map.detection_scores",
    source="Lin et al., Microsoft COCO, ECCV 2014; equal to pycocotools",
)
