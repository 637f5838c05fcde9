"""What every kind of adapter has in common: identity at the start, frozen base, phases, merging, plain weights."""

from __future__ import annotations

import pytest
import torch

from describer.errors import DescriberError
from describer.seg.adapters import (
    adapted_layers,
    adapter_parameters,
    adapter_phases,
    adapter_state_dict,
    add_adapter,
    merge_adapter,
    plain_state_dict,
)
from tests.seg.adapters.tiny import KINDS, LINEAR, adapted, backbone, config, run, shake


@pytest.mark.parametrize("kind", KINDS)
def test_starts_as_the_identity_and_then_moves_the_outputs(kind: str) -> None:
    before, model = run(backbone(config())), adapted(config(kind))
    assert torch.equal(run(model), before)
    shake(model)
    assert not torch.allclose(run(model), before, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_adapter_trains_and_phases_are_disjoint(kind: str) -> None:
    model, shape = adapted(config(kind)), config(kind)
    phases = [adapter_parameters(model, phase) for phase in range(1, adapter_phases(shape) + 1)]
    assert len(phases) == (2 if kind in ("tesla", "tesla, gated") else 1)
    ids = [id(parameter) for phase in phases for parameter in phase]
    assert len(set(ids)) == len(ids)
    assert {id(parameter) for parameter in model.parameters() if parameter.requires_grad} == set(ids)


@pytest.mark.parametrize("kind", LINEAR)
def test_merged_equals_adapted_and_is_plain(kind: str) -> None:
    model = adapted(config(kind))
    shake(model)
    expected = run(model)
    merge_adapter(model)
    assert torch.allclose(run(model), expected, atol=1e-5)
    assert not list(adapted_layers(model))
    assert model.state_dict().keys() == backbone(config()).state_dict().keys()
    assert all(parameter.requires_grad for parameter in model.parameters())
    add_adapter(model, config(kind))  # a merged model can be adapted again
    assert torch.allclose(run(model), expected, atol=1e-5)


def test_a_gated_adapter_refuses_to_merge_and_stays_whole() -> None:
    model = adapted(config("tesla, gated"))
    shake(model)
    before = run(model)
    with pytest.raises(DescriberError, match="gated"):
        merge_adapter(model)
    assert torch.equal(run(model), before) and len(list(adapted_layers(model))) == 4


@pytest.mark.parametrize("kind", [*KINDS, "none"])
def test_plain_weights_have_plain_names_and_values(kind: str) -> None:
    plain = backbone(config())
    model = backbone(config()) if kind == "none" else adapted(config(kind))
    state, expected = plain_state_dict(model), plain.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in state.items())
    assert bool(adapter_state_dict(model)) == (kind != "none")


def test_refusals() -> None:
    model = adapted(config("tesla, no vectors"))
    with pytest.raises(DescriberError, match="already"):
        add_adapter(model, config("lora"))
    with pytest.raises(DescriberError, match="names no adapter"):
        add_adapter(backbone(config()), config())
    with pytest.raises(DescriberError, match="phase 2"):
        adapter_parameters(model, 2)
    with pytest.raises(DescriberError, match="phase 1 or 2"):
        adapter_parameters(model, 3)
