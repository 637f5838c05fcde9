"""Records on disk: the documented layout, round trips, and what damaged files get."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from describer.errors import RecordError
from describer.records import TornRecordError, from_dict, read_records, to_dict, to_line, whole_lines_end
from describer.types import (
    Activity,
    Annotation,
    Appearance,
    Description,
    Failure,
    FrameRef,
    Provenance,
    Relation,
    Scene,
    View,
)
from tests.scenes import disc, random_scene, scene_of

MADE = Provenance("embedded", "embedded", "lora", "core", {"region": "ab12"}, {"seed": 0}, "0.1.0")


def annotation(scene: Scene, time_s: float | None = None) -> Annotation:
    ref = FrameRef("case 1/ä#1.png", 4, time_s, scene.size_wh, "0f" * 32)
    said = tuple(Description(r.id, f"a {r.label}", ((2, 2 + len(r.label), r.id),), 0.5) for r in scene.regions)
    held = (("blood: not in the scene",), ("two hook: the masks show 1",))
    return Annotation(ref, scene, (*said, Description(None, "“blood” seen", (), 1 / 3, ("blood",), *held)), MADE)


def example() -> Annotation:
    scene = scene_of(("grasper", disc((40, 40), (20, 10))), ("liver", disc((90, 80), (40, 30))))
    scene = replace(scene, relations=(Relation(1, "touches", 2),), activities=(Activity("phase", "dissection", 0.81),))
    regions = (
        replace(scene.regions[0], appearance=Appearance("grey", glare=True, scores={"cover": 0.5})),
        scene.regions[1],
    )
    scene = replace(scene, regions=regions, view=View(blood="some", scores={"blood": 0.7}))
    return annotation(scene, 1.25)


def test_layout_is_the_documented_one():
    data = to_dict(example())
    assert list(data) == ["schema_version", "frame", "scene", "descriptions", "depth", "provenance"]
    assert data["frame"] == {
        "source": "case 1/ä#1.png", "index": 4, "time_s": 1.25, "size_wh": [160, 128], "sha256": "0f" * 32,
    }  # fmt: skip
    assert list(data["scene"]) == ["regions", "relations", "activities", "interactions", "view"]
    assert data["scene"]["view"]["blood"] == "some" and data["scene"]["view"]["scores"] == {"blood": 0.7}
    region = data["scene"]["regions"][0]
    assert list(region) == [
        "id", "label", "kind", "score", "mask", "box_xyxy", "area_fraction", "place", "depth_rank", "track_id",
        "appearance",
    ]  # fmt: skip
    assert list(region["mask"]) == ["size", "counts"]
    assert region["mask"]["size"] == [128, 160]
    assert region["track_id"] is None
    assert data["scene"]["relations"] == [[1, "touches", 2]]
    assert data["scene"]["activities"] == [{"level": "phase", "label": "dissection", "score": 0.81}]
    assert data["descriptions"][0]["mentions"] == [[2, 9, 1]]
    keys = ["region_id", "text", "mentions", "confidence", "ungrounded", "flags", "withheld"]
    assert list(data["descriptions"][-1]) == keys
    assert list(data["provenance"]) == [
        "scene_model", "vlm", "adapter", "taxonomy", "prompts", "generation", "version",
    ]  # fmt: skip


def test_an_error_record_has_its_frame_and_one_sentence():
    failure = Failure("a.png", "a.png: damaged; copy it again.", 3)
    assert to_dict(failure) == {
        "schema_version": 1, "frame": {"source": "a.png", "index": 3}, "error": "a.png: damaged; copy it again.",
    }  # fmt: skip
    assert from_dict(to_dict(failure)) == failure
    assert from_dict({"schema_version": 1, "frame": {"source": "b"}, "error": "e"}) == Failure("b", "e", 0)


@pytest.mark.parametrize("seed", range(20))
def test_round_trip_and_same_bytes_again(seed):
    record = annotation(random_scene(np.random.default_rng(seed)), None if seed % 2 else seed / 7)
    line = to_line(record)
    back = from_dict(json.loads(line))
    assert line.count("\n") == 1
    assert to_line(back) == line
    assert isinstance(back, Annotation)
    for ours, theirs in zip(record.scene.regions, back.scene.regions, strict=True):
        assert np.array_equal(ours.mask.to_array(), theirs.mask.to_array())
        assert replace(ours, score=0, area_fraction=0) == replace(theirs, score=0, area_fraction=0)
        assert theirs.score == pytest.approx(ours.score, abs=5e-5)
    assert back.scene.relations == record.scene.relations
    assert back.provenance == record.provenance


def test_numbers_of_numpy_are_written_too():
    scene = scene_of(("polyp", disc((40, 40), (20, 10))))
    region = replace(scene.regions[0], score=np.float32(0.5))
    line = to_line(annotation(replace(scene, regions=(region,)), np.float32(0.5)))
    assert json.loads(line)["scene"]["regions"][0]["score"] == 0.5


def test_a_depth_map_is_named_and_its_pixels_stay_out():
    scene = replace(example().scene, depth=np.ones((4, 5), np.float32))
    record = replace(annotation(scene), depth="depth/a.png.png")
    data = to_dict(record)
    assert data["depth"] == "depth/a.png.png" and to_dict(example())["depth"] is None
    back = from_dict(json.loads(to_line(record)))
    assert isinstance(back, Annotation) and back.depth == record.depth and back.scene.depth is None
    del data["depth"]  # records of before
    assert from_dict(data) == replace(back, depth=None)


def test_keys_of_later_versions_are_left_aside():
    data = to_dict(example())
    data["frame"]["camera"] = "x"
    data["novel"] = 1
    assert from_dict(data) == from_dict(to_dict(example()))


def broken(change) -> str:
    data = to_dict(example())
    change(data)
    return json.dumps(data)


DAMAGED = {
    "schema": (broken(lambda d: d.update(schema_version=2)), "schema_version is 2"),
    "no schema": (broken(lambda d: d.pop("schema_version")), "schema_version is None"),
    "no scene": (broken(lambda d: d.pop("scene")), "'scene' is missing"),
    "no size": (broken(lambda d: d["frame"].pop("size_wh")), "'size_wh' is missing"),
    "short box": (broken(lambda d: d["scene"]["regions"][0].update(box_xyxy=[1, 2])), "wrong type or length"),
    "box outside": (broken(lambda d: d["scene"]["regions"][0].update(box_xyxy=[0, 0, 900, 9])), "not inside"),
    "score": (broken(lambda d: d["scene"]["regions"][0].update(score=3)), "score must be in"),
    "relation": (broken(lambda d: d["scene"].update(relations=[[1, "eats", 2]])), "predicate"),
    "mention": (broken(lambda d: d["descriptions"][0].update(mentions=[[0, 999, 1]])), "outside its text"),
    "scene null": (broken(lambda d: d.update(scene=None)), "wrong type"),
    "a list": ("[1]", "must be a JSON object"),
    "not JSON": ("{nonsense", "not valid JSON"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_lines_are_named_by_file_and_line(tmp_path, name):
    line, words = DAMAGED[name]
    path = tmp_path / "annotations.jsonl"
    path.write_text(to_line(example()) + line + "\n" + to_line(example()))
    with pytest.raises(RecordError, match=words) as caught:
        list(read_records(path))
    assert str(caught.value).startswith(f"{path}:2: ")
    assert not isinstance(caught.value, TornRecordError)


def test_a_torn_last_line_is_told_apart_and_cut_at_the_last_newline(tmp_path):
    path = tmp_path / "annotations.jsonl"
    whole = to_line(example())
    for cut in (1, 40, len(whole) - 3):
        path.write_text(whole * 2 + whole[:cut])
        stream = read_records(path)
        assert len([next(stream), next(stream)]) == 2
        with pytest.raises(TornRecordError, match=r":3: the last record is unfinished"):
            next(stream)
        assert whole_lines_end(path) == 2 * len(whole.encode())


@pytest.mark.parametrize(
    ("data", "end"), [(b"", 0), (b"abc", 0), (b"a\n", 2), (b"a\nb", 2), (b"\n" + b"x" * 200_000, 1)]
)
def test_whole_lines_end(tmp_path, data, end):
    (tmp_path / "f").write_bytes(data)
    assert whole_lines_end(tmp_path / "f") == end


def test_blank_lines_and_a_missing_last_newline_are_fine(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n" + to_line(example()) + "\n" + to_line(Failure("x", "y")).rstrip())
    assert len(list(read_records(path))) == 2


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecordError, match=r"none.jsonl cannot be read"):
        list(read_records(tmp_path / "none.jsonl"))


def test_an_unknown_confidence_is_null_and_stays_unknown():
    record = replace(example(), descriptions=(Description(None, "a view", (), None),))
    line = to_line(record)
    assert json.loads(line)["descriptions"][0]["confidence"] is None
    assert from_dict(json.loads(line)) == record
