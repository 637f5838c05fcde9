"""MTLESD and MTLEndovis: activities by folder, raw values kept apart from the reference's merged ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from describer.errors import TaxonomyError
from describer.seg.codes import REST
from describer.seg.datasets.catalogue import find
from tests.seg.datasets.made import (
    ReaderContract,
    core,
    everything,
    frames,
    halves,
    own_names,
    picture,
    problems,
    sides,
)


def make(root: Path, activities: int, left: int = 2) -> Path:
    for split in ("train", "val", "test"):
        for activity in range(1, activities + 1):
            picture(root / split / str(activity) / "image/a.png")
            halves(root / split / str(activity) / "mask/a.png", left, 1)
    return root


class TestMtlesd(ReaderContract):
    name = "mtlesd"

    def make(self, root: Path) -> Path:
        return make(root, 3)


def test_value_1_is_no_background(tmp_path: Path) -> None:
    root = make(tmp_path, 3, left=0)
    found = {f.activity: f for f in frames(root)}
    assert set(found) == {"marking", "incision", "submucosal dissection"}
    assert {sides(frame) for frame in found.values()} == {(REST, core("marking dots"))}
    own = frames(root, names=own_names("mtlesd"))
    assert {sides(frame) for frame in own} == {(0, 1)}
    assert [frame.activity for frame in own] == ["marking", "circumferential incision", "submucosal dissection"]


def test_the_reference_merges_value_1_into_the_background(tmp_path: Path) -> None:
    root = make(tmp_path, 3, left=7)
    for frame in everything(root, own_names("mtlesd-reference"), "mtlesd-reference").values():
        assert sides(frame) == (6, 0)
    assert find(root).name == "mtlesd"


def test_the_given_folders_are_the_split(tmp_path: Path) -> None:
    root = make(tmp_path, 3)
    for split in ("train", "val", "test"):
        assert {frame.name.split("/")[0] for frame in frames(root, split)} == {split}


def test_twelve_activities_are_mtlendovis(tmp_path: Path) -> None:
    root = make(tmp_path, 12, left=10)
    assert find(root).name == "mtlendovis"
    own = frames(root, names=own_names("mtlendovis"))
    assert [frame.activity for frame in own] == [f"activity {i}" for i in range(1, 13)]
    assert {sides(frame) for frame in own} == {(10, 1)}
    with pytest.raises(TaxonomyError, match="mtlendovis"):
        frames(root)


def test_a_folder_that_is_no_activity(tmp_path: Path) -> None:
    root = make(tmp_path, 3)
    picture(root / "train/17/image/a.png")
    (problem,) = problems(root, "mtlesd")
    assert problem.path == "train/17" and "1 to 3" in problem.what
