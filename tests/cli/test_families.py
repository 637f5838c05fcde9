"""`describer annotate --vlm PATH --adapter PATH` on checkpoints of other architectures: no special case."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest
from transformers import AutoModelForImageTextToText

from describer.cli import run
from describer.seg.synth import render
from describer.vlm.lora import add_lora, save_adapter
from tests.tiny import save_tiny_scene_model
from tests.vlm.families import FAMILIES, checkpoint


def _widen_context(folder: Path) -> None:
    """Room for real prompts; rotary positions have no weights, so only the configuration changes."""
    config = json.loads((folder / "config.json").read_text())
    config.get("text_config", config)["max_position_embeddings"] = 8192
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("family", FAMILIES)
def test_annotate_with_another_architecture_and_its_adapter(
    family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    cv2.imwrite(str(frames / "0.png"), render(0, "laparoscopy", (160, 128)).image[..., ::-1])
    base, scene = tmp_path / "base", save_tiny_scene_model(tmp_path / "scene")
    shutil.copytree(checkpoint(family), base)
    _widen_context(base)
    adapted = add_lora(AutoModelForImageTextToText.from_pretrained(base), rank=2)
    save_adapter(adapted, tmp_path / "lora", base.name)

    options = ["--scene-model", str(scene), "--vlm", str(base), "--adapter", str(tmp_path / "lora"), "--device", "cpu"]
    assert run(["annotate", str(frames), "-o", str(tmp_path / "out"), *options, "--json"]) == 0

    summary = json.loads(capsys.readouterr().out)
    assert (summary["frames"], summary["failures"]) == (1, 0)
    records = [json.loads(line) for line in (tmp_path / "out" / "annotations.jsonl").open()]
    for record in records:
        assert len(record["descriptions"]) == len(record["scene"]["regions"]) + 1
        # A model is named by its folder and a hash of its weights, so that records tell two checkpoints apart.
        assert record["provenance"]["vlm"].startswith("base@")
        assert record["provenance"]["adapter"].startswith("lora@")
