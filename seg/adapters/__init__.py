"""Low-rank adapters of the scene model's backbone, of every kind behind one interface.

`SceneConfig.adapter` names the kind: "tesla" (`tesla.py`), "lora" and "vector-lora" (`lora.py`). An adapter freezes the
backbone that carries it, starts as the identity, is saved and loaded alone (`files.py`), and merges where it is linear.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from describer.errors import ModelError
from describer.seg.adapters.adapted import MATRICES, VECTORS, Adapted
from describer.seg.adapters.lora import add_lora, lora_layers, vector_ranks
from describer.seg.adapters.tesla import add_tesla, tesla_layers
from describer.seg.config import SceneConfig


def add_adapter(backbone: nn.Module, config: SceneConfig) -> None:
    """Freeze `backbone` and give it the adapter that `config` names."""
    if any(True for _ in adapted_layers(backbone)):
        raise ModelError("The model already carries an adapter; merge it or load the plain model.")
    rank, alpha = config.adapter_rank, config.adapter_alpha
    blocks = config.backbone_config().num_hidden_layers
    if config.adapter == "tesla":
        add_tesla(backbone, rank, alpha, vectors=config.adapter_vectors, gate=config.adapter_gate)
    elif config.adapter == "lora":
        add_lora(backbone, [rank] * blocks, [alpha] * blocks)
    elif config.adapter == "vector-lora":
        ranks = vector_ranks(blocks)
        add_lora(backbone, ranks, ranks)
    else:
        raise ModelError("The configuration names no adapter; set adapter to tesla, lora or vector-lora.")


def adapted_layers(model: nn.Module) -> Iterator[Adapted]:
    """The projections of `model` that carry an adapter of any kind."""
    yield from tesla_layers(model)
    yield from lora_layers(model)


def adapter_phases(config: SceneConfig) -> int:
    """How many phases the adapter trains in: TESLA's vectors have one of their own, after the matrices."""
    return 2 if config.adapter == "tesla" and config.adapter_vectors else 1


def adapter_parameters(model: nn.Module, phase: int) -> list[nn.Parameter]:
    """What a training phase moves: A and B in phase 1, TESLA's u and v in phase 2."""
    if phase not in (1, 2):
        raise ModelError(f"An adapter trains in phase 1 or 2, got {phase}.")
    names = MATRICES if phase == 1 else VECTORS
    found = [layer.parts[name] for layer in adapted_layers(model) for name in names if name in layer.parts]
    if not found:
        raise ModelError(f"The model has no adapter to train in phase {phase}; set adapter, and vectors for phase 2.")
    return found


def adapter_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """The adapter alone: A, B, u and v of every adapted projection, by its name."""
    return {
        f"{layer.name}.{part}": value.detach().contiguous()
        for layer in adapted_layers(model)
        for part, value in layer.parts.items()
    }


def plain_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """The weights below the adapter, under the names that `model` had before it was adapted."""
    layers = list(adapted_layers(model))
    wrapped = tuple(f"{layer.name}." for layer in layers)
    plain = {name: value for name, value in model.state_dict().items() if not name.startswith(wrapped)}
    below = {f"{layer.name}.{name}": value for layer in layers for name, value in layer.base.state_dict().items()}
    return plain | below


def merge_adapter(model: nn.Module) -> None:
    """Fold every update into the weights and unwrap; outputs stay equal to rounding (1e-5), and everything trains."""
    for layer in list(adapted_layers(model)):
        parent, _, child = layer.name.rpartition(".")
        setattr(model.get_submodule(parent), child, layer.merged())
    model.requires_grad_(True)
