"""What a look through a dataset tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from describer.seg.datasets.check import check
from tests.seg.datasets.made import halves, picture
from tests.seg.datasets.test_cholec import TestScenes as Scenes
from tests.seg.datasets.test_cholec import TestTriplets as Triplets
from tests.seg.datasets.test_others import TestScared as Scared


def test_counts_codes_and_shares(tmp_path: Path) -> None:
    report = check(Scenes().make(tmp_path))
    assert (report.dataset, report.taxonomy, report.frames, report.examined) == ("cholecseg8k", "cholecseg8k", 6, 6)
    assert report.splits["test"] == {"video12": 2} and set(report.splits) == {"train", "val", "test"}
    assert {(c.code, c.name, c.share, c.frames) for c in report.codes} == {
        ("21", "liver", 0.5, 6), ("50", "(background)", 0.5, 6),
    }  # fmt: skip
    assert report.usable and report.faults == ()
    assert json.loads(json.dumps(report.to_dict()))["frames"] == 6


def test_triplets_and_depth_are_counted_too(tmp_path: Path) -> None:
    report = check(Triplets().make(tmp_path / "t"))
    assert report.instruments == {"grasper": 2, "bipolar": 1, "hook": 1}
    assert report.phases["carlot-triangle-dissection"] == 3 and report.activities["exploration"] == 2
    assert report.codes == () and report.usable
    assert check(Scared().make(tmp_path / "s")).with_depth == 3


def test_faults_are_counted_by_kind_with_their_mend(tmp_path: Path) -> None:
    root = Scenes().make(tmp_path)
    for i in range(5):
        picture(root / f"video01/video01_00080/frame_{90 + i}_endo.png")
    halves(root / "video01/video01_00080/frame_99_endo_watershed_mask.png", 21)
    halves(root / "video09/video09_00080/frame_80_endo_watershed_mask.png", 21, hw=(8, 8))
    (root / "video09/video09_00080/frame_81_endo.png").write_bytes(b"junk")
    report = check(root)
    found = {fault.what: fault for fault in report.faults}
    assert found["image without a mask"].count == 5 and len(found["image without a mask"].examples) == 3
    assert found["mask without an image"].count == 1
    assert found["the mask is 8x8, the image 32x24"].mend == "export both at one size"
    assert any("not a picture" in what for what in found)
    assert (report.frames, report.unusable, report.usable) == (6, 2, True)


def test_an_unknown_code_makes_it_unusable(tmp_path: Path) -> None:
    root = Scenes().make(tmp_path, left=77)
    report = check(root)
    assert [code.code for code in report.unknown] == ["77"] and not report.usable


def test_nothing_to_use(tmp_path: Path) -> None:
    root = Scenes().make(tmp_path)
    for path in root.rglob("*_endo.png"):
        path.write_bytes(b"junk")
    report = check(root)
    assert not report.usable and report.unusable == report.examined == 6


@pytest.mark.parametrize(("every", "examined"), [(1, 6), (2, 3), (4, 2), (100, 1)])
def test_sampling(tmp_path: Path, every: int, examined: int) -> None:
    report = check(Scenes().make(tmp_path), every=every)
    assert (report.frames, report.examined, report.every) == (6, examined, every)
    assert report.codes[0].share == 0.5
