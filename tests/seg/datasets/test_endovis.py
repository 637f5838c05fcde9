"""The EndoVis challenges of 2015, 2017 and 2018."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from describer.errors import InputError
from describer.seg.codes import IGNORE, REST, SOME_INSTRUMENT
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
    save,
    sides,
)

INSTRUMENTS = load_taxonomy("core").of_kind("instrument")


class TestRigid(ReaderContract):
    name = "endovis15"

    def make(self, root: Path) -> Path:
        for operation in ("OP1", "OP2"):
            folder = root / "Segmentation_Rigid_Training/Training" / operation
            for i in (1, 2):
                picture(folder / f"Raw/img_0{i}_raw.png")
                halves(folder / f"Masks/img_0{i}_class.png", 70, 160)
                halves(folder / f"Masks/img_0{i}_instrument.png", 1)
        picture(root / "Segmentation_Rigid_Testing_Revision/Testing/OP5/img_01_raw.png")
        halves(root / "Segmentation_Rigid_Testing_GT/OP5/img_01_class.png", 160, 0)
        return root


def test_parts_of_rigid_instruments_are_some_instrument(tmp_path: Path) -> None:
    root = TestRigid().make(tmp_path)
    assert {sides(frame) for frame in frames(root)} == {(SOME_INSTRUMENT, SOME_INSTRUMENT)}
    (test,) = frames(root, "test")
    assert test.group == "rigid OP5" and sides(test) == (SOME_INSTRUMENT, REST) and test.annotated == INSTRUMENTS
    assert {sides(frame) for frame in frames(root, names=own_names("endovis15"))} == {(1, 2)}


def test_the_training_archive_can_be_the_root(tmp_path: Path) -> None:
    root = TestRigid().make(tmp_path) / "Segmentation_Rigid_Training"
    assert {frame.group for frame in everything(root).values()} == {"rigid OP1", "rigid OP2"}


def video(path: Path, values: list[np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for value in values:
        writer.write(cv2.cvtColor(value, cv2.COLOR_GRAY2BGR))
    writer.release()


def test_videos_of_robotic_instruments(tmp_path: Path) -> None:
    base = np.zeros((48, 64), np.uint8)
    left, right = base.copy(), base.copy()
    left[:, :16], right[:, 32:48] = 70, 160
    for number, masks in ((1, [left, right]), (2, [left])):
        folder = tmp_path / f"Segmentation_Robotic_Training/Training/Dataset{number}"
        video(folder / "Video.avi", [base + 90] * 30)
        names = (
            ["Segmentation.avi"] if len(masks) == 1 else [f"{s}_Instrument_Segmentation.avi" for s in ("Left", "Right")]
        )
        for name, mask in zip(names, masks):
            video(folder / name, [mask] * 30)
    found = everything(tmp_path, own_names("endovis15"))
    assert [name.split("#")[1] for name in found] == ["000000", "000025"] * 2
    both = next(frame for frame in found.values() if frame.group == "robotic Dataset1")
    assert [int(v) for v in both.labels[24, [4, 24, 40, 60]]] == [1, 0, 2, 0]
    (tmp_path / "Segmentation_Robotic_Training/Training/Dataset2/Segmentation.avi").unlink()
    (problem,) = problems(tmp_path)
    assert "Segmentation.avi" in problem.what


class TestTypes17(ReaderContract):
    name = "endovis17"

    def make(self, root: Path) -> Path:
        for number in (1, 2, 3):
            folder = root / f"cropped_train/instrument_dataset_{number}"
            picture(folder / "images/frame000.jpg")
            halves(folder / "instruments_masks/frame000.png", 32 * number, 32 * 7)
        return root


def test_types_of_instruments_2017(tmp_path: Path) -> None:
    root = TestTypes17().make(tmp_path)
    picture(root / "cropped_test/instrument_dataset_1/images/frame225.jpg")
    halves(root / "cropped_test/instrument_dataset_1/instruments_masks/frame225.png", 0, 3)
    found = everything(root)
    names = ("bipolar forceps", "grasper", "needle driver")
    for number, name in enumerate(names, start=1):
        frame = found[f"cropped_train/instrument_dataset_{number}/images/frame000.jpg"]
        assert sides(frame) == (core(name), SOME_INSTRUMENT) and frame.group == f"dataset {number}"
    (test,) = frames(root, "test")
    assert sides(test) == (REST, core("needle driver"))  # a copy without the factor
    assert set(groups_of(root)[1]) == {"train", "val", "test"}


def test_a_mask_of_another_factor_is_refused(tmp_path: Path) -> None:
    root = TestTypes17().make(tmp_path)
    halves(root / "cropped_train/instrument_dataset_2/instruments_masks/frame000.png", 33)
    with pytest.raises(InputError, match=r"instrument_dataset_2.*33.*endovis17"):
        [*frames(root), *frames(root, "val")]


class TestScenes18(ReaderContract):
    name = "endovis18"

    def make(self, root: Path) -> Path:
        for release, number in (("miccai_challenge_2018_release_1", 1), ("miccai_challenge_release_2", 6)):
            folder = root / release / f"seq_{number}"
            picture(folder / "left_frames/frame000.png")
            colours = np.zeros((*HW, 3), np.uint8)
            colours[:, :16] = (124, 155, 5)
            save(folder / "labels/frame000.png", colours)
        return root


def test_scene_colours_2018(tmp_path: Path) -> None:
    root = TestScenes18().make(tmp_path)
    folder = root / "miccai_challenge_release_2/seq_6"
    labels = load_taxonomy("endovis18").labels
    for i, label in enumerate(labels):
        picture(folder / f"left_frames/x{i:02d}.png")
        save(folder / f"labels/x{i:02d}.png", np.full((*HW, 3), label.colour_code, np.uint8))
    expected = dict.fromkeys(("instrument shaft", "instrument clasper", "instrument wrist"), SOME_INSTRUMENT)
    expected |= {"ultrasound probe": SOME_INSTRUMENT, "suction instrument": core("suction irrigator")}
    expected |= {"background tissue": REST, "small intestine": core("bowel")}
    found, own = everything(root), everything(root, own_names("endovis18"))
    for i, label in enumerate(labels):
        name = f"miccai_challenge_release_2/seq_6/left_frames/x{i:02d}.png"
        assert sides(found[name])[0] == expected.get(label.name, IGNORE)
        assert sides(own[name])[0] == 1 + i
        assert found[name].annotated == (*INSTRUMENTS, "bowel")


def test_the_split_is_that_of_the_questions(tmp_path: Path) -> None:
    for number in (1, 2, 5, 13, 16):
        picture(tmp_path / f"seq_{number}/left_frames/frame000.png")
        save(tmp_path / f"seq_{number}/labels/frame000.png", np.zeros((*HW, 3), np.uint8))
    splits = groups_of(tmp_path)[1]
    assert set(splits["val"]) == {"seq_1", "seq_5", "seq_16"} and set(splits["train"]) == {"seq_2", "seq_13"}


def test_a_colour_without_a_class_is_named(tmp_path: Path) -> None:
    root = TestScenes18().make(tmp_path)
    save(root / "miccai_challenge_release_2/seq_6/labels/frame000.png", np.full((*HW, 3), (1, 2, 3), np.uint8))
    with pytest.raises(InputError, match=r"colour \(1, 2, 3\)"):
        frames(root)


def test_the_shadow_tree_of_a_mac_and_the_test_sequences(tmp_path: Path) -> None:
    root = TestScenes18().make(tmp_path)
    (root / "__MACOSX/x/seq_6/left_frames").mkdir(parents=True)
    (root / "__MACOSX/x/seq_6/left_frames/._frame000.png").write_bytes(b"junk")
    picture(root / "test_data/seq_1/left_frames/frame000.png")
    save(root / "test_data/seq_1/labels/frame000.png", np.zeros((*HW, 3), np.uint8))
    assert problems(root) == []
    assert {split: set(groups) for split, groups in groups_of(root)[1].items()} == {
        "train": {"seq_6"}, "val": {"seq_1"}, "test": {"test seq_1"},
    }  # fmt: skip


class TestTypes18(ReaderContract):
    name = "endovis18-types"

    def make(self, root: Path) -> Path:
        for split, number in (("train", 1), ("val", 2)):
            picture(root / f"{split}/images/seq_{number}_frame000.png")
            halves(root / f"{split}/annotations/seq_{number}_frame000.png", 4, 5)
        return root

    def test_types_and_folders(self, tmp_path: Path) -> None:
        root = self.make(tmp_path)
        (frame,) = frames(root, "val")
        assert frame.group == "seq_2" and sides(frame) == (core("scissors"), SOME_INSTRUMENT)
