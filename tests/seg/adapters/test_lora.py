"""LoRA and Vector-LoRA: DARES's ranks, the formula, and which projections are wrapped."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import Dinov2Model

from describer.errors import DescriberError
from describer.seg.adapters import adapted_layers
from describer.seg.adapters.lora import add_lora, vector_ranks
from tests.seg.adapters.tiny import adapted, backbone, config, shake


def ranks_by_block(model: Dinov2Model) -> dict[int, set[tuple[str, int]]]:
    found: dict[int, set[tuple[str, int]]] = {}
    for layer in adapted_layers(model):
        block, projection = int(layer.name.split(".")[2]), layer.name.rpartition(".")[2]
        found.setdefault(block, set()).add((projection, layer.parts["A"].shape[0]))
        assert layer.parts["B"].shape[1] == layer.parts["A"].shape[0]
    return found


def test_twelve_blocks_get_the_ranks_of_dares() -> None:
    model = adapted(config("vector-lora", backbone={"num_hidden_layers": 12}))
    published = (14, 14, 12, 12, 10, 10, 8, 8, 8, 8, 8, 8)
    assert ranks_by_block(model) == {k: {("q_proj", r), ("v_proj", r)} for k, r in enumerate(published)}


@pytest.mark.parametrize(
    "blocks, ranks",
    [
        (1, [14]),
        (4, [14, 12, 8, 8]),
        (8, [14, 14, 12, 10, 8, 8, 8, 8]),
        (24, [14] * 4 + [12] * 4 + [10] * 4 + [8] * 12),
    ],
)
def test_other_depths_take_the_rank_at_the_same_relative_depth(blocks: int, ranks: list[int]) -> None:
    assert vector_ranks(blocks) == ranks


@pytest.mark.parametrize("kind, scale", [("lora", 3.0), ("vector-lora", 1.0)])
def test_formula(kind: str, scale: float) -> None:
    model = adapted(config(kind))
    shake(model)
    layer = next(iter(adapted_layers(model)))
    x = torch.randn(3, layer.base.in_features)
    update = scale * layer.parts["B"] @ layer.parts["A"] @ x.T
    assert torch.allclose(model.get_submodule(layer.name)(x), layer.base(x) + update.T, atol=1e-5)


def test_plain_lora_has_one_rank() -> None:
    model = adapted(config("lora", adapter_rank=3, backbone={"num_hidden_layers": 3}))
    assert ranks_by_block(model) == {k: {("q_proj", 3), ("v_proj", 3)} for k in range(3)}


def test_another_network_is_refused() -> None:
    with pytest.raises(DescriberError, match="not DINOv2"):
        add_lora(nn.Sequential(nn.Linear(2, 2)), [4], [4])
    with pytest.raises(DescriberError, match="each of 3 blocks"):
        add_lora(backbone(config()), [4] * 3, [4] * 3)
