"""Regions of the run against true regions: pixels of each class, boxes, masks, outlines, activities."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from describer.eval.boundary_f import boundary_scores
from describer.eval.calibration import calibration_scores
from describer.eval.classification import class_scores, confusion
from describer.eval.coco_map import Detection, DetectionScores, Shape, TrueObject, detection_scores
from describer.eval.endovis_iou import endovis_scores
from describer.eval.reports.report import ClassScore, ConfusionTable, Curve, Number
from describer.eval.segmentation import segmentation_scores
from describer.evaluate.findings import Findings, known_items, mean_of_items, of_sums, of_whole
from describer.evaluate.material import Material, ScenePair
from describer.types import Activity, Region

_MAP_RULE = (
    "Pixels: classes are the labels that REF uses at all; everything else, and every pixel without a region, is one "
    "class 'rest', which is in the confusion and in pixel accuracy but not in the means. Where regions overlap the "
    "smaller one is on top. mIoU and Dice are means over the labels in the truth, pooled over all frames."
)


def _iou(matrix: np.ndarray) -> np.ndarray:
    """IoU of the labels (without rest), NaN where the truth has none."""
    return np.array(segmentation_scores(matrix).iou[1:])


def _dice(matrix: np.ndarray) -> np.ndarray:
    """Dice of the labels (without rest), NaN where the truth has none."""
    return np.array(segmentation_scores(matrix).dice[1:])


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def segmentation(material: Material) -> Findings:
    """mIoU, Dice and pixel accuracy of label maps made of the regions, pooled, with one value a frame."""
    pairs, matrices = material.run_scenes, material.matrices
    ids, videos = [p.id for p in pairs], [p.video for p in pairs]
    pooled = matrices.sum(axis=0)
    by_frame = {
        "miou": [_mean(_iou(m)) for m in matrices],
        "dice": [_mean(_dice(m)) for m in matrices],
        "pixel_accuracy": [float(np.trace(m) / m.sum()) if m.sum() else np.nan for m in matrices],
    }
    statistics = {
        "miou": lambda m: _mean(_iou(m)),
        "dice": lambda m: _mean(_dice(m)),
        "pixel_accuracy": lambda m: float(np.trace(m) / m.sum()) if m.sum() else 0.0,
    }
    items = tuple(known_items("segmentation", key, "pixels", ids, videos, by_frame[key]) for key in by_frame)
    numbers = [Number("segmentation", key, "pixels", of_sums(s, matrices, videos), "frames")
               for key, s in statistics.items()]  # fmt: skip
    numbers += [Number("segmentation", f"frame_{item.key}", "pixels", mean_of_items(item), "frames")
                for item in items[:2] if item.values]  # fmt: skip
    names = material.labelled
    seen = (matrices.sum(axis=2) > 0).sum(axis=0)[1:]
    classes = tuple(
        ClassScore(name, float(iou), float(dice), int(n))
        for name, iou, dice, n in zip(names, _iou(pooled), _dice(pooled), seen)
        if n
    )
    return Findings(
        tuple(numbers),
        items,
        classes,
        (ConfusionTable("pixels by class", ("rest", *names), _rows(pooled), "pixels"),),
        rules=(_MAP_RULE,),
    )


def _rows(matrix: np.ndarray) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(v) for v in row) for row in matrix)


def endovis_iou(material: Material) -> Findings:
    """Ch_IoU, ISI_IoU and mcIoU of the instruments, all else being background."""
    instruments = {label for label in material.taxonomy.of_kind("instrument") if label in material.labelled}
    if not instruments:
        return Findings(rules=("EndoVis IoUs: REF has no instrument, so there is nothing to score.",))
    matrices = _merged(material.matrices, [name in instruments for name in material.labelled])
    pairs = material.run_scenes
    ids, videos = [p.id for p in pairs], [p.video for p in pairs]
    whole, numbers, items = endovis_scores(list(matrices)), [], []
    alone = [endovis_scores([m]) for m in matrices]
    for key, count in (("ch_iou", "n_ch"), ("isi_iou", "n_isi")):
        values = [getattr(s, key) if getattr(s, count) else np.nan for s in alone]
        found = known_items("endovis_iou", key, "instrument pixels", ids, videos, values)
        items.append(found)
        if found.values:
            numbers.append(Number("endovis_iou", key, "instrument pixels", mean_of_items(found), "frames"))
    if whole.n_classes:
        interval = of_whole(lambda chosen: endovis_scores(list(matrices[chosen])).mc_iou, videos)
        numbers.append(Number("endovis_iou", "mc_iou", "instrument pixels", interval, "frames"))
    return Findings(tuple(numbers), tuple(items))


def _merged(matrices: np.ndarray, kept: Sequence[bool]) -> np.ndarray:
    """Matrices with every class that is not kept counted as the rest."""
    groups = np.zeros((1 + sum(kept), matrices.shape[1]))
    groups[0, 0] = 1
    for i, keep in enumerate(kept, start=1):
        groups[sum(kept[:i]) if keep else 0, i] = 1
    return np.einsum("ai,nij,bj->nab", groups, matrices, groups)


def boundary_f(material: Material) -> Findings:
    """Boundary F of the classes in each frame's truth, the mean over frames."""
    pairs = material.run_scenes
    values = []
    for pair in pairs:
        run, true = material.maps(pair)
        scores = boundary_scores(run, true, 1 + len(material.labelled))
        values.append(_mean(np.array(scores.by_class[1:])))
    items = known_items("boundary_f", "f", "outlines", [p.id for p in pairs], [p.video for p in pairs], values)
    numbers = (Number("boundary_f", "f", "outlines", mean_of_items(items), "frames"),) if items.values else ()
    return Findings(numbers, (items,))


