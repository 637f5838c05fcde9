"""`describer train depth` from end to end on a tiny clip, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from describer.cli import run
from describer.pipeline import Describer
from tests.seg.selfdepth.made import moving_clip
from tests.tiny import save_tiny_scene_model, tiny_scene_model


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips") / "clip one"
    folder.mkdir()
    for i, frame in enumerate(moving_clip(14, (84, 112), (0.08, 0.03, 0.03))[0]):
        cv2.imwrite(str(folder / f"{i}.png"), frame[:, :, ::-1])
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_scene_model(tmp_path_factory.mktemp("scene"))


def test_it_trains_scores_and_shows(clip: Path, start: Path, tmp_path: Path, capsys):
    out = tmp_path / "out"
    command = ["train", "depth", str(clip), "--out", str(out), "--start", str(start), "--steps", "2", "--size", "42x56"]
    assert run([*command, "--batch-size", "1"]) == 0
    said = capsys.readouterr()
    assert "clip one: 14 frames, 11 to train on, 3 held out" in said.err
    assert "photometric error on 6 held-out pairs" in said.out and "no motion" in said.out
    (scores,) = json.loads((out / "scores.json").read_text())
    assert scores["name"] == "clip one" and scores["end"]["pairs"] == 6
    assert scores["old_depth"]["photometric"] != scores["start"]["photometric"]  # the pose has learned
    strip = cv2.imread(str(out / "clip one.png"))
    assert strip.shape == (3 * 210, 6 * 280, 3)
    Describer(str(out), "echo", device="cpu", depth=True).scene_model.require_depth()
    written = (out / "model.safetensors").stat().st_mtime_ns
    assert run([*command, "--batch-size", "1"]) == 0  # done already: scored again, nothing trained
    assert (out / "log.csv").read_text().count("\n") == 3 and (out / "model.safetensors").stat().st_mtime_ns > written
    assert json.loads((out / "scores.json").read_text()) == [scores]


def test_what_cannot_be_trained_is_one_sentence(clip: Path, start: Path, tmp_path: Path, capsys):
    still = tmp_path / "still"
    still.mkdir()
    for i in range(12):
        cv2.imwrite(str(still / f"{i}.png"), np.full((60, 80, 3), 128, np.uint8))
    flat = tiny_scene_model()
    flat.config.depth, flat.depth = False, None
    flat.save_pretrained(tmp_path / "flat")
    for clips, options, words in (
        ([clip], ["--size", "50x60"], "multiples of 14"),
        ([clip], ["--size", "large"], "--size large"),
        ([clip], ["--focal", "0"], "--focal must be above 0"),
        ([clip], ["--intrinsics", "1,2,3"], "fx,fy,cx,cy"),
        ([clip], ["--steps", "2", "--minutes", "1"], "either steps or minutes"),
        ([clip], ["--start", str(tmp_path / "flat")], "tells no depth"),
        ([tmp_path / "none"], [], "does not exist"),
        ([still], ["--size", "42x56"], "too few move"),
        ([clip, clip], ["--size", "42x56"], "two clips are called 'clip one'"),
    ):
        given = [] if "--start" in options else ["--start", str(start)]
        assert run(["train", "depth", *map(str, clips), "--out", str(tmp_path / "o"), *options, *given]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("Error: ") and words in error, error
