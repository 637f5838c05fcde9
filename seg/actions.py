"""From the interaction head's logits to a Scene's interactions: words, the regions they mean, and "acts on"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from describer.geometry import raster_of, tip_box
from describer.seg.interaction import ToolLogits
from describer.seg.vocabulary import Vocabulary
from describer.types import Interaction, Region, Relation, Scene

SURE = 0.35
"""An instrument acts on the region of a target at least this likely."""


def tip_boxes(regions: Sequence[Region]) -> torch.Tensor:
    """The working end of each instrument as shares of width and height (1, T, 4), as `InteractionHead` takes them."""
    boxes = []
    for region in regions:
        small = raster_of(region.mask)
        height, width = small.shape
        x0, y0, x1, y1 = tip_box(small)
        boxes.append((x0 / width, y0 / height, x1 / width, y1 / height))
    return torch.tensor([boxes], dtype=torch.float32)


@dataclass(frozen=True, slots=True, eq=False)
class ToolScores:
    """Probabilities of one instrument region: of each instrument class (I,) times the region's own score, of each verb
    (1 + V,) and of each target (1 + T,), none first."""

    instrument: np.ndarray
    verb: np.ndarray
    target: np.ndarray


def tool_scores(regions: Sequence[Region], said: ToolLogits) -> list[ToolScores]:
    """Scores of each of `regions` from its logits (1, T, ...)."""
    each = [logits[0].softmax(-1).cpu().numpy() for logits in (said.instrument, said.verb, said.target)]
    return [
        ToolScores(region.score * instrument, verb, target) for region, instrument, verb, target in zip(regions, *each)
    ]


def with_interactions(scene: Scene, regions: Sequence[Region], said: ToolLogits, words: Vocabulary) -> Scene:
    """The scene with what its instruments `regions` do: logits (1, T, ...) in the order of the regions."""
    verbs = said.verb[0].softmax(-1).cpu().numpy()
    targets = said.target[0].softmax(-1).cpu().numpy()
    deeds = tuple(
        _interaction(scene, region, verb, target, words) for region, verb, target in zip(regions, verbs, targets)
    )
    acts = tuple(
        Relation(deed.region_id, "acts on", deed.target_id)
        for deed in deeds
        if deed.verb and deed.target_id is not None
    )
    return replace(scene, interactions=deeds, relations=(*scene.relations, *acts))


def _interaction(scene: Scene, region: Region, verb: np.ndarray, target: np.ndarray, words: Vocabulary) -> Interaction:
    best = int(verb.argmax())
    if best == 0:
        return Interaction(region.id, None, None, None, round(float(verb[0]), 4))
    likeliest = int(target.argmax())
    word = words.targets[likeliest - 1] if likeliest else None
    score = round(float(verb[best] * target[likeliest]), 4)
    return Interaction(region.id, words.verbs[best - 1], word, _acted_on(scene, region, target, words), score)


def _acted_on(scene: Scene, region: Region, target: np.ndarray, words: Vocabulary) -> int | None:
    """The other region whose label the head means most, if it is sure enough; of several alike the largest."""
    mass = {name: float(p) for name, p in zip(words.targets, target[1:], strict=True)}
    others = [other for other in scene.regions if other.id != region.id and mass.get(other.label, 0.0) >= SURE]
    best = max(others, key=lambda other: (mass[other.label], other.area_fraction), default=None)
    return None if best is None else best.id