_AP_KEYS = ("ap", "ap50", "ap75", "ar_100")


def coco_map(material: Material) -> Findings:
    """COCO mean average precision of the regions, by their boxes and by their masks."""
    numbers = []
    for about, shape in (("boxes", _box), ("masks", _mask)):
        found = [_found(pair, shape) for pair in material.run_scenes]
        true = [_true(pair, shape, material.unmapped) for pair in material.run_scenes]
        numbers += _average_precision(about, found, true, [pair.video for pair in material.run_scenes])
    return Findings(
        tuple(numbers),
        curves=tuple(_region_curve(material)),
        rules=("Boxes and masks: COCO's AP and AR of all regions, ranked by their scores, over the labels of REF.",),
    )


def _average_precision(
    about: str, found: Sequence[list[Detection]], true: Sequence[list[TrueObject]], videos: Sequence[str]
) -> list[Number]:
    """``found`` and ``true`` have one list a frame; every part of the data is scored once for all keys."""

    @functools.cache
    def scores(chosen: tuple[int, ...]) -> DetectionScores:
        return detection_scores([d for i in chosen for d in found[i]], [t for i in chosen for t in true[i]])

    def value(key: str, chosen: np.ndarray) -> float:
        return float(getattr(scores(tuple(chosen.tolist())), key))

    return [Number("coco_map", key, about, of_whole(partial(value, key), videos), "frames") for key in _AP_KEYS]


def _box(region: Region) -> Shape:
    x0, y0, x1, y1 = region.box_xyxy
    return float(x0), float(y0), float(x1), float(y1)


def _mask(region: Region) -> Shape:
    return region.mask


def _found(pair: ScenePair, shape: Callable[[Region], Shape]) -> list[Detection]:
    regions = () if pair.run is None else pair.run.scene.regions
    return [Detection(pair.id, r.label, shape(r), r.score) for r in regions]


def _true(pair: ScenePair, shape: Callable[[Region], Shape], unmapped: frozenset[str]) -> list[TrueObject]:
    return [TrueObject(pair.id, r.label, shape(r)) for r in pair.truth.regions if r.label not in unmapped]


def _region_curve(material: Material) -> list[Curve]:
    """Risk against coverage of the regions' scores, over the labels that REF speaks of."""
    rows = [
        (region.score, region.id in pair.same)
        for pair in material.run_scenes
        if pair.run is not None
        for region in pair.run.scene.regions
        if region.label in material.labelled
    ]
    if not rows:
        return []
    found = calibration_scores([score for score, _ in rows], [right for _, right in rows])
    meaning = "REF has a region of its label there, mask IoU at least 0.5"
    return [Curve("scores of regions", meaning, found.coverage, found.risk, found.n, "regions")]


def classification(material: Material) -> Findings:
    """The activity of each frame, level by level: the surest of the run against the surest of the truth."""
    numbers, items, tables = [], [], []
    for level in _levels(material):
        pairs = [p for p in material.run_scenes if _activity(p.truth.activities, level) is not None]
        assert all(p.run is not None for p in pairs)
        run = [_activity(p.run.scene.activities, level) or "none" for p in pairs if p.run is not None]
        true = [_activity(p.truth.activities, level) or "none" for p in pairs]
        ids, videos = [p.id for p in pairs], [p.video for p in pairs]
        right = [float(ours == theirs) for ours, theirs in zip(run, true)]
        found = known_items("classification", "accuracy", level, ids, videos, right)
        items.append(found)
        names = tuple(sorted({*run, *true}))
        tables.append(ConfusionTable(level, names, _rows(confusion(run, true, names)), "frames"))
        numbers.append(Number("classification", "accuracy", level, mean_of_items(found), "frames"))
        for key in ("macro_f1", "balanced_accuracy"):
            interval = of_whole(partial(_class_score, key, run, true), videos)
            numbers.append(Number("classification", key, level, interval, "frames"))
    return Findings(tuple(numbers), tuple(items), confusions=tuple(tables))


def _class_score(key: str, run: Sequence[str], true: Sequence[str], chosen: np.ndarray) -> float:
    return float(getattr(class_scores([run[i] for i in chosen], [true[i] for i in chosen]), key))


def _levels(material: Material) -> list[str]:
    levels = [activity.level for pair in material.run_scenes for activity in pair.truth.activities]
    return sorted(set(levels))


def _activity(activities: Sequence[Activity], level: str) -> str | None:
    found = [activity for activity in activities if activity.level == level]
    return max(found, key=lambda activity: activity.score).label if found else None
