"""Exact scores of a scene model on a cached source: what every reported number comes from.

Rules. Predictions are resized to the labels' own size before `regions.class_map`, so what is scored is what becomes
regions: every instrument has one class throughout. One confusion matrix is pooled over all frames; a class counts in
the mean if it has a labelled pixel. IGNORE pixels count nowhere. A REST pixel predicted as a class that its frame
annotates is a false positive of that class; SOME_INSTRUMENT pixels enter only the instrument IoU, where all
instruments are one class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from describer.errors import TaxonomyError
from describer.seg.codes import IGNORE, REST, SOME_INSTRUMENT
from describer.seg.data import Sample, collate
from describer.seg.image import to_pixels
from describer.seg.model import SceneModel, SceneOutput, disparity_to_depth, interpolate
from describer.seg.regions import class_map

_ANSWERS = ("activity", "phase", "instrument", "verb", "target")


class Samples(Protocol):
    """Frames to score on, of ``classes`` classes; ``folder`` names them in messages. A CachedDataset is one."""

    @property
    def folder(self) -> Path: ...

    @property
    def classes(self) -> int: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


@dataclass
class SegmentationScore:
    """Pooled confusion of `classes` classes, with partial labels by the rules above."""

    classes: int
    instruments: Sequence[int]
    confusion: np.ndarray = field(init=False)
    rest_hits: np.ndarray = field(init=False)
    instrument: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.confusion = np.zeros((self.classes, self.classes), np.int64)
        self.rest_hits = np.zeros(self.classes, np.int64)
        self.instrument = np.zeros((2, 2), np.int64)

    def add(self, predicted: np.ndarray, labels: np.ndarray, annotated: np.ndarray) -> None:
        """Count one frame: predicted and labels (H, W), annotated (C,) bool."""
        known = labels < self.classes
        pairs = labels[known].astype(np.int64) * self.classes + predicted[known]
        self.confusion += np.bincount(pairs, minlength=self.classes**2).reshape(self.confusion.shape)
        rest = np.bincount(predicted[labels == REST].ravel(), minlength=self.classes)
        self.rest_hits += rest * annotated
        is_instrument = np.zeros(256, bool)
        is_instrument[[*self.instruments, SOME_INSTRUMENT]] = True
        decided = known | (labels == SOME_INSTRUMENT)
        if annotated[list(self.instruments)].all():
            decided = decided | (labels == REST)
        pairs = is_instrument[labels[decided]] * 2 + is_instrument[predicted[decided]]
        self.instrument += np.bincount(pairs, minlength=4).reshape(2, 2)

    def iou(self) -> np.ndarray:
        """IoU of every class (C,), NaN where the class has no labelled pixel."""
        truth = self.confusion.sum(1)
        union = truth + self.confusion.sum(0) + self.rest_hits - self.confusion.diagonal()
        return np.where(truth > 0, self.confusion.diagonal() / np.maximum(union, 1), np.nan)

    def instrument_iou(self) -> float | None:
        """IoU of instruments as one class; None without a labelled instrument pixel."""
        (_, false_alarm), (miss, hit) = self.instrument.tolist()
        return hit / (hit + miss + false_alarm) if hit + miss else None

    def accuracy(self) -> float | None:
        """Share of labelled pixels that are right."""
        total = int(self.confusion.sum())
        return int(self.confusion.trace()) / total if total else None


def abs_rel(predicted: np.ndarray, target: np.ndarray) -> float | None:
    """Mean |p - t| / t after scaling p by the ratio of medians; None without known depth (NaN or <= 0)."""
    known = np.isfinite(target) & (target > 0)
    if not known.any():
        return None
    p, t = predicted[known].astype(np.float64), target[known].astype(np.float64)
    return float(np.mean(np.abs(p * (np.median(t) / np.median(p)) - t) / t))


def evaluate_scene(
    model: SceneModel,
    dataset: Samples,
    batch_size: int = 16,
    limit: int | None = None,
) -> dict[str, Any]:
    """Score `model` on a source (its first `limit` frames): the keys are those of the returned dict.

    n, miou, iou (class name -> IoU or None), pixel_accuracy, instrument_iou, depth_abs_rel, depth_n, and accuracy with
    its n for activity and phase (of frames) and for instrument, verb and target (of labelled tip boxes, given the box).
    A score that the source has no labels for, or the model no head, is None.
    """
    names = model.config.class_names
    if dataset.classes != len(names):
        raise TaxonomyError(
            f"{dataset.folder}: labels of {dataset.classes} classes, the model has {len(names)}; use one taxonomy."
        )
    score = SegmentationScore(len(names), model.config.instrument_classes)
    right: dict[str, list[bool]] = {name: [] for name in _ANSWERS}
    depth_errors: list[float] = []
    count = len(dataset) if limit is None else min(limit, len(dataset))
    was_training = model.training
    model.eval()
    for start in range(0, count, batch_size):
        samples = [dataset[i] for i in range(start, min(start + batch_size, count))]
        output = _forward(model, samples)
        for k, sample in enumerate(samples):
            score.add(
                _classes(output, k, sample, model.config.instrument_classes),
                _codes(sample, len(names)),
                sample.annotated,
            )
            for name, answers in _answers(output, k, sample, model.config.instrument_classes).items():
                right[name] += answers
            error = _depth_error(output, k, sample)
            depth_errors.extend([] if error is None else [error])
    model.train(was_training)
    iou = score.iou()
    return {
        "n": count,
        "miou": float(np.nanmean(iou)) if np.isfinite(iou).any() else None,
        "iou": {name: float(v) if np.isfinite(v) else None for name, v in zip(names, iou, strict=True)},
        "pixel_accuracy": score.accuracy(),
        "instrument_iou": score.instrument_iou(),
        **{f"{name}_accuracy": sum(found) / len(found) if found else None for name, found in right.items()},
        **{f"{name}_n": len(found) for name, found in right.items()},
        "depth_abs_rel": float(np.mean(depth_errors)) if depth_errors else None,
        "depth_n": len(depth_errors),
    }


def _answers(output: SceneOutput, k: int, sample: Sample, instruments: Sequence[int]) -> dict[str, list[bool]]:
    """Whether each labelled answer of frame k is right."""
    found: dict[str, list[bool]] = {}
    for name, logits, label in (
        ("activity", output.activity_logits, sample.activity),
        ("phase", output.phase_logits, sample.phase),
    ):
        if logits is not None and label >= 0:
            found[name] = [int(logits[k].argmax()) == label]
    if output.tools is not None:
        boxed = np.isfinite(sample.tool_boxes_xyxy).all(1)
        said = (output.tools.instrument[k], output.tools.verb[k], output.tools.target[k])
        for column, (name, logits) in enumerate(zip(("instrument", "verb", "target"), said)):
            best = logits.argmax(1).cpu().numpy()
            best = np.asarray(instruments)[best] if name == "instrument" else best
            labels = sample.tool_labels[:, column]
            found[name] = [bool(best[t] == labels[t]) for t in np.flatnonzero(boxed & (labels >= 0))]
    return found


@torch.inference_mode()
def _forward(model: SceneModel, samples: Sequence[Sample]) -> SceneOutput:
    boxes = collate(samples)["tool_boxes_xyxy"].to(model.device)
    height, width = model.config.input_hw
    return model(to_pixels([sample.image for sample in samples], (height, width)).to(model.device), boxes)


def _classes(output: SceneOutput, k: int, sample: Sample, instruments: Sequence[int]) -> np.ndarray:
    logits = output.logits
    assert logits is not None  # the model always has this head; told to the type checker
    probabilities = interpolate(logits[k : k + 1], sample.labels.shape)[0].softmax(0)
    return class_map(probabilities.cpu().numpy(), instruments)


def _codes(sample: Sample, classes: int) -> np.ndarray:
    odd = (sample.labels >= classes) & (sample.labels < SOME_INSTRUMENT)
    if odd.any():
        raise TaxonomyError(
            f"A label of {int(sample.labels[odd][0])} is no class of {classes}; use {IGNORE} to ignore."
        )
    return sample.labels


def _depth_error(output: SceneOutput, k: int, sample: Sample) -> float | None:
    if output.disparity is None or sample.depth is None:
        return None
    disparity = interpolate(output.disparity[0][k : k + 1], sample.depth.shape)
    return abs_rel(disparity_to_depth(disparity)[0, 0].cpu().numpy(), sample.depth)
