"""`describer ask`: answers on stdout, the evidence as a picture, one-line errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import describer.pipeline
from describer import cli
from describer.clips import OpenedClip
from describer.frames import as_frame
from describer.vqa import Opened
from tests.test_vqa import SCENE, Asked, Parrot


class FakeDescriber:
    def __init__(self, *arguments) -> None:
        self.answerer = Asked(Parrot("Three."))

    def open(self, frame) -> Opened:
        return Opened(self.answerer, frame, SCENE)

    def open_clip(self, frames) -> OpenedClip:
        return OpenedClip(self.answerer, frames, [SCENE] * len(frames))


@pytest.fixture
def frame(tmp_path, monkeypatch):
    monkeypatch.setattr(describer.pipeline, "Describer", FakeDescriber)
    path = tmp_path / "frame.png"
    width, height = SCENE.size_wh
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path)
    return path


def test_one_answer_is_one_line(frame, capsys):
    assert cli.run(["ask", str(frame), "How many hooks are there?"]) == 0
    assert capsys.readouterr().out == "One.  [region 2; 0.54; the language model says: Three.]\n"


def test_several_answers_stand_under_their_questions(frame, capsys):
    assert cli.run(["ask", str(frame), "Where is the hook?", "Who is the patient?"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Where is the hook?" and lines[1].startswith("  In the center right.")
    assert lines[2] == "Who is the patient?" and "region" not in lines[3]


def test_json_region_and_choices(frame, capsys):
    assert (
        cli.run(["ask", str(frame), "What is this?", "--region", "4", "--choices", "gallbladder, liver", "--json"]) == 0
    )
    answer = json.loads(capsys.readouterr().out)
    assert (answer["answer"], answer["region_ids"], answer["agrees"]) == ("gallbladder", [4], False)


def test_the_evidence_is_drawn(frame, tmp_path):
    shown = tmp_path / "shown.png"
    assert cli.run(["ask", str(frame), "Where is the hook?", "Is there smoke?", "--show", str(shown)]) == 0
    drawn = as_frame(shown).image
    assert drawn.shape[0] > as_frame(frame).image.shape[0] and len(np.unique(drawn.reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--region", "9"], "no region 9"),
        (["--choices", "one"], "at least two"),
        (["--at", "3"], "no video"),
        (["--show", "nowhere/shown.png"], "cannot be written"),
    ],
)
def test_errors_are_one_sentence(frame, capsys, options, said):
    assert cli.run(["ask", str(frame), "Where is the hook?", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("Error: ") and said in captured.err
    assert captured.err.count("\n") == 1


def test_a_folder_or_a_missing_picture(frame, tmp_path, capsys):
    for source in (tmp_path, tmp_path / "none.png"):
        assert cli.run(["ask", str(source), "Where is the hook?"]) == 2
        assert capsys.readouterr().err.startswith("Error: ")
