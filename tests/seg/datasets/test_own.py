"""The project's own folders: rendered scenes, and annotations that a person has corrected."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from describer.errors import InputError, TaxonomyError
from describer.frames import pixels_sha256, read_image
from describer.geometry import make_region
from describer.records import read_records, to_line
from describer.seg.codes import REST, SOME_INSTRUMENT
from describer.seg.datasets import ToolLabel
from describer.seg.datasets.naming import group_of
from describer.seg.datasets.reading import groups_of
from describer.synthesis import write_dataset
from describer.taxonomy import load_taxonomy
from describer.types import Activity, Annotation, Failure, FrameRef, Interaction, Provenance, Relation, Scene
from tests.seg.datasets.made import HW, ReaderContract, core, everything, frames, halves, picture, problems, sides

LEFT, RIGHT, TIP = (np.zeros(HW, bool) for _ in range(3))
LEFT[:, :16], RIGHT[:, 16:], TIP[8:16, 10:22] = True, True, True


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("synth") / "scenes", 4, seed=3, size_wh=(96, 96), workers=1)


@pytest.fixture
def scenes(rendered: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(rendered, tmp_path / "scenes"))


def test_rendered_scenes_come_back_whole(rendered: Path) -> None:
    found = everything(rendered)
    records = {r.frame.source: r for r in read_records(rendered / "annotations.jsonl") if isinstance(r, Annotation)}
    assert list(found) != [] and set(found) == set(records)
    for name, frame in found.items():
        mask = cv2.imread(str(rendered / "masks" / f"{Path(name).stem}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(frame.labels, mask)
        assert frame.depth is not None and frame.depth.dtype == np.float32 and frame.depth.max() == 1.0
        assert frame.activity == records[name].scene.activities[0].label
        instruments = [r.label for r in records[name].scene.regions if r.kind == "instrument"]
        assert frame.tools is not None and [tool.instrument for tool in frame.tools] == instruments
        deeds = {deed.region_id: deed for deed in records[name].scene.interactions}
        regions = [r for r in records[name].scene.regions if r.kind == "instrument"]
        verbs = [(deeds[r.id].verb or "") if r.id in deeds else None for r in regions]
        assert [tool.verb for tool in frame.tools] == verbs
        for tool in frame.tools:
            assert tool.box_xyxy is not None
            x0, y0, x1, y1 = tool.box_xyxy
            assert 0 <= x0 < x1 <= 96 and 0 <= y0 < y1 <= 96
    assert sum(len(counts) for counts in groups_of(rendered)[1].values()) == 4


def test_an_unfinished_synth_folder(scenes: Path) -> None:
    lines = (scenes / "annotations.jsonl").read_bytes().splitlines(keepends=True)
    (scenes / "annotations.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:50])
    (scenes / "masks/000001.png").unlink()
    found = {problem.path: problem for problem in problems(scenes)}
    assert set(found) == {"images/000001.jpg", "annotations.jsonl", "images/000002.jpg", "images/000003.jpg"}
    assert "masks/000001.png is missing" in found["images/000001.jpg"].what
    assert len(everything(scenes)) == 1


class TestComposites(ReaderContract):
    name = "composites"

    def make(self, root: Path) -> Path:
        lines = []
        for i, background in enumerate(["a.png", "a.png", "b.png"]):
            picture(root / f"images/{i:06d}.jpg")
            halves(root / f"masks/{i:06d}.png", SOME_INSTRUMENT if i == 2 else core("hook"), REST)
            halves(root / f"instances/{i:06d}.png", 1, 0)
            label = "instrument" if i == 2 else "hook"
            told = {"instance_id": 1, "label": label, "box_xyxy": [0, 0, 16, 24], "tip_box_xyxy": [2.5, 0, 16, 8]}
            lines.append({"source": f"images/{i:06d}.jpg", "background": background, "pasted": [told]})
        (root / "tools.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        (root / "synth.json").write_text("{}")
        return root

    def test_pasted_instruments(self, tmp_path: Path) -> None:
        root = self.make(tmp_path)
        halves(root / "instances/000001.png", 1, 2)  # the background shows an instrument too
        halves(root / "masks/000001.png", core("hook"), 0)  # and the dark surround of the scope's view
        found = list(everything(root).values())
        assert {frame.group for frame in found} == {"a.png", "b.png"}
        tools = {frame.name: frame.tools for frame in found}
        assert tools["images/000000.jpg"] == (ToolLabel("hook", (2.5, 0, 16, 8)),)
        assert tools["images/000001.jpg"] is None
        assert tools["images/000002.jpg"] == (ToolLabel(None, (2.5, 0, 16, 8)),)
        assert {sides(frame) for frame in found} == {(core("hook"), REST), (core("hook"), 0), (SOME_INSTRUMENT, REST)}
        assert all(frame.annotated == load_taxonomy("core").of_kind("instrument") for frame in found)

    def test_an_unfinished_folder(self, tmp_path: Path) -> None:
        root = self.make(tmp_path)
        (root / "masks/000001.png").unlink()
        with (root / "tools.jsonl").open("a") as file:
            file.write('{"source": ')
        assert {problem.path for problem in problems(root)} == {"images/000001.jpg", "tools.jsonl"}


def record(root: Path, source: str, scene: Scene, taxonomy: str = "core") -> Annotation:
    image = read_image(picture(root / source, 60 + len(source)))
    made = Provenance("m", "v", None, taxonomy)
    return Annotation(FrameRef(source, 0, None, (HW[1], HW[0]), pixels_sha256(image)), scene, (), made)


def corrected() -> Scene:
    regions = (
        make_region(1, "liver", "anatomy", LEFT, 0.9),
        make_region(2, "grasper", "instrument", TIP, 0.8),
    )
    said = (Activity("activity", "retraction", 0.7), Activity("phase", "preparation", 0.6))
    return Scene((HW[1], HW[0]), regions, (Relation(2, "acts on", 1), Relation(1, "touches", 2)), said)


def write(root: Path, records: list[Annotation | Failure]) -> Path:
    (root / "annotations.jsonl").write_text("".join(to_line(one) for one in records), encoding="utf-8")
    return root


class TestAnnotations(ReaderContract):
    name = "annotations"

    def make(self, root: Path) -> Path:
        sources = [f"op{k}/frame {i}.png" for k in range(3) for i in range(2)]
        return write(root, [record(root, source, corrected()) for source in sources])


def test_regions_are_painted_small_on_large_and_instruments_on_top(tmp_path: Path) -> None:
    whole = make_region(3, "fat", "anatomy", LEFT | RIGHT, 0.9)
    scene = replace(corrected(), regions=(*corrected().regions[::-1], whole))
    (frame,) = everything(write(tmp_path, [record(tmp_path, "a.png", scene)])).values()
    assert (frame.labels[TIP] == core("grasper")).all()
    assert (frame.labels[LEFT & ~TIP] == core("liver")).all()
    assert (frame.labels[RIGHT & ~TIP] == core("fat")).all()


def test_pixels_of_no_region_are_no_instrument_and_no_polyp(tmp_path: Path) -> None:
    (frame,) = everything(write(tmp_path, [record(tmp_path, "a.png", corrected())])).values()
    assert (frame.labels[RIGHT & ~TIP] == REST).all()
    assert set(frame.annotated) == {*load_taxonomy("core").of_kind("instrument"), "polyp"}
    assert (frame.activity, frame.phase) == ("retraction", "preparation")
    (tool,) = frame.tools or ()
    assert (tool.instrument, tool.verb, tool.target) == ("grasper", None, "liver")


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        (Interaction(2, "retract", "cystic duct", None, 0.9), ("retract", "cystic duct")),
        (Interaction(2, None, None, None, 0.9), ("", None)),
    ],
)
def test_what_an_instrument_does(tmp_path: Path, deed: Interaction, said: tuple[str | None, str | None]) -> None:
    scene = replace(corrected(), interactions=(deed,))
    (frame,) = everything(write(tmp_path, [record(tmp_path, "a.png", scene)])).values()
    (tool,) = frame.tools or ()
    assert (tool.verb, tool.target) == said


def test_an_annotation_of_ones_own_taxonomy(tmp_path: Path) -> None:
    taxonomy = "labels:\n  - {name: spleen, kind: anatomy, colour: [1, 2, 3], code: 4}\n"
    (tmp_path / "mine.yaml").write_text(taxonomy)
    scene = Scene((HW[1], HW[0]), (make_region(1, "spleen", "anatomy", LEFT, 1.0),))
    write(tmp_path, [record(tmp_path, "a.png", scene, "mine")])
    (frame,) = everything(tmp_path, ("background", "spleen")).values()
    assert (frame.labels[LEFT] == 1).all()
    (tmp_path / "mine.yaml").unlink()
    with pytest.raises(TaxonomyError, match="mine"):
        everything(tmp_path)


def test_an_annotation_of_another_taxonomy_becomes_core(tmp_path: Path) -> None:
    regions = (
        make_region(1, "gastrointestinal tract", "anatomy", LEFT, 1.0),
        make_region(2, "hook", "instrument", TIP & RIGHT, 1.0),
    )
    scene = Scene((HW[1], HW[0]), regions)
    (frame,) = everything(write(tmp_path, [record(tmp_path, "a.png", scene, "cholecseg8k")])).values()
    assert (frame.labels[LEFT] == core("bowel")).all() and (frame.labels[TIP & RIGHT] == core("hook")).all()
    assert (frame.labels[RIGHT & ~TIP] == REST).all()


@pytest.mark.parametrize("place", ["images", "frames", "elsewhere"])
def test_frames_are_found_again(tmp_path: Path, place: str) -> None:
    one = record(tmp_path / place, "op/a.png", corrected())
    (tmp_path / "run.json").write_text(json.dumps({"settings": {"source": str(tmp_path / "elsewhere")}}))
    assert set(everything(write(tmp_path, [one]))) == {"op/a.png"}


def test_frames_of_a_video_are_found_again(tmp_path: Path) -> None:
    video = tmp_path / "elsewhere/op.avi"
    video.parent.mkdir()
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 5, (HW[1], HW[0]))
    for i in range(6):
        writer.write(np.full((*HW, 3), 40 * i, np.uint8))
    writer.release()
    from describer.seg.datasets.clip import Clip

    clip, records = Clip(video), []
    for number in (1, 4):
        ref = FrameRef(f"op.avi#{number:06d}", number, None, (HW[1], HW[0]), pixels_sha256(clip.frame(number)))
        records.append(Annotation(ref, corrected(), (), Provenance("m", "v", None, "core")))
    (tmp_path / "run.json").write_text(json.dumps({"settings": {"source": str(video)}}))
    found = everything(write(tmp_path, [*records]))
    assert [int(frame.image.mean() / 40 + 0.5) for frame in found.values()] == [1, 4]
    assert {frame.group for frame in found.values()} == {"op.avi"}


def test_records_that_cannot_train_are_named(tmp_path: Path) -> None:
    lost, changed, odd, other = (record(tmp_path, f"op/{i}.png", corrected()) for i in range(4))
    (tmp_path / "op/0.png").unlink()
    picture(tmp_path / "op/1.png", 7)
    spleen = replace(corrected(), regions=(make_region(1, "spleen", "anatomy", LEFT, 1.0),), relations=())
    records = [
        record(tmp_path, "good/9.png", corrected()),
        replace(lost),
        changed,
        replace(odd, scene=spleen),
        replace(other, provenance=replace(other.provenance, taxonomy="mtlesd")),
        Failure("op/5.png", "op/5.png: the picture is damaged."),
    ]
    write(tmp_path, records)
    found = {problem.path: problem for problem in problems(tmp_path)}
    assert "images/op/0.png" in found["op/0.png"].mend
    assert "spleen" in found["op/2.png"].what and "mtlesd" in found["op/3.png"].what
    assert "damaged" in found["op/5.png"].what
    assert set(everything(tmp_path)) == {"good/9.png"}
    said: list[str] = []
    list(frames_of_all(tmp_path, said))
    assert any("not those that were annotated" in line for line in said)


def frames_of_all(root: Path, said: list[str]) -> list[str]:
    return [f.name for split in groups_of(root)[1] for f in frames(root, split, skipped=lambda p: said.append(str(p)))]


def test_a_folder_without_an_annotation(tmp_path: Path) -> None:
    write(tmp_path, [Failure("a.png", "a.png: unreadable.")])
    with pytest.raises(InputError, match="describer annotate"):
        everything(tmp_path)


@pytest.mark.parametrize(
    ("source", "group"),
    [
        ("op1/a_000.png", "op1"), ("x/op1/a.png", "x/op1"), ("op.mp4#000007", "op.mp4"),
        ("d/op.mp4#000007", "d/op.mp4"),
        ("caseA_0001.png", "caseA"), ("caseA-17.png", "caseA"), ("case2_0001.png", "case2"), ("0001.png", "frames"),
    ],
)  # fmt: skip
def test_groups_of_frames(source: str, group: str) -> None:
    assert group_of(source) == group
