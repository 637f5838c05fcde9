"""Kvasir-SEG and CVC-ClinicDB: one class, soft masks, and what a group is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from describer.seg.codes import REST
from describer.seg.datasets.cvc_clinicdb import sequence_of
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


class TestKvasir(ReaderContract):
    name = "kvasir-seg"

    def make(self, root: Path) -> Path:
        for i in range(4):
            picture(root / f"images/cju{i}.jpg")
            halves(root / f"masks/cju{i}.jpg", 255)
        return root


class TestClinic(ReaderContract):
    name = "cvc-clinicdb"

    def make(self, root: Path) -> Path:
        for i in (1, 25, 26, 612):
            picture(root / f"Original/{i}.tif")
            halves(root / f"Ground Truth/{i}.tif", 255)
        return root

    def test_a_mirror_with_png_in_between(self, tmp_path: Path) -> None:
        for i in (1, 60):
            picture(tmp_path / f"PNG/Original/{i}.png")
            halves(tmp_path / f"PNG/Ground Truth/{i}.png", 255)
        assert {frame.group for frame in everything(tmp_path).values()} == {"sequence 1", "sequence 3"}

    def test_a_frame_that_is_no_number(self, tmp_path: Path) -> None:
        root = self.make(tmp_path)
        picture(root / "Original/x.tif")
        halves(root / "Ground Truth/x.tif", 255)
        (problem,) = problems(root)
        assert problem.path == "Original/x.tif" and "612" in problem.what


@pytest.mark.parametrize(
    ("stem", "sequence"),
    [("1", 1), ("25", 1), ("26", 2), ("612", 29), ("0", None), ("613", None), ("a", None), ("-3", None)],
)
def test_frame_numbers_tell_the_sequence(stem: str, sequence: int | None) -> None:
    assert sequence_of(stem) == (None if sequence is None else f"sequence {sequence}")


def test_a_polyp_mask_says_nothing_of_the_rest(tmp_path: Path) -> None:
    root = TestKvasir().make(tmp_path)
    for frame in everything(root).values():
        left, right = np.unique(frame.labels[:, :12]), np.unique(frame.labels[:, 20:])
        assert left.tolist() == [core("polyp")] and right.tolist() == [REST]
        assert frame.annotated == ("polyp",) and frame.tools is None and frame.activity is None
    own = everything(root, own_names("kvasir-seg"))
    assert {sides(frame) for frame in own.values()} == {(1, 0)}
    assert all(frame.annotated == ("background", "polyp") for frame in own.values())


def test_soft_edges_are_cut_at_half(tmp_path: Path) -> None:
    root = TestKvasir().make(tmp_path)
    values = np.tile(np.array([0, 5, 127, 128, 250, 255], np.uint8).repeat(4), (24, 1))
    for i in range(4):
        picture(root / f"images/cju{i}.jpg", hw=(24, 24))
        (root / f"masks/cju{i}.jpg").unlink()
        from PIL import Image

        Image.fromarray(values).save(root / f"masks/cju{i}.png")
    for frame in everything(root, own_names("kvasir-seg")).values():
        assert frame.labels[0, ::4].tolist() == [0, 0, 0, 1, 1, 1]


def test_partners_that_are_missing_are_named(tmp_path: Path) -> None:
    root = TestKvasir().make(tmp_path)
    (root / "masks/cju1.jpg").unlink()
    (root / "images/cju2.jpg").unlink()
    found = {problem.path: problem for problem in problems(root)}
    assert found["images/cju1.jpg"].what == "image without a mask" and "cju1.jpg" in found["images/cju1.jpg"].mend
    assert found["masks/cju2.jpg"].what == "mask without an image"
    assert len(frames(root, skipped=lambda problem: None)) + len(frames(root, "val")) == 2
