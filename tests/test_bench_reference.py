"""Ours against the reference, end to end on a tiny backbone with a budget of a moment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from describer import bench_reference as bench
from describer.bench_reference import OURS, REFERENCE, Options, SpeedCase
from describer.cli import app
from tests.tiny import BACKBONE, save_tiny_scene_model


def here(function, *args):
    return function(*args)


def never(function, *args):
    raise AssertionError("a kept result was made again")


def test_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("describer.seg.reference.ReferenceStem.__init__.__defaults__", (16,))
    start = save_tiny_scene_model(tmp_path / "start")
    options = Options(
        seeds=1,
        minutes=0.002,
        hw=(56, 70),
        frames=2,
        held_out=2,
        batch_size=2,
        start=str(start),
        repeats=1,
        vit_b=False,
    )
    found = bench.compare(tmp_path / "out", options, print, here)
    ours, theirs = found["runs"]
    assert (ours["name"], theirs["name"]) == (OURS, REFERENCE) and ours["seed"] == theirs["seed"]
    assert ours["steps"] >= 1 and ours["minutes"] >= 0.002 and theirs["reference"] and not ours["reference"]
    assert ours["trained"] != theirs["trained"]
    scores = theirs["scores"]["rendered, held out"]
    assert scores["n"] == 2 and scores["depth_abs_rel"] is None and scores["activity_accuracy"] is not None
    assert [case["model"] for case in found["inference"]] == [OURS, REFERENCE]
    assert all(case["frames_a_second"] > 0 and case["peak_gib"] > 0.1 for case in found["inference"])
    assert json.loads((tmp_path / "out" / "reference.json").read_text()) == found
    text = (tmp_path / "out" / "reference.md").read_text()
    assert "ours - reference" in text and "ours / reference" in text
    assert bench.compare(tmp_path / "out", options, print, never) == found  # everything is kept


def test_tables_by_hand() -> None:
    def run(name: str, seed: int, miou: float) -> dict:
        scores = {"n": 9, "miou": miou, "instrument_iou": None, "activity_accuracy": 0.5}
        return {
            "name": name,
            "seed": seed,
            "data": "d",
            **{"steps": 5, "images": 10, "minutes": 0.25, "cpu_seconds_a_step": 0.5, "training_peak_gib": 1.0},
            "scores": {"t": scores},
        }

    runs = [run(OURS, 0, 0.6), run(REFERENCE, 0, 0.3), run(OURS, 1, 0.8), run(REFERENCE, 1, 0.7)]
    rows = bench._score_rows(runs)
    assert [row[2] for row in rows] == ["0.700 ± 0.141", "0.500 ± 0.283", "0.200 ± 0.141"]
    assert rows[0][3] == "-" and rows[2][4] == "0.000 ± 0.000" and rows[0][-1] == "9, 2 seeds"
    assert rows[0][5:-1] == ("5", "10", "0.2", "0.50", "1.00")

    def case(model: str, speed: float) -> dict:
        sizes = {"frames_a_second": speed, "cpu_seconds_a_frame": 1 / speed, "peak_gib": 2.0, "parameters": 10**6}
        return {"model": model, "backbone": "ViT-B", "batch": 1, **sizes}

    *_, ratio = bench._speed_rows([case(OURS, 6.0), case(REFERENCE, 2.0)])
    assert ratio[2:] == ("ours / reference", "x 3.00", "x 0.33", "x 1.00", "x 1.00")


@pytest.mark.parametrize("model", [OURS, REFERENCE])
def test_inference_cost(model: str) -> None:
    fields = {
        "class_names": ["a", "b"],
        "activity_names": ["x"],
        "depth": False,
        "decoder_width": 16,
        "backbone": BACKBONE,
    }
    found = bench.inference_cost(SpeedCase(model, "tiny", fields, 2, (28, 42), "cpu", 2))
    assert found["batch"] == 2 and found["parameters"] > 10_000
    assert 0 < found["cpu_seconds_a_frame"] < 10 and found["frames_a_second"] > 0


def test_flags_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    empty = {"runs": [], "inference": []}
    monkeypatch.setattr(bench, "compare", lambda out, options, say: told.append((out, options)) or empty)
    flags = ["--minutes", "2", "--size", "112x112", "--real", "index.json", "--seeds", "5", "--device", "cpu"]
    done = CliRunner().invoke(app, ["bench", "reference", "-o", str(tmp_path), *flags, "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout) == empty
    (out, options), *_ = told
    assert (out, options.minutes, options.hw, options.seeds) == (tmp_path, 2.0, (112, 112), 5)
    assert options.real == Path("index.json") and options.vit_b
    assert (options.steps, options.real_held_out) == (None, None)
    flags = ["--steps", "9", "--real-held-out", "4", "--device", "cpu"]
    assert CliRunner().invoke(app, ["bench", "reference", "-o", str(tmp_path), *flags]).exit_code == 0
    assert (told[1][1].steps, told[1][1].minutes, told[1][1].real_held_out) == (9, None, 4)


def test_as_many_steps_for_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("describer.seg.reference.ReferenceStem.__init__.__defaults__", (16,))
    start = save_tiny_scene_model(tmp_path / "start")
    few = {"seeds": 1, "steps": 2, "hw": (56, 70), "frames": 2, "held_out": 2, "batch_size": 2, "start": str(start)}
    found = bench.compare(tmp_path / "out", Options(**few, repeats=1, vit_b=False), print, here)
    assert [(run["name"], run["steps"], run["images"]) for run in found["runs"]] == [(OURS, 2, 4), (REFERENCE, 2, 4)]
