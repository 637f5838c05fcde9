"""Boxes from instances (mask -> box -> score) of a scene model, scored as COCO mAP where instances are known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from describer.caches import HELD_OUT_SEED
from describer.eval.coco_map import Detection, TrueObject, detection_scores
from describer.masks import box_of
from describer.seg.indexed import read_instances
from describer.seg.predict import ScenePredictor
from describer.seg.synth import render
from describer.seg.truth import true_scene
from describer.taxonomy import load_taxonomy
from describer.types import Box

_RENDERED_WH = (640, 512)
_BATCH = 16
_ANY = "any instrument"


@dataclass(frozen=True, slots=True, eq=False)
class BoxedFrame:
    """A frame (H, W, 3) and the boxes of what is in it: half-open xyxy in px, label None for an unknown instrument.

    `complete`: everything of the taxonomy is boxed; otherwise instruments alone.
    """

    name: str
    image: np.ndarray
    boxes: tuple[tuple[str | None, Box], ...]
    complete: bool


def rendered_boxes(n: int, first_seed: int = HELD_OUT_SEED) -> Iterator[BoxedFrame]:
    """Rendered scenes; boxed are the regions that a perfect model would find."""
    core = load_taxonomy("core")
    for seed in range(first_seed, first_seed + n):
        frame = render(seed, "mixed", _RENDERED_WH)
        boxes = tuple((region.label, region.box_xyxy) for region in true_scene(frame, core)[0].regions)
        yield BoxedFrame(str(seed), frame.image, boxes, complete=True)


def real_boxes(index: Path, split: str) -> dict[str, list[BoxedFrame]]:
    """Frames of an index.json whose instruments are told apart, by source."""
    found: dict[str, list[BoxedFrame]] = {}
    for frame in read_instances(index, split):
        boxes = tuple((name, box) for name, mask in frame.instruments if (box := box_of(mask)) is not None)
        found.setdefault(frame.source, []).append(BoxedFrame(frame.name, frame.image, boxes, complete=False))
    return found


def box_scores(predictor: ScenePredictor, frames: Iterable[BoxedFrame]) -> dict[str, Any]:
    """AP (IoU 0.50:0.95), AP50, AP75 and the numbers of frames and true boxes.

    Of "all" labels, where every frame is complete; of "instruments" by kind, where every kind is known; and of
    "any instrument" as one label. None stands for what the frames do not tell.
    """
    found: list[Detection] = []
    truth: list[TrueObject] = []
    tools = {label.name for label in predictor.taxonomy.labels if label.kind == "instrument"}
    n, complete, stream = 0, True, iter(frames)
    while chunk := list(islice(stream, _BATCH)):
        for frame, scene in zip(chunk, predictor.predict([frame.image for frame in chunk]), strict=True):
            n, complete = n + 1, complete and frame.complete
            found += [Detection(frame.name, r.label, r.box_xyxy, r.score) for r in scene.regions]
            truth += [TrueObject(frame.name, label or _ANY, box) for label, box in frame.boxes]
    named = all(thing.label != _ANY for thing in truth)
    tools_found = [d for d in found if d.label in tools]
    tools_true = [t for t in truth if t.label in tools | {_ANY}]
    found_as_one = [replace(d, label=_ANY) for d in tools_found]
    true_as_one = [replace(t, label=_ANY) for t in tools_true]
    return {
        "n": n,
        "all": _three(found, truth) if complete else None,
        "instruments": _three(tools_found, tools_true) if named else None,
        _ANY: _three(found_as_one, true_as_one),
    }


def _three(found: list[Detection], truth: list[TrueObject]) -> dict[str, float | int | None]:
    scores = detection_scores(found, truth)
    numbers = {"ap": scores.ap, "ap50": scores.ap50, "ap75": scores.ap75}
    plain = {key: None if math.isnan(value) else round(float(value), 4) for key, value in numbers.items()}
    return {**plain, "n_objects": scores.n_objects}
