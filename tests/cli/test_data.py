"""`describer data list` and `describer data check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from describer.cli import run
from describer.seg.datasets.catalogue import DATASETS
from tests.seg.datasets.made import picture
from tests.seg.datasets.test_cholec import TestScenes as Scenes
from tests.seg.datasets.test_others import TestAutoLaparo as AutoLaparo
from tests.vqa_sets.made import cholect50, endovis18_vqa, real_colon_vqa


def test_the_list_names_every_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "list"]) == 0
    text = capsys.readouterr().out
    assert all(f"{dataset.name}: {dataset.title}" in text for dataset in DATASETS)
    assert run(["data", "list", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert entries["dsad"]["licence"] == "CC BY 4.0" and entries["mtlesd"]["licence"] == "not known to us"
    assert "gallbladder" in entries["cholecseg8k"]["classes"]


def test_a_sound_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = Scenes().make(tmp_path)
    assert run(["data", "check", str(root)]) == 0
    text = capsys.readouterr().out
    assert f"{root} is cholecseg8k" in text and "6 frames" in text and "it can be trained on." in text
    assert "test        2 frames in 1 group: video12 2" in text
    assert "21   50.000%       6 frames  liver" in text


def test_sampling_is_stated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = Scenes().make(tmp_path)
    assert run(["data", "check", str(root), "--every", "3"]) == 0
    assert "one in 3 opened: 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        ("extra image", 3, "1 x image without a mask (video01/video01_00080/frame_9_endo.png)"),
        ("unknown code", 2, "UNKNOWN mask values 77: copy describer/taxonomies/cholecseg8k.yaml"),
    ],
)
def test_exit_codes_and_mends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: str, code: int, said: str
) -> None:
    root = Scenes().make(tmp_path, left=77 if spoil == "unknown code" else 21)
    if spoil == "extra image":
        picture(root / "video01/video01_00080/frame_9_endo.png")
    assert run(["data", "check", str(root)]) == code
    assert said in capsys.readouterr().out
    assert run(["data", "check", str(root), "--json"]) == code
    assert json.loads(capsys.readouterr().out)["usable"] is (code == 3)


def test_one_group_cannot_be_split_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = AutoLaparo().make(tmp_path)
    for split in ("val", "test"):
        for path in (root / f"imgs/{split}", root / f"masks/{split}"):
            for file in path.iterdir():
                file.unlink()
    run(["data", "check", str(root)])
    assert "one group only" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--name", "cholec"], []])
def test_a_folder_that_is_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(["data", "check", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ") and error.count("\n") == 1 and "cholecseg8k" in error


def test_question_sets_are_listed_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    endovis18_vqa(tmp_path / "a")
    real_colon_vqa(tmp_path / "b")
    (tmp_path / "a/seq_2/left_frames/frame000.png").unlink()
    assert run(["data", "check", str(tmp_path / "a")]) == 0
    text = capsys.readouterr().out
    assert "is endovis18-vqa" in text and "splits: val 3, train 3" in text
    assert "pictures: 3 of the questions have theirs" in text and "--reading image" in text
    assert run(["data", "check", str(tmp_path / "b"), "--name", "real-colon-vqa", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["with_picture"] == 1
    cholect50(tmp_path / "c")
    run(["data", "check", str(tmp_path / "c")])
    assert "is cholect50:" in capsys.readouterr().out, "what can be trained on is checked as that"
    assert run(["data", "check", str(tmp_path / "c"), "--name", "cholect50-vqa"]) == 0
    assert "is cholect50-vqa" in capsys.readouterr().out
    assert run(["data", "list"]) == 0
    assert "endovis18-vqa: EndoVis-18-VQA" in capsys.readouterr().out
