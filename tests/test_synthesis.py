"""`describer synth` folders: the same bytes from the same options, a layout others can read, true sentences."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from describer.errors import InputError, OutputError
from describer.frames import iter_frames
from describer.prompts.grounding import contradictions
from describer.records import read_records
from describer.seg.synth import SMALLEST_SIDE_PX, render
from describer.synthesis import parallel, write_dataset
from describer.taxonomy import load_taxonomy
from describer.types import Annotation, Frame

SIZE = (160, 128)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("synth") / "out", 5, 7, "mixed", SIZE, workers=1)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(folder: Path, tmp_path: Path) -> None:
    assert bytes_of(write_dataset(tmp_path / "two", 5, 7, "mixed", SIZE, workers=2)) == bytes_of(folder)


def test_writing_it_again_finishes_what_was_begun(folder: Path) -> None:
    before = bytes_of(folder)
    (folder / "annotations.jsonl").write_text("cut sh")
    (folder / "masks" / "000003.png").unlink()
    counted: list[int] = []
    write_dataset(folder, 5, 7, "mixed", SIZE, workers=1, progress=counted.append)
    assert bytes_of(folder) == before and sum(counted) == 5


def test_the_layout(folder: Path) -> None:
    names = [f"{i:06d}" for i in range(5)]
    for part, suffix in (("images", "jpg"), ("masks", "png"), ("instances", "png"), ("depth", "png")):
        assert sorted(p.name for p in (folder / part).iterdir()) == [f"{name}.{suffix}" for name in names]
    for part, dtype in (("masks", np.uint8), ("instances", np.uint16), ("depth", np.uint16)):
        stored = cv2.imread(str(folder / part / "000000.png"), cv2.IMREAD_UNCHANGED)
        assert stored.shape == (SIZE[1], SIZE[0]) and stored.dtype == dtype
    options = json.loads((folder / "synth.json").read_text())
    assert {key: options[key] for key in ("n", "seed", "procedure", "size_wh")} == {
        "n": 5, "seed": 7, "procedure": "mixed", "size_wh": [160, 128],
    }  # fmt: skip


def test_records_are_of_these_pictures_and_their_sentences_are_true(folder: Path) -> None:
    core = load_taxonomy("core")
    records = list(read_records(folder / "annotations.jsonl"))
    pictures = list(iter_frames(str(folder / "images")))
    assert len(records) == len(pictures) == 5
    for index, (record, picture) in enumerate(zip(records, pictures)):
        assert isinstance(record, Annotation) and isinstance(picture, Frame)
        assert record.frame.source == f"images/{index:06d}.jpg" and record.frame.index == index
        assert record.frame.sha256 == picture.ref.sha256
        ids = [region.id for region in record.scene.regions]
        assert [said.region_id for said in record.descriptions] == [*ids, None]
        for said in record.descriptions:
            assert said.ungrounded == () and contradictions(said, record.scene, core) == []


def test_questions_rest_on_regions_of_their_frame(folder: Path) -> None:
    ids = {r.frame.source: {x.id for x in r.scene.regions} for r in read_records(folder / "annotations.jsonl")}
    lines = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    assert {line["source"] for line in lines} == set(ids)
    for line in lines:
        assert line["question"].endswith(("?", ".")) and line["answer"] and line["type"]
        assert set(line["region_ids"]) <= ids[line["source"]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"procedure": "surgery"}, "colonoscopy"),
        ({"n": 0}, "--n"),
        ({"seed": -1}, "--seed"),
        ({"size_wh": (640, 95)}, "--size 640x95"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        write_dataset(tmp_path / "out", **({"n": 1, "size_wh": SIZE} | options))
    assert not (tmp_path / "out").exists()


def test_the_smallest_side_is_the_renderer_s() -> None:
    side = SMALLEST_SIDE_PX
    assert render(0, "esd", (side, side)).image.shape == (side, side, 3)
    with pytest.raises(InputError):
        render(0, "esd", (side, side - 1))


def test_somebody_else_s_folder_is_left_alone(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        write_dataset(tmp_path, 1, size_wh=SIZE)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(OutputError):
        write_dataset(tmp_path / "notes.txt", 1, size_wh=SIZE)
    for other in ({"n": 3, "seed": 7}, {"n": 5, "seed": 8}):
        with pytest.raises(OutputError, match="other synth options"):
            write_dataset(folder, size_wh=SIZE, **other)


def test_parallel_keeps_the_order() -> None:
    assert list(parallel(abs, [-3, 2, -1, 0, 5], 1)) == [3, 2, 1, 0, 5]
    assert list(parallel(abs, [], 4)) == []
