"""DSAD, AutoLaparo, SAR-RARP50, SCARED, and anyone's own pictures and masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from describer.errors import InputError
from describer.seg.codes import IGNORE, REST, SOME_INSTRUMENT
from describer.seg.datasets.naming import series_of
from describer.seg.datasets.reading import groups_of
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


class TestDsad(ReaderContract):
    name = "dsad"

    def make(self, root: Path) -> Path:
        for organ, patient in (("liver", "01"), ("ureter", "02"), ("colon", "03")):
            picture(root / organ / patient / "image00.png")
            halves(root / organ / patient / "mask00.png", 255)
        picture(root / "multilabel/04/image00.png")
        halves(root / "multilabel/04/mask00_stomach.png", 255)
        halves(root / "multilabel/04/mask00_small_intestine.png", 0, 255)
        return root


def test_a_mask_speaks_of_the_organs_drawn_in_it(tmp_path: Path) -> None:
    root = TestDsad().make(tmp_path)
    found, own = everything(root), everything(root, own_names("dsad"))
    liver = found["liver/01/image00.png"]
    assert sides(liver) == (core("liver"), REST) and liver.annotated == ("liver",)
    # The core set has no ureter, so its mask says nothing that a core model could learn.
    assert sides(found["ureter/02/image00.png"]) == (IGNORE, IGNORE)
    several = own["multilabel/04/image00.png"]
    assert sides(several) == (9, 7) and set(several.annotated) == {"stomach", "small intestine"}
    assert sides(own["colon/03/image00.png"]) == (2, REST) and own["colon/03/image00.png"].annotated == ("colon",)


def test_patients_of_the_benchmark(tmp_path: Path) -> None:
    splits = groups_of(TestDsad().make(tmp_path))[1]
    assert set(splits["test"]) == {"patient 02"} and set(splits["val"]) == {"patient 03"}


def test_multilabel_masks_that_are_missing_or_differ_in_size(tmp_path: Path) -> None:
    root = TestDsad().make(tmp_path)
    picture(root / "multilabel/04/image01.png")
    (problem,) = problems(root)
    assert problem.path == "multilabel/04/image01.png"
    halves(root / "multilabel/04/mask00_stomach.png", 255, hw=(8, 8))
    with pytest.raises(InputError, match="differ in size"):
        list(frames_of(root, "multilabel/04/image00.png"))


def frames_of(root: Path, name: str) -> list[str]:
    said = []

    def refuse(problem: object) -> None:
        if name in str(problem) and "without" not in str(problem):
            raise InputError(str(problem))

    for split in groups_of(root)[1]:
        said += [frame.name for frame in frames(root, split, skipped=refuse)]
    return said


class TestAutoLaparo(ReaderContract):
    name = "autolaparo"

    def make(self, root: Path) -> Path:
        for split, clip, code in (("train", "001", 20), ("val", "200", 160), ("test", "300", 180)):
            picture(root / f"imgs/{split}/{clip}_01.jpg")
            halves(root / f"masks/{split}/{clip}_01.png", code)
        return root


def test_grey_steps_of_autolaparo(tmp_path: Path) -> None:
    root = TestAutoLaparo().make(tmp_path)
    expected = {"train": core("grasper"), "val": core("hook"), "test": IGNORE}
    for split, label in expected.items():
        (frame,) = frames(root, split)
        assert sides(frame) == (label, REST) and frame.group.startswith("clip ")


def test_a_flat_copy_is_split_by_clip(tmp_path: Path) -> None:
    for i in range(8):
        picture(tmp_path / f"imgs/{i // 2:03d}_{i % 2}.jpg")
        halves(tmp_path / f"masks/{i // 2:03d}_{i % 2}.png", 60)
    splits = groups_of(tmp_path)[1]
    assert sum(len(groups) for groups in splits.values()) == 4
    assert all(count == 2 for groups in splits.values() for count in groups.values())


class TestSarRarp(ReaderContract):
    name = "sar-rarp50"

    def make(self, root: Path) -> Path:
        for part in ("train1", "train2", "test"):
            folder = root / part / "video_01"
            for number in (0, 60):
                picture(folder / f"rgb/{number:09d}.png")
                halves(folder / f"segmentation/{number:09d}.png", 3, 7)
            (folder / "action_discrete.txt").write_text("0,0\n6,1\n54,7\n")
        return root


def test_actions_hold_until_the_next_line(tmp_path: Path) -> None:
    root = TestSarRarp().make(tmp_path)
    own = frames(root, "test", own_names("sar-rarp50"))
    assert [frame.activity for frame in own] == ["action 0", "action 7"]
    assert [frame.activity for frame in frames(root, "test")] == [None, None]
    assert {sides(frame) for frame in frames(root, "test")} == {(SOME_INSTRUMENT, core("needle driver"))}
    assert set(groups_of(root)[1]["test"]) == {"test/video_01"}


def test_frames_come_from_the_video_where_they_are_not_unpacked(tmp_path: Path) -> None:
    root = TestSarRarp().make(tmp_path)
    folder = root / "test/video_01"
    for path in (folder / "rgb").iterdir():
        path.unlink()
    assert {problem.what for problem in problems(root)} == {"mask without a frame"}
    writer = cv2.VideoWriter(str(folder / "video_left.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 60, (HW[1], HW[0]))
    for i in range(61):
        writer.write(np.full((*HW, 3), 4 * i, np.uint8))
    writer.release()
    assert [round(frame.image.mean() / 4) for frame in frames(root, "test")] == [0, 60]


def test_an_action_file_that_is_none(tmp_path: Path) -> None:
    root = TestSarRarp().make(tmp_path)
    (root / "test/video_01/action_discrete.txt").write_text("frame;action\n")
    (problem,) = problems(root)
    assert problem.path == "test/video_01/action_discrete.txt"


def depth(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, values)[1].tobytes())


class TestScared(ReaderContract):
    name = "scared"

    def make(self, root: Path) -> Path:
        points = np.zeros((2 * HW[0], HW[1], 3), np.float32)
        points[: HW[0], 16:] = (50.5, 1.0, 2.0)  # OpenCV's order: z, y, x
        points[HW[0] :] = 99.0
        for number in (1, 2, 8):
            data = root / f"train/dataset{number}/keyframe1/data"
            picture(data / "left/frame_data000007.png")
            depth(data / "scene_points/scene_points000007.tiff", points)
        return root


def test_depth_of_the_left_eye(tmp_path: Path) -> None:
    root = TestScared().make(tmp_path)
    (frame,) = frames(root, "test")
    assert frame.group == "dataset8" and frame.annotated == () and (frame.labels == IGNORE).all()
    assert frame.depth is not None and np.isnan(frame.depth[:, :16]).all() and (frame.depth[:, 16:] == 50.5).all()


def test_depth_as_the_toolkit_writes_it(tmp_path: Path) -> None:
    for number in (1, 2):
        data = tmp_path / f"dataset_{number}/keyframe_1/data"
        picture(data / "left_rectified/000001.png")
        depth(data / "depthmap_rectified/000001.png", np.full(HW, 300 * number, np.uint16))
    found = everything(tmp_path)
    assert {float(frame.depth.mean()) for frame in found.values() if frame.depth is not None} == {300.0, 600.0}


TAXONOMY = """
background_code: 0
rest_codes: [0]
labels:
  - {name: our grasper, kind: instrument, colour: [1, 2, 3], code: 1, core: grasper}
  - {name: spleen, kind: anatomy, colour: [4, 5, 6], code: 2}
"""


class TestLabelled(ReaderContract):
    name = "labelled"

    def make(self, root: Path) -> Path:
        for operation in ("a", "b", "c"):
            for i in range(2):
                picture(root / f"images/{operation}/x{i}.jpg")
                halves(root / f"masks/{operation}/x{i}.png", 1, 2)
        (root / "taxonomy.yaml").write_text(TAXONOMY)
        return root


def test_ones_own_masks(tmp_path: Path) -> None:
    root = TestLabelled().make(tmp_path)
    for frame in everything(root).values():
        assert sides(frame) == (core("grasper"), IGNORE) and frame.group in "abc"
    for frame in everything(root, ("background", "our grasper", "spleen")).values():
        assert sides(frame) == (1, 2)


@pytest.mark.parametrize(
    ("stem", "series"),
    [("caseA_0001", "caseA"), ("case 2-17", "case 2"), ("0001", "frames"), ("op7", "op"), ("x", "x")],
)
def test_series(stem: str, series: str) -> None:
    assert series_of(stem) == series
