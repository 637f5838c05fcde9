"""TESLA, the task-efficient shared low-rank adapters of EndoARSS (arXiv 2506.06830).

Every MLP projection stays frozen and gains one low-rank update that all tasks share:

    delta(x) = alpha/r * diag(v) B diag(u) A x        y = W x + gate(delta(x)),  gate(z) = z * sigmoid(z)

Vectors and gate are two switches, since the reference's code holds two variants. B starts at zero, so an adapted
network starts as the pretrained one. Training has two phases: A and B first, then only u and v.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from describer.errors import DescriberError

PROJECTIONS = ("fc1", "fc2", "gate_proj", "up_proj", "down_proj")
"""The MLP projections of DINOv2's blocks: two with GELU, three with SwiGLU (the giant model)."""
MATRICES = ("A", "B")
VECTORS = ("u", "v")


class TeslaLinear(nn.Module):
    """A frozen linear layer with a shared low-rank update. Shape: (..., in) -> (..., out)."""

    def __init__(
        self,
        base: nn.Linear,
        rank: int = 4,
        alpha: float = 4.0,
        *,
        vectors: bool = True,
        gate: bool = False,
    ) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.scaling = alpha / rank
        self.gate = gate
        self.A = nn.Parameter(base.weight.new_empty(rank, base.in_features))
        self.B = nn.Parameter(base.weight.new_zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=5**0.5)
        self.u = nn.Parameter(base.weight.new_ones(rank)) if vectors else None
        self.v = nn.Parameter(base.weight.new_ones(base.out_features)) if vectors else None

    def delta(self, x: Tensor) -> Tensor:
        """The update before the gate."""
        z = F.linear(x, self.A)
        z = F.linear(z if self.u is None else z * self.u, self.B)
        return self.scaling * (z if self.v is None else z * self.v)

    def forward(self, x: Tensor) -> Tensor:
        delta = self.delta(x)
        return self.base(x) + (F.silu(delta) if self.gate else delta)

    def merged(self) -> nn.Linear:
        """A plain layer with equal outputs; an ungated update is linear, so it folds into W."""
        if self.gate:
            raise DescriberError("A gated TESLA adapter is not linear and cannot be merged; keep it apart.")
        up = self.B if self.v is None else self.v[:, None] * self.B
        down = self.A if self.u is None else self.u[:, None] * self.A
        with torch.no_grad():
            self.base.weight.add_(self.scaling * up @ down)
        return self.base.requires_grad_(True)


def add_tesla(model: nn.Module, rank: int = 4, alpha: float = 4.0, *, vectors: bool = True, gate: bool = False) -> int:
    """Wrap every MLP projection inside `model`, freeze everything else in it, return how many were wrapped."""
    if any(True for _ in tesla_layers(model)):
        raise DescriberError("The model already carries a TESLA adapter; merge it or load the plain model.")
    model.requires_grad_(False)
    found = [
        (parent, name)
        for parent in model.modules()
        for name, child in parent.named_children()
        if name in PROJECTIONS and isinstance(child, nn.Linear)
    ]
    if not found:
        raise DescriberError(f"No MLP projection ({', '.join(PROJECTIONS)}) to adapt; the backbone is not DINOv2.")
    for parent, name in found:
        setattr(parent, name, TeslaLinear(getattr(parent, name), rank, alpha, vectors=vectors, gate=gate))
    return len(found)


def tesla_layers(model: nn.Module) -> Iterator[tuple[str, TeslaLinear]]:
    """The adapted projections of `model` by name."""
    return ((name, module) for name, module in model.named_modules() if isinstance(module, TeslaLinear))


def tesla_parameters(model: nn.Module, phase: int) -> list[nn.Parameter]:
    """What a training phase moves: A and B in phase 1, u and v in phase 2."""
    if phase not in (1, 2):
        raise DescriberError(f"TESLA trains in phase 1 or 2, got {phase}.")
    names = MATRICES if phase == 1 else VECTORS
    found = [getattr(layer, name) for _, layer in tesla_layers(model) for name in names]
    if not found or found[0] is None:
        raise DescriberError(f"The model has nothing to train in TESLA phase {phase}; set adapter and vectors.")
    return found


def adapter_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """The adapter alone: A, B, u and v of every adapted projection."""
    return {
        f"{name}.{part}": getattr(layer, part).detach().contiguous()
        for name, layer in tesla_layers(model)
        for part in (*MATRICES, *VECTORS)
        if getattr(layer, part) is not None
    }


def plain_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """The weights below the adapters, under the names that `model` had before it was adapted."""
    adapters = adapter_state_dict(model)
    return {k.replace(".base.", "."): v for k, v in model.state_dict().items() if k not in adapters}


def save_adapter(model: nn.Module, path: Path) -> None:
    """Write the adapter alone as one safetensors file."""
    state = adapter_state_dict(model)
    if not state:
        raise DescriberError(f"{path}: the model carries no TESLA adapter to save; train with adapter 'tesla'.")
    save_file(state, path)
    path.chmod(0o644)  # safetensors writes 0600, which a shared or packaged file must not be


def load_adapter(model: nn.Module, path: Path) -> None:
    """Read an adapter saved by `save_adapter` into a model that carries one of the same shape."""
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DescriberError(f"{path}: cannot be read as an adapter ({error}); give a .safetensors file.") from error
    own = adapter_state_dict(model)
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in state.items()}:
        raise DescriberError(f"{path}: the adapter belongs to another base or rank; load the model it was made for.")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(state[name])


def merge_tesla(model: nn.Module) -> None:
    """Fold every (ungated) update into the weights and unwrap; outputs stay equal to rounding."""
    for name, layer in list(tesla_layers(model)):
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layer.merged())
