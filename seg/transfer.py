"""A trained scene model's weights in a model of other words: what means the same is kept, the rest starts anew."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from describer.seg.adapters import plain_state_dict
from describer.seg.config import SceneConfig
from describer.seg.model import SceneModel

_HEADS: dict[str, tuple[str, ...]] = {
    "activity": ("activity_names",),
    "phase": ("phase_names",),
    "tools": ("verb_names", "target_names"),
    "looks": (),
}
"""Heads that are kept where they speak of the same classes, in the same words of these fields."""


def average(first: SceneModel, second: SceneModel) -> SceneModel:
    """A model halfway between a model and what further training on other frames made of it; `second` is changed.

    Weights and batch-norm statistics that both have are averaged (WiSE-FT, arXiv 2109.01903): what the further
    training gained is mostly kept, and most of what it lost elsewhere comes back.
    """
    old, state = first.state_dict(), second.state_dict()
    for name, value in state.items():
        if name in old and value.is_floating_point():
            state[name] = (value + old[name]) / 2
    second.load_state_dict(state)
    return second


def transfer(source: SceneModel, config: SceneConfig) -> SceneModel:
    """A model of `config`, without an adapter, that starts from `source`'s weights.

    Classes keep their weights by name; an activity, phase or interaction head is kept where it speaks the same words
    of the same classes. Everything else that has the same name and shape is kept. `source`'s adapter stays behind.
    """
    model = SceneModel(SceneConfig(**{**config.to_dict(), "adapter": "none"}))
    old = {name: value for name, value in source.state_dict().items() if not name.startswith("backbone.")}
    old |= {f"backbone.{name}": value for name, value in plain_state_dict(source.backbone).items()}
    new = model.state_dict()
    for name, value in old.items():
        if name in new and _means_the_same(name, value, new[name], source.config, config):
            new[name] = value
    for part in ("weight", "bias"):
        _copy_rows(old[f"classify.{part}"], source.config.class_names, new[f"classify.{part}"], config.class_names)
    model.load_state_dict(new)
    return model


def _means_the_same(name: str, old: Tensor, new: Tensor, was: SceneConfig, now: SceneConfig) -> bool:
    head = name.split(".", 1)[0]
    if old.shape != new.shape or head == "classify":
        return False
    words = ("class_names", *_HEADS[head]) if head in _HEADS else ()
    return all(getattr(was, field) == getattr(now, field) for field in words)


@torch.no_grad()
def _copy_rows(old: Tensor, old_names: Sequence[str], new: Tensor, new_names: Sequence[str]) -> None:
    for row, name in enumerate(new_names):
        if name in old_names:
            new[row] = old[list(old_names).index(name)]
