"""An adapter alone on disk: bit for bit back, refused by every model it was not made for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from describer.errors import ModelError, OutputError
from describer.seg.adapters import adapter_state_dict, merge_adapter
from describer.seg.adapters.files import describe_adapter, fingerprint, load_adapter, save_adapter
from tests.seg.adapters.tiny import KINDS, adapted, backbone, config, run, shake


def saved(kind: str, path: Path) -> Path:
    model = adapted(config(kind))
    shake(model)
    save_adapter(model, config(kind), path)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip_is_exact(kind: str, tmp_path: Path) -> None:
    path = saved(kind, tmp_path / "a.safetensors")
    model, again = adapted(config(kind)), adapted(config(kind))
    shake(model)
    load_adapter(again, config(kind), path)
    expected = adapter_state_dict(model)
    assert all(torch.equal(value, expected[name]) for name, value in adapter_state_dict(again).items())
    assert torch.equal(run(model), run(again))
    assert path.stat().st_mode & 0o777 == 0o644
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "kind, facts",
    [
        ("tesla, gated", {"kind": "tesla", "rank": "4", "alpha": "4", "vectors": "true", "gate": "true"}),
        ("lora", {"kind": "lora", "rank": "4", "alpha": "12"}),
        ("vector-lora", {"kind": "vector-lora", "rank": "14,8", "alpha": "14,8"}),
    ],
)
def test_the_file_says_what_it_is(kind: str, facts: dict[str, str], tmp_path: Path) -> None:
    with safe_open(str(saved(kind, tmp_path / "a.safetensors")), framework="pt") as file:
        metadata = file.metadata()
    assert {name: value for name, value in metadata.items() if name not in ("base", "format")} == facts


@pytest.mark.parametrize(
    "kind, other, fields, word",
    [
        ("tesla", "lora", {}, "kind tesla"),
        ("lora", "vector-lora", {}, "kind lora"),
        ("vector-lora", "tesla", {}, "kind vector-lora"),
        ("tesla", "tesla", {"adapter_rank": 8}, "rank 4, while the model has rank 8"),
        ("lora", "lora", {"adapter_rank": 2}, "rank 4, while the model has rank 2"),
        ("lora", "lora", {"adapter_alpha": 1}, "alpha 12, while the model has alpha 1"),
        ("tesla", "tesla, no vectors", {}, "vectors true, while the model has vectors false"),
        ("tesla", "tesla, gated", {}, "gate false, while the model has gate true"),
        (
            "vector-lora",
            "vector-lora",
            {"backbone": {"num_hidden_layers": 3}},
            "rank 14,8, while the model has rank 14",
        ),
        ("lora", "lora", {"backbone": {"hidden_size": 32}}, "another backbone"),
        ("tesla", "tesla", {"backbone": {"num_hidden_layers": 3}}, "another backbone"),
    ],
)
def test_another_kind_rank_or_shape_is_refused(
    kind: str, other: str, fields: dict[str, Any], word: str, tmp_path: Path
) -> None:
    path = saved(kind, tmp_path / "a.safetensors")
    shape = config(other, **fields)
    model = adapted(shape)
    before = run(model)
    with pytest.raises(ModelError, match=word) as caught:
        load_adapter(model, shape, path)
    assert str(path) in str(caught.value)
    assert torch.equal(run(model), before)


@pytest.mark.parametrize("kind", ["tesla", "lora"])
def test_other_weights_are_refused_even_the_merged_ones(kind: str, tmp_path: Path) -> None:
    path = saved(kind, tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match="another backbone"):
        load_adapter(adapted(config(kind), seed=7), config(kind), path)
    model = adapted(config(kind))
    load_adapter(model, config(kind), path)
    plain = fingerprint(model)
    merge_adapter(model)
    assert plain == fingerprint(backbone(config())) != fingerprint(model)


def test_fields_of_another_kind_do_not_count() -> None:
    assert describe_adapter(config(adapter_rank=8)) == describe_adapter(config(adapter_gate=True)) == {"kind": "none"}
    assert describe_adapter(config("lora", adapter_gate=True)) == describe_adapter(config("lora"))
    assert describe_adapter(config("vector-lora", adapter_rank=8)) == describe_adapter(config("vector-lora"))


def test_the_fingerprint_does_not_depend_on_dtype_or_adapter() -> None:
    prints = {fingerprint(backbone(config()).to(dtype)) for dtype in (torch.float32, torch.bfloat16)}
    prints |= {fingerprint(adapted(config(kind))) for kind in KINDS}
    assert len(prints) == 1


def test_bad_files_and_places(tmp_path: Path) -> None:
    shape = config("tesla")
    model, path = adapted(shape), saved("tesla", tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match="carries no adapter"):
        save_adapter(backbone(config()), config(), tmp_path / "none.safetensors")
    with pytest.raises(OutputError, match="cannot be written"):
        save_adapter(model, shape, tmp_path / "absent" / "a.safetensors")
    with pytest.raises(ModelError, match="cannot be read"):
        load_adapter(model, shape, tmp_path / "absent.safetensors")
    save_file(load_file(path), tmp_path / "foreign.safetensors")
    with pytest.raises(ModelError, match="no adapter of a scene model"):
        load_adapter(model, shape, tmp_path / "foreign.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be read"):
        load_adapter(model, shape, path)
