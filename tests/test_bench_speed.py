"""`describer bench speed`: the scene it measures on, and that everything is measured once through."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from describer import bench_speed, cli
from describer.bench_speed import grid_scene
from describer.frames import as_frame
from tests.tiny import save_tiny_scene_model


def test_the_grid_covers_the_frame_without_overlap():
    scene = grid_scene(as_frame(np.zeros((512, 640, 3), np.uint8)), 20)
    masks = np.stack([region.mask.to_array() for region in scene.regions])
    assert len(masks) == 20 and masks.sum(0).max() == 1 and masks.any(0).mean() > 0.8
    assert {relation.predicate for relation in scene.relations} == {"touches"}


def test_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(bench_speed, "FRAME_WH", (160, 128))
    monkeypatch.setattr(bench_speed, "FRAMES", 3)
    folder = save_tiny_scene_model(tmp_path / "scene")
    assert cli.run(["bench", "speed", "--scene-model", str(folder), "--vlm", "echo", "--repeats", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["same_texts"] == "20 of 20" and found["times_faster"] > 0
    assert found["run_to_models"] > 0 and found["peak_memory_gib"] > 0
