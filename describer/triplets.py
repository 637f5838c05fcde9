"""Instrument-verb-target triplets of a scene model against labelled frames, by the regions it finds for itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from describer.eval.triplet_ap import Triplet, triplet_scores
from describer.seg.actions import ToolScores
from describer.seg.data import CachedDataset, Sample
from describer.seg.predict import ScenePredictor
from describer.seg.vocabulary import Vocabulary

_BATCH = 8
_NULL = ("null_verb", "null_target")


def triplet_ap(predictor: ScenePredictor, dataset: CachedDataset, limit: int | None = None) -> dict[str, Any] | None:
    """Recognition AP by component on the frames whose instruments are all known; None where there is none.

    A triplet's score in a frame is the highest product of its parts' probabilities over the instruments found; a frame
    in which none is found scores 0 for all. The frames count as one video.
    """
    words = predictor.model.config.vocabulary
    known = [k for k in range(len(dataset)) if dataset[k].tools_known and _told(dataset[k])][:limit]
    if not known or predictor.model.tools is None:
        return None
    true = [_true(dataset[k], words, predictor.model.config.instrument_classes) for k in known]
    parts = [sorted({triplet[part] for frame in true for triplet in frame}) for part in range(3)]
    names = [(i, v, t) for i, v, t in product(*parts)]
    scores: list[dict[Triplet, float]] = []
    for start in range(0, len(known), _BATCH):
        images = [dataset[k].image for k in known[start : start + _BATCH]]
        scores += [_scored(tools, names, words, predictor) for tools in predictor.tool_scores(images)]
    found = triplet_scores(scores, true, ["all"] * len(known))
    return {
        "ap": found.ap,
        "n_frames": len(known),
        "n_triplets": sum(map(len, true)),
        "classes": len(set().union(*true)),
    }


def _told(sample: Sample) -> bool:
    """Whether every instrument listed has its verb and target."""
    listed = sample.tool_labels[:, 0] >= 0
    return bool((sample.tool_labels[listed] >= 0).all())


def _true(sample: Sample, words: Vocabulary, instruments: Sequence[int]) -> set[Triplet]:
    return {
        (
            words.classes[kind],
            words.verbs[verb - 1] if verb else _NULL[0],
            words.targets[target - 1] if target else _NULL[1],
        )
        for kind, verb, target in sample.tool_labels.tolist()
        if kind in instruments
    }


def _scored(
    tools: list[ToolScores], names: list[Triplet], words: Vocabulary, predictor: ScenePredictor
) -> dict[Triplet, float]:
    if not tools:
        return dict.fromkeys(names, 0.0)
    kinds = [words.classes[c] for c in predictor.model.config.instrument_classes]
    verbs, targets = [_NULL[0], *words.verbs], [_NULL[1], *words.targets]
    each = [tool.instrument[:, None, None] * tool.verb[None, :, None] * tool.target[None, None, :] for tool in tools]
    best = np.max(each, axis=0)
    return {name: float(best[kinds.index(name[0]), verbs.index(name[1]), targets.index(name[2])]) for name in names}
