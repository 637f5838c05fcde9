"""A backbone of a few thousand weights and the configurations that adapt it, for the tests of every kind."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import Dinov2Model

from describer.seg.adapters import adapter_state_dict, add_adapter
from describer.seg.config import SceneConfig

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 28}
KINDS: dict[str, dict[str, Any]] = {
    "tesla": {"adapter": "tesla"},
    "tesla, no vectors": {"adapter": "tesla", "adapter_vectors": False},
    "tesla, gated": {"adapter": "tesla", "adapter_gate": True},
    "lora": {"adapter": "lora", "adapter_alpha": 12},
    "vector-lora": {"adapter": "vector-lora"},
}
LINEAR = [kind for kind in KINDS if kind != "tesla, gated"]


def config(kind: str = "none", **fields: Any) -> SceneConfig:
    sizes = SIZES | fields.pop("backbone", {})
    shape = {"backbone": sizes, "feature_layers": [sizes["num_hidden_layers"]] * 4, "decoder_width": 16}
    return SceneConfig(class_names=["a", "b"], **(shape | KINDS.get(kind, {}) | fields))


def backbone(config: SceneConfig, seed: int = 0) -> Dinov2Model:
    torch.manual_seed(seed)
    return Dinov2Model(config.backbone_config()).eval()


def adapted(config: SceneConfig, seed: int = 0) -> Dinov2Model:
    model = backbone(config, seed)
    add_adapter(model, config)
    return model


def shake(model: nn.Module) -> None:
    """Move every number of the adapter, as training would."""
    torch.manual_seed(1)
    with torch.no_grad():
        for value in adapter_state_dict(model).values():
            value.add_(torch.randn_like(value) * 0.3)


def run(model: nn.Module) -> torch.Tensor:
    torch.manual_seed(2)
    with torch.no_grad():
        output: torch.Tensor = model(torch.randn(2, 3, 28, 42)).last_hidden_state
    return output
