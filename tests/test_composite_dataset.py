"""`describer synth --backgrounds`: what a user's pictures and cut-outs become, and what is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from describer import cli, composite_dataset
from describer.composite_dataset import instrument_cut_outs, write_composites
from describer.errors import InputError, OutputError
from describer.seg.codes import REST, SOME_INSTRUMENT
from describer.seg.synth import CORE_NAMES

SIZE = (128, 96)
GRASPER, LIVER = CORE_NAMES.index("grasper"), CORE_NAMES.index("liver")


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def cutout() -> np.ndarray:
    """A bar 90 x 20 that touches the right border of its picture."""
    rgba = np.zeros((60, 120, 4), np.uint8)
    rgba[20:40, 30:] = (110, 112, 118, 255)
    return rgba


@pytest.fixture
def made_of(tmp_path: Path) -> tuple[Path, Path]:
    tissue = np.random.default_rng(0).integers(90, 150, (120, 200, 3))
    save(tmp_path / "tissue" / "bare.png", tissue)
    save(tmp_path / "tissue" / "liver.png", tissue)
    mask = np.full((120, 200), LIVER)
    mask[:, :60] = SOME_INSTRUMENT
    save(tmp_path / "tissue" / "liver_mask.png", mask)
    save(tmp_path / "tools" / "grasper" / "a.png", cutout())
    save(tmp_path / "tools" / "instrument" / "b.png", cutout()[:, ::-1])
    return tmp_path / "tissue", tmp_path / "tools"


def stored(folder: Path, part: str, name: str) -> np.ndarray:
    array = cv2.imread(str(folder / part / name), cv2.IMREAD_UNCHANGED)
    assert array is not None and array.shape[:2] == (SIZE[1], SIZE[0])
    return array


def test_the_layout_and_what_was_pasted(made_of: tuple[Path, Path], tmp_path: Path) -> None:
    out = write_composites(tmp_path / "out", *made_of, 8, 3, SIZE, workers=1)
    assert sorted(path.name for path in out.iterdir()) == ["images", "instances", "masks", "synth.json", "tools.jsonl"]
    lines = [json.loads(line) for line in (out / "tools.jsonl").read_text().splitlines()]
    assert [line["source"] for line in lines] == [f"images/{k:06d}.jpg" for k in range(8)]
    assert {line["background"] for line in lines} == {"bare.png", "liver.png"}
    labels_seen = set()
    for k, line in enumerate(lines):
        masks, instances = stored(out, "masks", f"{k:06d}.png"), stored(out, "instances", f"{k:06d}.png")
        assert stored(out, "images", f"{k:06d}.jpg").shape == (SIZE[1], SIZE[0], 3) and instances.dtype == np.uint16
        own = {REST} if line["background"] == "bare.png" else {LIVER, SOME_INSTRUMENT}
        pasted = {thing["instance_id"] for thing in line["pasted"]}
        assert set(np.unique(masks[~np.isin(instances, list(pasted))]).tolist()) <= own
        for thing in line["pasted"]:
            ys, xs = np.nonzero(instances == thing["instance_id"])
            code = SOME_INSTRUMENT if thing["label"] == "instrument" else GRASPER
            assert (masks[ys, xs] == code).all()
            assert thing["box_xyxy"] == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            labels_seen.add(thing["label"])
    assert labels_seen == {"grasper", "instrument"}


def test_the_same_options_give_the_same_bytes_and_others_are_refused(
    made_of: tuple[Path, Path], tmp_path: Path
) -> None:
    out, again = (write_composites(tmp_path / name, *made_of, 3, 3, SIZE, workers=1) for name in "ab")
    for path in (p for p in out.rglob("*") if p.is_file()):
        assert path.read_bytes() == (again / path.relative_to(out)).read_bytes()
    with pytest.raises(OutputError, match="other synth options"):
        write_composites(out, *made_of, 3, 4, SIZE, workers=1)


def test_without_cut_outs_rendered_instruments_are_pasted(
    made_of: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composite_dataset, "_RENDERED_FRAMES", 2)
    out = tmp_path / "out"
    arguments = ["synth", str(out), "--n", "2", "--size", "128x96", "--backgrounds", str(made_of[0]), "--workers", "1"]
    assert cli.run(arguments) == 0 and capsys.readouterr().out.strip() == str(out)
    pasted = [thing for line in (out / "tools.jsonl").read_text().splitlines() for thing in json.loads(line)["pasted"]]
    assert pasted and {thing["label"] for thing in pasted} <= set(CORE_NAMES[1:10])


def test_a_folder_that_synth_made_gives_backgrounds(tmp_path: Path) -> None:
    image = np.full((96, 128, 3), 120)
    save(tmp_path / "scenes" / "images" / "000000.jpg", image)
    save(tmp_path / "scenes" / "masks" / "000000.png", np.full((96, 128), LIVER))
    save(tmp_path / "tools" / "grasper" / "a.png", cutout())
    out = write_composites(tmp_path / "out", tmp_path / "scenes", tmp_path / "tools", 1, 0, SIZE, workers=1)
    assert set(np.unique(stored(out, "masks", "000000.png"))) == {GRASPER, LIVER}


@pytest.mark.parametrize(
    ("path", "values", "said"),
    [
        ("tissue/bare_mask.png", np.full((120, 200), 90), "holds the value 90"),
        ("tissue/bare_mask.png", np.full((10, 10), 1), "smaller than"),
        ("tissue/bare_mask.png", np.full((60, 100), 1), "200x120"),
        ("tissue/bare_mask.png", np.full((120, 200, 3), 1), "grey or palette"),
        ("tissue/bare_mask.png", np.eye(120, 200) * 255, "black and white"),
        ("tools/grasper/a.png", np.full((60, 120, 3), 90), "no transparency"),
        ("tools/grasper/a.png", np.pad(cutout(), ((0, 0), (0, 9), (0, 0))), "reaches its border"),
        ("tools/tweezers/a.png", cutout(), "tweezers is named after no instrument"),
    ],
)
def test_files_that_cannot_be(made_of: tuple[Path, Path], tmp_path: Path, path: str, values: object, said: str) -> None:
    save(tmp_path / path, np.asarray(values))
    with pytest.raises(InputError, match=said) as raised:
        write_composites(tmp_path / "out", *made_of, 12, 0, SIZE, workers=1)
    assert path.split("/")[1] in str(raised.value)


def test_folders_that_cannot_be(made_of: tuple[Path, Path], tmp_path: Path) -> None:
    tissue, tools = made_of
    (tmp_path / "empty").mkdir()
    for backgrounds, instruments, said in (
        (tmp_path / "no", tools, "--backgrounds .* is no folder"),
        (tmp_path / "empty", tools, "--backgrounds .* holds no pictures"),
        (tissue, tmp_path / "no", "--instruments .* is no folder"),
        (tissue, tmp_path / "empty", "--instruments .* holds no FOLDER/NAME.png"),
    ):
        with pytest.raises(InputError, match=said):
            write_composites(tmp_path / "out", backgrounds, instruments, 1, 0, SIZE)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("more", [["--instruments", "x"], ["--backgrounds", "x", "--procedure", "esd"]])
def test_options_that_do_not_go_together(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["synth", "out", *more]) == 2
    assert more[-2] in capsys.readouterr().err


def test_names_may_be_written_with_spaces(tmp_path: Path) -> None:
    save(tmp_path / "Clip applier" / "a.png", cutout())
    assert [cut.code for cut in instrument_cut_outs(tmp_path, SIZE)] == [CORE_NAMES.index("clip applier")]
