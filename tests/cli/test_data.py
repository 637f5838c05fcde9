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
