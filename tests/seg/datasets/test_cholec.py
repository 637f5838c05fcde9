"""Cholecystectomy: scenes of CholecSeg8k, triplets of CholecT50, anatomy of Endoscapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from describer.errors import InputError
from describer.seg.codes import IGNORE, REST, SOME_INSTRUMENT
from describer.seg.datasets import ToolLabel
from describer.seg.datasets.reading import groups_of
from describer.taxonomy import load_taxonomy
from tests.seg.datasets.made import (
    HW,
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

INSTRUMENTS = load_taxonomy("core").of_kind("instrument")


class TestScenes(ReaderContract):
    name = "cholecseg8k"

    def make(self, root: Path, left: int = 21, right: int = 50) -> Path:
        for video in ("video01", "video09", "video12"):
            for number in (80, 81):
                base = root / video / f"{video}_00080" / f"frame_{number}_endo"
                picture(base.with_suffix(".png"))
                halves(base.with_name(f"{base.name}_mask.png"), 1)
                halves(base.with_name(f"{base.name}_watershed_mask.png"), left, right)
        return root


@pytest.mark.parametrize(
    ("code", "name"),
    [(50, "background"), (13, "bowel"), (31, "grasper"), (32, "hook"), (24, "blood"), (25, None), (33, None),
     (5, None), (255, None), (0, None)],
)  # fmt: skip
def test_watershed_codes(tmp_path: Path, code: int, name: str | None) -> None:
    for frame in everything(TestScenes().make(tmp_path, code, 21)).values():
        assert sides(frame) == (IGNORE if name is None else core(name), core("liver"))
        assert {"background", "grasper", "liver"} <= set(frame.annotated) and "mucosa" not in frame.annotated


def test_the_usual_test_videos(tmp_path: Path) -> None:
    splits = groups_of(TestScenes().make(tmp_path))[1]
    assert set(splits["test"]) == {"video12"} and len(splits["train"]) == len(splits["val"]) == 1


CATEGORIES = {
    "instrument": {"0": "grasper", "1": "bipolar", "2": "hook", "3": "scissors", "4": "clipper", "5": "irrigator"},
    "verb": {"0": "grasp", "1": "retract", "2": "dissect", "3": "coagulate", "9": "null_verb"},
    "target": {"0": "gallbladder", "8": "liver", "10": "omentum", "14": "null_target", "1": "cystic_plate"},
    "phase": {"0": "preparation", "1": "carlot-triangle-dissection"},
}
NO_BOX = (-1.0, -1.0, -1.0, -1.0)


def instance(instrument: int, verb: int, target: int, box: tuple[float, ...] = NO_BOX, phase: int = 1) -> list[float]:
    return [17, instrument, 1, *box, verb, target, -1, -1, -1, -1, -1, phase]


def nothing(phase: int = 0) -> list[float]:
    return [-1, -1, -1, *NO_BOX, -1, -1, -1, -1, -1, -1, -1, phase]


def video(root: Path, name: str, annotations: dict[str, list[list[float]]]) -> None:
    (root / "labels").mkdir(parents=True, exist_ok=True)
    text = json.dumps({"fps": 1, "categories": CATEGORIES, "annotations": annotations})
    (root / f"labels/{name}.json").write_text(text)
    for number in annotations:
        picture(root / f"videos/{name}/{int(number):06d}.png")


class TestTriplets(ReaderContract):
    name = "cholect50"

    def make(self, root: Path) -> Path:
        video(root, "VID01", {"0": [instance(0, 1, 8, (0.25, 0.5, 0.5, 0.6)), instance(1, 3, 10)], "1": [nothing()]})
        video(root, "VID08", {"7": [instance(2, 2, 1)]})
        video(root, "VID111", {"3": [instance(0, 9, 14)], "4": []})
        return root


def test_triplets_in_core_words(tmp_path: Path) -> None:
    found = everything(TestTriplets().make(tmp_path))
    frame = found["videos/VID01/000000.png"]
    assert frame.tools == (
        ToolLabel("grasper", (8.0, 12.0, 24.0, 24.0), "retract", "liver"),
        ToolLabel("bipolar forceps", None, "coagulate", "fat"),
    )
    assert (frame.phase, frame.activity, frame.group) == ("calot triangle dissection", "coagulation", "VID01")
    assert (frame.labels == REST).all()
    assert set(frame.annotated) == set(INSTRUMENTS) - {"grasper", "bipolar forceps"}
    empty = found["videos/VID01/000001.png"]
    assert empty.tools == () and empty.annotated == INSTRUMENTS
    assert (empty.activity, empty.phase) == ("exploration", "preparation")
    assert found["videos/VID111/000003.png"].tools == (ToolLabel("grasper", None, "", None),)
    assert found["videos/VID111/000004.png"].phase is None


def test_triplets_in_their_own_words(tmp_path: Path) -> None:
    frame = everything(TestTriplets().make(tmp_path), own_names("cholect50"))["videos/VID01/000000.png"]
    assert frame.tools is not None and frame.tools[1] == ToolLabel("bipolar", None, "coagulate", "omentum")
    assert frame.phase == "carlot-triangle-dissection"


def test_the_split_of_rendezvous(tmp_path: Path) -> None:
    splits = groups_of(TestTriplets().make(tmp_path))[1]
    assert {split: set(groups) for split, groups in splits.items()} == {
        "train": {"VID01"}, "val": {"VID08"}, "test": {"VID111"},
    }  # fmt: skip


def test_damaged_labels_are_named(tmp_path: Path) -> None:
    root = TestTriplets().make(tmp_path)
    (root / "videos/VID01/000001.png").unlink()
    picture(root / "videos/VID01/000099.png")
    (root / "labels/VID08.json").write_text("{")
    video(root, "VID02", {"0": [[1, 2, 3]], "1": [instance(0, 77, 0)]})
    picture(root / "videos/VID03/000000.png")
    found = {problem.path: problem.what for problem in problems(root)}
    assert found["videos/VID01/000001.png"] == "labels without their frame"
    assert found["videos/VID01/000099.png"] == "frame without labels"
    assert "CholecT50" in found["labels/VID08.json"] and found["videos/VID03"] == "video without labels"
    assert "15" in found["videos/VID02/000000.png"] and "77" in found["videos/VID02/000001.png"]
    assert len(found) == 6


def coco(shapes: list[tuple[int, Any]]) -> dict[str, Any]:
    return {
        "images": [{"id": 5, "file_name": "12_345.jpg", "height": HW[0], "width": HW[1]}],
        "annotations": [{"image_id": 5, "category_id": c, "segmentation": s} for c, s in shapes],
        "categories": [],
    }


def runs(left: int, right: int, compressed: bool) -> dict[str, Any]:
    mask = np.zeros(HW, np.uint8)
    mask[:, left:right] = 1
    if compressed:
        found = coco_mask.encode(np.asfortranarray(mask))
        return {"size": list(HW), "counts": found["counts"].decode()}
    return {"size": list(HW), "counts": [left * HW[0], (right - left) * HW[0], (HW[1] - right) * HW[0]]}


def endoscapes(root: Path, split: str, stem: str, shapes: list[tuple[int, Any]]) -> Path:
    folder = root / f"{split}_seg"
    picture(folder / f"{stem}.jpg")
    data = coco(shapes)
    data["images"][0]["file_name"] = f"{stem}.jpg"
    (folder / "annotation_coco.json").write_text(json.dumps(data))
    return root


class TestEndoscapes(ReaderContract):
    name = "endoscapes"

    def make(self, root: Path) -> Path:
        for split, stem in (("train", "12_345"), ("val", "13_7"), ("test", "14_8")):
            endoscapes(root, split, stem, [(5, runs(0, 16, True))])
        return root


@pytest.mark.parametrize(
    "shape",
    [runs(0, 16, True), runs(0, 16, False), [[0, 0, 15.9, 0, 15.9, 24, 0, 24]]],
    ids=["rle", "counts", "polygon"],
)
def test_segmentations_of_every_kind(tmp_path: Path, shape: Any) -> None:
    (frame,) = frames(
        endoscapes(TestEndoscapes().make(tmp_path), "train", "12_345", [(5, shape), (6, runs(20, 32, True))])
    )
    assert frame.labels[12, 4] == core("gallbladder") and frame.labels[12, 18] == REST
    assert frame.labels[12, 28] == SOME_INSTRUMENT and frame.group == "video 12"
    assert set(frame.annotated) == {*INSTRUMENTS, "gallbladder"}


def test_a_semantic_mask_comes_first(tmp_path: Path) -> None:
    root = TestEndoscapes().make(tmp_path)
    halves(root / "semseg/12_345.png", 255, 3)
    (own,) = frames(root, names=own_names("endoscapes"))
    assert sides(own) == (IGNORE, 3)


def test_endoscapes_frames_that_cannot_train(tmp_path: Path) -> None:
    root = TestEndoscapes().make(tmp_path)
    (root / "train_seg/12_345.jpg").unlink()
    endoscapes(root, "val", "13_7", [])
    endoscapes(root, "test", "14_8", [(5, {"size": 3})])
    assert {problem.path for problem in problems(root)} == {"train_seg/12_345.jpg", "val_seg/13_7.jpg"}
    with pytest.raises(InputError, match="neither polygons nor run lengths"):
        frames(root, "test")
