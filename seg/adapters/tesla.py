"""TESLA, the task-efficient shared low-rank adapters of EndoARSS (arXiv 2506.06830).

Every MLP projection stays frozen and gains one low-rank update that all tasks share:

    delta(x) = alpha/r * diag(v) B diag(u) A x        y = W x + gate(delta(x)),  gate(z) = z * sigmoid(z)

Vectors and gate are two switches, since the reference's code holds two variants. B starts at zero, so an adapted
network starts as the pretrained one. Training has two phases: A and B first, then only u and v.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from describer.errors import ModelError
from describer.seg.adapters.adapted import MATRICES, VECTORS, Adapted

PROJECTIONS = ("fc1", "fc2", "gate_proj", "up_proj", "down_proj")
"""The MLP projections of DINOv2's blocks: two with GELU, three with SwiGLU (the giant model)."""


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
            raise ModelError("A gated TESLA adapter is not linear and cannot be merged; keep it apart.")
        up = self.B if self.v is None else self.v[:, None] * self.B
        down = self.A if self.u is None else self.u[:, None] * self.A
        with torch.no_grad():
            self.base.weight.add_(self.scaling * up @ down)
        return self.base


def add_tesla(model: nn.Module, rank: int = 4, alpha: float = 4.0, *, vectors: bool = True, gate: bool = False) -> None:
    """Wrap every MLP projection inside `model` and freeze everything else in it."""
    model.requires_grad_(False)
    found = [
        (parent, name)
        for parent in model.modules()
        for name, child in parent.named_children()
        if name in PROJECTIONS and isinstance(child, nn.Linear)
    ]
    if not found:
        raise ModelError(f"No MLP projection ({', '.join(PROJECTIONS)}) to adapt; the backbone is not DINOv2.")
    for parent, name in found:
        setattr(parent, name, TeslaLinear(getattr(parent, name), rank, alpha, vectors=vectors, gate=gate))


def tesla_layers(model: nn.Module) -> Iterator[Adapted]:
    """The projections of `model` that `add_tesla` wrapped."""
    for name, module in model.named_modules():
        if isinstance(module, TeslaLinear):
            parts = {part: getattr(module, part) for part in (*MATRICES, *VECTORS)}
            known = {part: value for part, value in parts.items() if value is not None}
            yield Adapted(name, known, module.base, module.merged)
