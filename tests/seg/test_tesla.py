"""TESLA adapters: identity at the start, phases, saving alone, merging."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import Dinov2Config, Dinov2Model

from describer.errors import DescriberError
from describer.seg import tesla


def backbone(**fields: object) -> Dinov2Model:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_ratio": 2}
    return Dinov2Model(Dinov2Config(**sizes, image_size=28, patch_size=14, **fields)).eval()


def shake(model: nn.Module) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        for value in tesla.adapter_state_dict(model).values():
            value.add_(torch.randn_like(value) * 0.3)


def run(model: nn.Module) -> torch.Tensor:
    torch.manual_seed(2)
    with torch.no_grad():
        return model(torch.randn(2, 3, 28, 42)).last_hidden_state


@pytest.mark.parametrize("swiglu, wrapped", [(False, 4), (True, 6)])
@pytest.mark.parametrize("vectors", [True, False])
@pytest.mark.parametrize("gate", [True, False])
def test_starts_as_the_identity(swiglu: bool, wrapped: int, vectors: bool, gate: bool) -> None:
    model = backbone(use_swiglu_ffn=swiglu)
    before = run(model)
    assert tesla.add_tesla(model, vectors=vectors, gate=gate) == wrapped
    assert torch.equal(run(model), before)


def test_formula() -> None:
    layer = tesla.TeslaLinear(nn.Linear(5, 7), rank=2, alpha=6, vectors=True, gate=True)
    for parameter in (layer.A, layer.B, layer.u, layer.v):
        nn.init.normal_(parameter)
    x = torch.randn(3, 5)
    z = 3 * torch.diag(layer.v) @ layer.B @ torch.diag(layer.u) @ layer.A @ x.T
    expected = layer.base(x) + (z * torch.sigmoid(z)).T
    assert torch.allclose(layer(x), expected, atol=1e-5)


def test_phases_train_disjoint_parts_and_base_is_frozen() -> None:
    model = backbone()
    tesla.add_tesla(model)
    first, second = tesla.tesla_parameters(model, 1), tesla.tesla_parameters(model, 2)
    assert len(first) == len(second) == 8
    assert not {id(p) for p in first} & {id(p) for p in second}
    adapters = {id(p) for p in first + second}
    assert all(p.requires_grad == (id(p) in adapters) for p in model.parameters())


@pytest.mark.parametrize("vectors", [True, False])
def test_merge_equals_adapted(vectors: bool) -> None:
    model = backbone()
    tesla.add_tesla(model, vectors=vectors)
    shake(model)
    adapted = run(model)
    assert not torch.allclose(adapted, run(backbone()), atol=1e-3)
    tesla.merge_tesla(model)
    assert not list(tesla.tesla_layers(model))
    assert torch.allclose(run(model), adapted, atol=1e-5)


def test_adapter_round_trip(tmp_path: Path) -> None:
    model, other = backbone(), backbone()
    tesla.add_tesla(model)
    tesla.add_tesla(other)
    shake(model)
    tesla.save_adapter(model, tmp_path / "a.safetensors")
    tesla.load_adapter(other, tmp_path / "a.safetensors")
    assert torch.equal(run(model), run(other))
    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == 0o644


def test_refusals(tmp_path: Path) -> None:
    gated, plain, wide = backbone(), backbone(), backbone()
    tesla.add_tesla(gated, vectors=False, gate=True)
    before = run(gated)
    with pytest.raises(DescriberError, match="gated"):
        tesla.merge_tesla(gated)
    assert torch.equal(run(gated), before)
    with pytest.raises(DescriberError, match="phase 2"):
        tesla.tesla_parameters(gated, 2)
    with pytest.raises(DescriberError, match="phase 1 or 2"):
        tesla.tesla_parameters(gated, 3)
    with pytest.raises(DescriberError, match="already"):
        tesla.add_tesla(gated)
    with pytest.raises(DescriberError, match="no TESLA adapter"):
        tesla.save_adapter(plain, tmp_path / "none.safetensors")
    tesla.save_adapter(gated, tmp_path / "a.safetensors")
    tesla.add_tesla(wide, rank=8)
    with pytest.raises(DescriberError, match="another base or rank"):
        tesla.load_adapter(wide, tmp_path / "a.safetensors")
    with pytest.raises(DescriberError, match="cannot be read"):
        tesla.load_adapter(wide, tmp_path / "absent.safetensors")
    with pytest.raises(DescriberError, match="No MLP projection"):
        tesla.add_tesla(nn.Sequential(nn.Linear(2, 2)))
