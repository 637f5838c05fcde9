"""From the interaction head's logits to a Scene's interactions: words, the regions they mean, and "acts on"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from describer.geometry import tip_box, tip_distance
from describer.seg.interaction import ToolLogits
from describer.seg.vocabulary import Vocabulary
from describer.types import Interaction, Region, Relation, Scene

_REACH = 0.023  # of the view's longer side: so far from the tip a target is a third (1 / e) as likely as at it
_LIKELY = 0.02  # less likely than this nothing is acted on


def tip_boxes(masks: Sequence[np.ndarray]) -> torch.Tensor:
    """The working end of each instrument, of bool masks (h, w) best given as rasters, as shares of width and height
    (1, T, 4): what `InteractionHead` takes."""
    boxes = []
    for mask in masks:
        height, width = mask.shape
        x0, y0, x1, y1 = tip_box(mask)
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
    mass = {name: float(p) for name, p in zip(words.targets, target[1:], strict=True)}
    acted_on = _acted_on(scene, region, mass)
    if acted_on is None:
        likeliest = int(target.argmax())
        word, sure = words.targets[likeliest - 1] if likeliest else None, float(target[likeliest])
    else:
        word, sure = acted_on.label, mass[acted_on.label]
    target_id = None if acted_on is None else acted_on.id
    return Interaction(region.id, words.verbs[best - 1], word, target_id, round(float(verb[best]) * sure, 4))


def _acted_on(scene: Scene, tool: Region, mass: Mapping[str, float]) -> Region | None:
    """The other region that is acted on: what the head means by it, weighed by how near it is to the tip.

    The head knows what such an instrument works on, the masks what is within its reach; each alone is right less often.
    """

    def likely(other: Region) -> float:
        return mass.get(other.label, 0.0) * float(np.exp(-tip_distance(tool.mask, other.mask) / _REACH))

    others = [other for other in scene.regions if other.id != tool.id]
    best = max(others, key=likely, default=None)
    return None if best is None or likely(best) < _LIKELY else best
