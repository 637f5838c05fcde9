"""The two training presets end to end, at a size that takes seconds: every step of the real path is run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from describer import caches, tuning
from describer.errors import InputError
from describer.pipeline import Describer
from describer.seg.config import SceneConfig
from describer.seg.training import TrainSettings
from describer.vlm.tuning import TuneOptions

TINY = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "patch_size": 14, "image_size": 224}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few frames, small ones, a tiny backbone and budgets in steps; nothing else differs from the real preset."""
    whole = tuning.embedded_scene_config().to_dict()
    config = SceneConfig(
        **{**whole, "backbone": TINY | {"use_mask_token": False}, "feature_layers": [1, 2, 3, 4], "decoder_width": 16}
    )
    monkeypatch.setattr(tuning, "embedded_scene_config", lambda: config)
    monkeypatch.setattr(tuning, "HELD_OUT_FRAMES", 3)
    monkeypatch.setattr(tuning, "BOXED_FRAMES", 2)
    monkeypatch.setattr(tuning, "TOKENIZER_FRAMES", 3)
    monkeypatch.setattr(tuning, "SCORED_FRAMES", 1)
    monkeypatch.setattr(caches, "_RENDERED_WH", (320, 256))
    monkeypatch.setattr(caches, "CACHE_HW", (160, 200))
    stages = tuple(replace(stage, hw=(112, 140)) for stage in tuning._SCENE_STAGES)
    monkeypatch.setattr(tuning, "_SCENE_STAGES", stages)

    def steps(kind, count):
        return lambda minutes=None, **more: kind(**{**more, "steps": count, "batch_size": 2})

    monkeypatch.setattr(tuning, "TrainSettings", steps(TrainSettings, 2))
    monkeypatch.setattr(tuning, "TuneOptions", steps(TuneOptions, 2))


def test_presets_make_models_that_annotate(small: None, tmp_path: Path) -> None:
    scene = tuning.train_scene_preset("embedded", tmp_path / "scene", frames=4)
    card = (scene / "README.md").read_text()
    assert "rendered, held out | 3 |" in card and "not for clinical decisions" in card
    scores = json.loads((scene / "scores.json").read_text())["rendered, held out"]
    assert scores["n"] == 3 and scores["boxes"]["n"] == 2

    folder = tuning.train_vlm_preset("embedded", tmp_path / "language", str(scene), frames=2, adapter_frames=2)
    assert "base + adapter, black pictures" in (folder / "vlm" / "README.md").read_text()

    frame = caches.render(5, "mixed", (320, 256)).image
    made = Describer(str(scene), str(folder / "vlm"), str(folder / "vlm-lora"), device="cpu").annotate(frame)
    assert len(made.descriptions) == len(made.scene.regions) + 1
    assert made.provenance.adapter


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(InputError, match="--preset 'huge' is unknown; use one of embedded"):
        tuning.train_scene_preset("huge", "out")
