"""TESLA adapters: the formula, which projections are wrapped, and the two switches."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from describer.errors import DescriberError
from describer.seg.adapters.tesla import TeslaLinear, add_tesla, tesla_layers
from tests.seg.adapters.tiny import backbone, config, run


@pytest.mark.parametrize("swiglu, wrapped", [(False, 4), (True, 6)])
@pytest.mark.parametrize("vectors", [True, False])
@pytest.mark.parametrize("gate", [True, False])
def test_starts_as_the_identity_on_every_mlp_projection(swiglu: bool, wrapped: int, vectors: bool, gate: bool) -> None:
    model = backbone(config(backbone={"use_swiglu_ffn": swiglu}))
    before = run(model)
    add_tesla(model, vectors=vectors, gate=gate)
    assert len(list(tesla_layers(model))) == wrapped
    assert torch.equal(run(model), before)


@pytest.mark.parametrize("gate", [True, False])
def test_formula(gate: bool) -> None:
    layer = TeslaLinear(nn.Linear(5, 7), rank=2, alpha=6, vectors=True, gate=gate)
    for parameter in (layer.A, layer.B, layer.u, layer.v):
        nn.init.normal_(parameter)
    x = torch.randn(3, 5)
    z = (3 * torch.diag(layer.v) @ layer.B @ torch.diag(layer.u) @ layer.A @ x.T).T
    expected = layer.base(x) + (z * torch.sigmoid(z) if gate else z)
    assert torch.allclose(layer(x), expected, atol=1e-5)


def test_another_network_is_refused() -> None:
    with pytest.raises(DescriberError, match="No MLP projection"):
        add_tesla(nn.Sequential(nn.Linear(2, 2)))
