"""LoRA and Vector-LoRA on the query and value projections of a DINOv2 backbone, through peft.

LoRA (arXiv 2106.09685) gives every block the same rank r: y = W x + alpha/r * B A x. Vector-LoRA of DARES (arXiv
2408.17433) gives earlier blocks more rank than later ones and adds B A x as it is (scale 1). B starts at zero, so an
adapted network starts as the pretrained one.

peft takes seconds to import, so it is imported where such an adapter is made and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from torch import nn

from describer.errors import ModelError
from describer.seg.adapters.adapted import Adapted

DARES_RANKS = (14, 14, 12, 12, 10, 10, 8, 8, 8, 8, 8, 8)
"""Ranks of DARES for the twelve blocks of a ViT-S or ViT-B."""

_PROJECTION = re.compile(r"(?:.*\.)?layer\.(\d+)\.attention\.[qv]_proj")
_NAME = "default"


def vector_ranks(blocks: int) -> list[int]:
    """The rank of each of `blocks` blocks: that of DARES's block at the same relative depth.

    Block k of n takes `DARES_RANKS[12 * k // n]`, so 12 blocks get the published ranks, 24 each of them twice, and
    any depth runs from 14 down to 8.
    """
    return [DARES_RANKS[len(DARES_RANKS) * k // blocks] for k in range(blocks)]


def add_lora(model: nn.Module, ranks: Sequence[int], alphas: Sequence[float]) -> None:
    """Give query and value of block k an update of rank `ranks[k]` scaled by alphas[k]/ranks[k]; freeze the rest."""
    found = {name: int(match[1]) for name, _ in model.named_modules() if (match := _PROJECTION.fullmatch(name))}
    if sorted(found.values()) != sorted(2 * list(range(len(ranks)))):
        raise ModelError(f"No query and value projection in each of {len(ranks)} blocks; the backbone is not DINOv2.")
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        target_modules=list(found),
        rank_pattern={re.escape(name): ranks[block] for name, block in found.items()},
        alpha_pattern={re.escape(name): alphas[block] for name, block in found.items()},
    )
    inject_adapter_in_model(config, model, _NAME)
    del model.peft_config  # peft's note on the model itself, which would outlive a merged adapter
    _check_made(model, {name: (ranks[block], alphas[block] / ranks[block]) for name, block in found.items()})


def _check_made(model: nn.Module, wanted: dict[str, tuple[int, float]]) -> None:
    """A pattern that matches nothing is only a warning to peft, and the layer gets its default rank."""
    made = {name: (module.r[_NAME], module.scaling[_NAME]) for name, module in _wrapped(model)}
    if made != wanted:
        raise ModelError("peft did not make the ranks asked for; install the peft version of constraints.txt.")


def _wrapped(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """peft's layers, told by what they hold: asking for their class would import peft."""
    return ((name, module) for name, module in model.named_modules() if hasattr(module, "lora_A"))


def lora_layers(model: nn.Module) -> Iterator[Adapted]:
    """The projections of `model` that `add_lora` wrapped."""
    for name, layer in _wrapped(model):
        parts = {"A": layer.lora_A[_NAME].weight, "B": layer.lora_B[_NAME].weight}
        yield Adapted(name, parts, layer.get_base_layer(), partial(_merged, layer))


def _merged(layer: Any) -> nn.Linear:
    layer.merge()
    base: nn.Linear = layer.get_base_layer()
    return base
