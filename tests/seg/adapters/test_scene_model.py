"""Scene models that carry an adapter: files, start from a backbone, training, merging, what importing costs."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from describer.errors import DescriberError
from describer.seg import adapters
from describer.seg.adapters import adapter_state_dict, plain_state_dict
from describer.seg.adapters.files import load_adapter, save_adapter
from describer.seg.config import SceneConfig
from describer.seg.data import BatchLoader, CachedDataset, Source
from describer.seg.model import SceneModel
from describer.seg.predict import ScenePredictor
from describer.seg.trainer import Trainer, TrainSettings
from tests.seg.adapters.tiny import KINDS, LINEAR, backbone, config, shake

HW = (28, 42)


def scene_config(kind: str, **fields: Any) -> SceneConfig:
    shape = config(kind, **fields)
    return SceneConfig(**{**shape.to_dict(), "class_names": list("abcd"), "activity_names": ["x", "y"]})


def logits(model: nn.Module) -> torch.Tensor:
    torch.manual_seed(2)
    with torch.no_grad():
        output: torch.Tensor = model(torch.randn(1, 3, *HW)).logits
    return output


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_model_starts_as_the_plain_one(kind: str) -> None:
    models = []
    for name in ("none", kind):
        torch.manual_seed(0)
        models.append(SceneModel(scene_config(name)).eval())
    assert torch.equal(logits(models[0]), logits(models[1]))


@pytest.mark.parametrize("kind", [*KINDS, "swiglu"])
def test_saved_and_loaded_bit_for_bit(kind: str, tmp_path: Path) -> None:
    swiglu = {"adapter": "tesla", "backbone": {"use_swiglu_ffn": True}} if kind == "swiglu" else {}
    model = SceneModel(scene_config(kind, **swiglu)).eval()
    shake(model.backbone)
    model.save_pretrained(tmp_path)
    again, info = SceneModel.from_pretrained(tmp_path, dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    kept = again.state_dict()
    assert model.state_dict().keys() == kept.keys()
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    # Memory-mapped weights may be aligned otherwise, which changes the last bits of a product.
    assert torch.allclose(logits(again.eval()), logits(model), atol=1e-5)


@pytest.mark.parametrize("blocks", [2, 4])
@pytest.mark.parametrize("kind", ["tesla", "lora", "vector-lora"])
def test_from_a_dinov2_folder_of_any_depth(kind: str, blocks: int, tmp_path: Path) -> None:
    plain = backbone(config(backbone={"num_hidden_layers": blocks}))
    plain.save_pretrained(tmp_path)
    model = SceneModel.from_backbone(tmp_path, scene_config(kind, adapter_rank=2))
    assert (model.config.adapter, model.config.adapter_rank) == (KINDS[kind]["adapter"], 2)
    state = plain_state_dict(model.backbone)
    assert all(torch.equal(value, state[name]) for name, value in plain.state_dict().items())
    per_block = {"tesla": 2 * 4, "lora": 2 * 2, "vector-lora": 2 * 2}[kind]
    assert len(adapter_state_dict(model.backbone)) == blocks * per_block


@pytest.mark.parametrize("kind", ["tesla", "lora", "vector-lora"])
def test_the_adapter_alone_brings_a_plain_model_to_the_trained_one(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained = SceneModel(scene_config("none")).eval()
    trained.save_pretrained(tmp_path / "plain")
    trained.adapt_backbone(scene_config(kind))
    shake(trained.backbone)
    save_adapter(trained.backbone, trained.config, tmp_path / "a.safetensors")
    model = SceneModel.from_pretrained(tmp_path / "plain", dtype=torch.float32).eval()
    model.adapt_backbone(scene_config(kind))
    load_adapter(model.backbone, model.config, tmp_path / "a.safetensors")
    assert torch.allclose(logits(model), logits(trained), atol=1e-5)


@pytest.mark.parametrize("kind", LINEAR)
def test_merged_and_saved_it_is_a_plain_model(kind: str, tmp_path: Path) -> None:
    model = SceneModel(scene_config(kind)).eval()
    shake(model.backbone)
    expected = logits(model)
    model.merge_adapter()
    model.save_pretrained(tmp_path)
    again = SceneModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert again.config.adapter == "none"
    assert torch.allclose(logits(again), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_adapter_stage_moves_adapter_and_heads_alone(kind: str, tiny_frames: Path) -> None:
    torch.manual_seed(0)
    model = SceneModel(scene_config(kind))
    trainer = Trainer(model, TrainSettings(steps=4, stage="adapter", phase1_share=0.5, batch_size=2, hw=HW, lr=1e-2))
    loader = BatchLoader([Source(CachedDataset(tiny_frames))], 2, hw=HW)
    states = [{name: value.clone() for name, value in model.state_dict().items()}]
    for _ in range(4):
        trainer.step(next(loader))
        states.append({name: value.clone() for name, value in model.state_dict().items()})
    loader.close()
    adapter = {f"backbone.{name}" for name in adapter_state_dict(model.backbone)}
    matrices = {name for name in adapter if name.endswith((".A", ".B"))} if "tesla" in kind else set()
    base = {name for name in states[0] if name.startswith("backbone.") and name not in adapter and "lora_" not in name}

    def moved(first: int, last: int) -> set[str]:
        return {name for name, value in states[first].items() if not torch.equal(value, states[last][name])}

    assert not moved(0, 4) & base
    assert "classify.weight" in moved(0, 2) & moved(2, 4)
    if kind in ("tesla", "tesla, gated"):
        assert matrices <= moved(0, 2) and not matrices & moved(2, 4)
        assert adapter - matrices <= moved(2, 4) and not (adapter - matrices) & moved(0, 2)
    else:
        parts = matrices or {name for name in states[0] if "lora_" in name}
        assert parts <= moved(0, 2) & moved(2, 4)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(DescriberError, match="tesla, lora, vector-lora"):
        scene_config("none", adapter="dora")


def test_the_embedded_model_needs_no_peft(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither loading it nor importing what makes adapters; in a process of its own this would take 5 s."""
    monkeypatch.setitem(sys.modules, "peft", None)
    for module in (adapters, adapters.lora, adapters.files):
        runpy.run_path(str(module.__file__))
    assert ScenePredictor.load("embedded").model.config.adapter == "none"
    with pytest.raises(ImportError):
        SceneModel(scene_config("lora"))
