"""`describer bench robustness`: clean and corrupted scores of held-out frames, in a table and a plot."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from describer import cli, robustness
from describer.robustness import METRICS, HeldOut, SetScores, _spread
from describer.seg.corruptions import CORRUPTIONS, corrupt
from describer.seg.data import Sample
from describer.seg.scoring import evaluate_scene
from describer.seg.synth import CORE_NAMES, render
from tests.tiny import save_tiny_scene_model, tiny_scene_model

FEW = ("fog", "elastic")


@pytest.fixture(scope="module")
def held_out() -> HeldOut:
    samples = []
    for seed in range(2):
        frame = render(seed, "laparoscopy", (120, 96))
        samples.append(Sample(frame.image, frame.labels, seed, np.ones(len(CORE_NAMES), bool), frame.depth))
    return HeldOut(Path("made"), len(CORE_NAMES), tuple(samples))


def scores_of(clean: float, of_severity: list[float | None], n: int = 7) -> SetScores:
    rows = tuple(dict.fromkeys(METRICS, value) for value in of_severity)
    return SetScores(n, 3, dict.fromkeys(METRICS, clean), dict.fromkeys(CORRUPTIONS, rows))


def test_frames_are_spoilt_by_their_own_seed_and_labels_move_along(held_out):
    fogged, bent = held_out.spoilt("fog", 3), held_out.spoilt("elastic", 5)
    for seed, sample in enumerate(held_out.samples):
        assert np.array_equal(fogged[seed].image, corrupt(sample.image, "fog", 3, seed))
        assert np.array_equal(fogged[seed].labels, sample.labels)
        assert not np.array_equal(bent[seed].labels, sample.labels)
        assert bent[seed].activity == sample.activity
        assert bent[seed].depth is None
    assert (len(fogged), fogged.classes) == (2, held_out.classes)


def test_scores_are_those_of_evaluate_scene(held_out, monkeypatch):
    monkeypatch.setattr(robustness, "CORRUPTIONS", FEW)
    monkeypatch.setattr(robustness, "SEVERITIES", (2, 5))
    model, told = tiny_scene_model(), []
    found = robustness.robustness(model, {"made": held_out}, told.append)["made"]
    clean, fog = evaluate_scene(model, held_out), evaluate_scene(model, held_out.spoilt("fog", 5))
    assert found.clean == {metric: clean[metric] for metric in METRICS}
    assert found.spoilt["fog"][1] == {metric: fog[metric] for metric in METRICS}
    assert (found.n, found.n_activity) == (2, 2)
    assert sum(told) == 2 * (1 + len(FEW) * 2)
    assert {name: len(rows) for name, rows in found.spoilt.items()} == {"fog": 2, "elastic": 2}


def test_means_and_drops():
    scores = scores_of(0.8, [0.8, 0.6, 0.4, 0.2, 0.0])
    assert scores.mean("miou") == pytest.approx(0.4)
    assert scores.mean("miou", "fog") == pytest.approx(0.4)
    assert scores.drop("miou") == pytest.approx(0.5)
    nothing = scores_of(0.0, [None] * 5)
    assert nothing.mean("miou") is nothing.drop("miou") is None


def test_the_table_the_page_and_the_plot_say_the_same(tmp_path):
    found = {
        robustness.RENDERED: scores_of(0.8, [0.8, 0.6, 0.4, 0.2, 0.0]),
        robustness.REAL: scores_of(0.5, [None] * 5),
    }
    robustness.write(found, "mine@1234", tmp_path)
    text, page = robustness.to_text(found), (tmp_path / "robustness.md").read_text()
    for table in (text, page):
        assert all(
            name in table
            for name in (
                *CORRUPTIONS,
                *METRICS.values(),
                "n = 7, 3 with a known activity",
                "not for clinical decisions",
            )
        )
    assert "fog 0.800 0.600 0.400 0.200 0.000 0.400 50.0 %" in " ".join(text.split())
    assert "| fog | 0.800 | 0.600 | 0.400 | 0.200 | 0.000 | 0.400 | 50.0 % |" in page
    data = json.loads((tmp_path / "robustness.json").read_text())
    assert data["scene_model"] == "mine@1234"
    assert data["sets"][robustness.RENDERED]["corruptions"]["fog"]["4"]["miou"] == 0.2
    assert data["sets"][robustness.RENDERED]["drop"]["all"]["miou"] == pytest.approx(0.5)
    assert data["sets"][robustness.REAL]["drop"]["fog"]["miou"] is None
    drawn = ElementTree.parse(tmp_path / "robustness.svg")
    words = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert words.count("75") == words.count("25") == 15
    assert set(CORRUPTIONS) < set(drawn.getroot().itertext())


def test_frames_are_taken_evenly_from_a_source():
    assert _spread(10, 4) == [0, 3, 6, 9]
    assert _spread(3, 10) == [0, 1, 2]
    assert _spread(9, 1) == [0]


def test_the_command_writes_its_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(robustness, "CORRUPTIONS", FEW)
    monkeypatch.setattr(robustness, "SEVERITIES", (5,))
    model = save_tiny_scene_model(tmp_path / "model")
    out = tmp_path / "out"
    command = ["bench", "robustness", "-o", str(out), "--frames", "1", "--scene-model", str(model), "--device", "cpu"]
    assert cli.run(command) == 0
    assert "rendered, held out (n = 1, 1 with a known activity)" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {"frames", *(f"robustness.{end}" for end in ("json", "md", "svg"))}
    assert cli.run([*command, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads((out / "robustness.json").read_text())
