"""What leaves the page reads back, and what is saved can be trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from describer.demo import correct
from describer.demo.keep import coco_text, native_text, save_for_training
from describer.demo.look import look_at
from describer.errors import OutputError
from describer.records import read_records
from describer.seg.datasets.check import check
from tests.demo.fake import FakeDescriber

DESCRIBER = FakeDescriber()


def visit_of(seed: int, name: str, size_wh: tuple[int, int] = (160, 128)):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 255, (size_wh[1], size_wh[0], 3), np.uint8)
    return look_at(DESCRIBER, image, name)


def test_native_text_is_a_file_of_records(tmp_path):
    visit = visit_of(0, "a.png")
    (tmp_path / "a.json").write_text(native_text([visit.annotation]), encoding="utf-8")
    assert list(read_records(tmp_path / "a.json")) == [visit.annotation]
    assert json.loads(coco_text([visit.annotation], DESCRIBER.taxonomy))["images"][0]["file_name"] == "a.png"


def test_saved_frames_can_be_trained_on_and_hold_the_correction(tmp_path):
    for seed, name in enumerate(["op1_001.jpg", "op2_001.jpg"]):
        visit = visit_of(seed, name)
        renamed = correct.rename(visit.annotation, 1, "hook", DESCRIBER.taxonomy)
        assert save_for_training(visit.corrected(renamed, "renamed"), tmp_path) == f"{Path(name).stem}.png"
    report = check(tmp_path)
    assert report.usable and report.frames == 2 and not report.faults
    assert {code.name for code in report.codes if code.name} >= {"hook", "liver", "fat"}
    assert "grasper" not in {code.name for code in report.codes}


def test_the_same_frame_saved_again_takes_its_own_place_and_another_of_its_name_gets_one(tmp_path):
    first, other = visit_of(0, "a.png"), visit_of(1, "a.png")
    assert save_for_training(first, tmp_path) == "a.png"
    renamed = correct.rename(first.annotation, 1, "hook", DESCRIBER.taxonomy)
    assert save_for_training(first.corrected(renamed, "renamed"), tmp_path) == "a.png"
    name = save_for_training(other, tmp_path)
    assert name.startswith("a-") and save_for_training(other, tmp_path) == name
    records = list(read_records(tmp_path / "annotations.jsonl"))
    assert [record.frame.source for record in records] == ["a.png", name]
    assert records[0].scene.region(1).label == "hook"
    assert records[0].provenance.generation["corrections"] == ["renamed"]
    assert check(tmp_path).usable


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "..", "a/b.png"])
def test_a_name_leads_nowhere_else(tmp_path, name):
    folder = tmp_path / "kept"
    save_for_training(visit_of(0, name), folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kept"]
    assert all(path.is_relative_to(folder) for path in tmp_path.rglob("*.png"))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="--save-to"):
        save_for_training(visit_of(0, "a.png"), tmp_path / "file")


def test_a_damaged_file_of_records_is_not_written_over(tmp_path):
    (tmp_path / "annotations.jsonl").write_text("not json\n")
    with pytest.raises(OutputError, match="mend it"):
        save_for_training(visit_of(0, "a.png"), tmp_path)
    assert (tmp_path / "annotations.jsonl").read_text() == "not json\n"
