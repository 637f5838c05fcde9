"""Labelled real frames: what each source's masks state and what they leave open, and who may train on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from describer.errors import InputError
from describer.seg.codes import IGNORE, REST, SOME_INSTRUMENT
from describer.seg.datasets import LabelledFrame, ToolLabel
from describer.seg.indexed import read_indexed
from describer.seg.synth import CORE_NAMES

HW = (24, 32)
IDS = {name: i for i, name in enumerate(CORE_NAMES)}
LEGEND = {"0": "abdominal wall", "1": "black background", "4": "cystic duct", "8": "grasper", "11": "liver"}


def picture(root: Path, name: str, value: int | np.ndarray = 120) -> str:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.broadcast_to(np.asarray(value, np.uint8), (*HW, 3)[: 3 if np.ndim(value) != 2 else 2])).save(
        path
    )
    return name


def mask(root: Path, name: str, left: int, right: int = 0) -> str:
    values = np.full(HW, right, np.uint8)
    values[:, :16] = left
    return picture(root, name, values)


def entry(root: Path, file: str, **more: Any) -> dict[str, Any]:
    return {"file": picture(root, file), "type": "image", **more}


def read(root: Path, entries: list[dict[str, Any]], split: str = "train") -> list[LabelledFrame]:
    (root / "index.json").write_text(json.dumps(entries))
    return list(read_indexed(root / "index.json", split, CORE_NAMES))


def one(root: Path, item: dict[str, Any], split: str = "train") -> LabelledFrame:
    (frame,) = read(root, [item], split)
    assert frame.image.shape == (*HW, 3) and frame.labels.shape == HW and frame.labels.dtype == np.uint8
    return frame


@pytest.mark.parametrize(
    ("folder", "split"),
    [("gae", "train"), ("cataract", "train"), ("endovis17", "evaluation only"), ("artnet", "evaluation only")],
)
def test_a_tool_mask_says_nothing_of_what_is_behind(tmp_path: Path, folder: str, split: str) -> None:
    item = entry(tmp_path, f"{folder}/a.png", mask=mask(tmp_path, f"{folder}/a_mask.png", 255))
    frame = one(tmp_path, item, split)
    assert set(np.unique(frame.labels[:, :16])) == {SOME_INSTRUMENT}
    assert set(np.unique(frame.labels[:, 16:])) == {REST}
    assert frame.annotated == CORE_NAMES[1:10] and frame.activity is None


def test_a_tool_frame_without_a_mask_is_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, [entry(tmp_path, "gae/a.png")]) == []


def test_kvasir_has_polyps_on_mucosa_and_a_dark_surround(tmp_path: Path) -> None:
    image = np.full((*HW, 3), (150, 90, 80), np.uint8)
    image[:3] = 0
    image[12:14, 20:22] = 0  # dark inside of the view: still mucosa
    item = {"file": picture(tmp_path, "kvasir_seg/images/b.png", image), "type": "image"}
    item["mask"] = mask(tmp_path, "kvasir_seg/masks/b.png", 255)
    frames = [*read(tmp_path, [item]), *read(tmp_path, [item], "held out")]
    (frame,) = frames
    assert set(np.unique(frame.labels[:, :16])) == {IDS["polyp"]}
    assert set(np.unique(frame.labels[:3, 16:])) == {IDS["background"]}
    assert set(np.unique(frame.labels[3:, 16:])) == {IDS["mucosa"]}
    assert frame.activity == "inspection" and frame.annotated == CORE_NAMES


def test_segcol_tools_but_not_its_fold_edges(tmp_path: Path) -> None:
    item = entry(tmp_path, "segcol/a.png", mask=mask(tmp_path, "segcol/a_mask.png", 128, 255), sequence="Seq_1")
    frame = one(tmp_path, item)
    assert set(np.unique(frame.labels[:, :16])) == {SOME_INSTRUMENT}
    assert set(np.unique(frame.labels[:, 16:])) == {IDS["mucosa"]}


@pytest.mark.parametrize(("left", "right"), [(8, 4), (11, 0), (1, 254)])
def test_cholecseg_goes_by_its_own_legend(tmp_path: Path, left: int, right: int) -> None:
    codes = {8: IDS["grasper"], 4: IGNORE, 11: IDS["liver"], 0: IDS["abdominal wall"], 1: 0, 254: IGNORE}
    file = mask(tmp_path, "cholecseg8k_crops/a_mask.png", left, right)
    frame = one(tmp_path, entry(tmp_path, "cholecseg8k_crops/a.png", mask=file, mask_legend=LEGEND))
    assert set(np.unique(frame.labels[:, :16])) == {codes[left]}
    assert set(np.unique(frame.labels[:, 16:])) == {codes[right]}


def test_polygons_of_known_and_unknown_instruments(tmp_path: Path) -> None:
    shapes = [
        {"label": "irrigator", "points": [[0, 0], [9, 0], [9, 23], [0, 23]]},
        {"label": "spatula", "points": [[20, 0], [31, 0], [31, 23], [20, 23]]},
    ]
    item = entry(tmp_path, "cholec_instance_seg/a.png", instance_json="cholec_instance_seg/a.json")
    (tmp_path / item["instance_json"]).write_text(json.dumps({"shapes": shapes}))
    frame = one(tmp_path, item)
    assert frame.labels[5, 5] == IDS["suction irrigator"]
    assert frame.labels[5, 25] == SOME_INSTRUMENT and frame.labels[5, 15] == REST


def triplet(text: str, **more: Any) -> dict[str, Any]:
    instrument, verb, target = text.split(",")
    words = {"triplet": text, "instrument": instrument, "verb": verb, "target": target}
    return words | {"phase": "carlot-triangle-dissection"} | more


@pytest.mark.parametrize(
    ("triplets", "activity"),
    [
        (["grasper,retract,liver", "clipper,clip,cystic_duct"], "clipping"),
        (["hook,dissect,gallbladder"], "dissection"),
        (["grasper,grasp,gallbladder"], "retraction"),
        (["grasper,null_verb,null_target"], None),
        ([], "exploration"),
    ],
)
def test_triplets_become_an_activity(tmp_path: Path, triplets: list[str], activity: str | None) -> None:
    labels = [triplet(text) for text in triplets]
    item = entry(tmp_path, "cholect50val/V/1.png", labels=labels, annotated=True, sequence="VID1")
    frame = one(tmp_path, item)
    assert frame.activity == activity and (frame.labels == REST).all()
    assert frame.tools is not None and len(frame.tools) == len(triplets)
    assert (frame.name, frame.group) == ("cholect50val/V/1.png", "VID1")
    assert frame.phase == ("calot triangle dissection" if triplets else None)


def test_triplets_become_tools_of_the_core_set(tmp_path: Path) -> None:
    labels = [
        triplet("bipolar,coagulate,abdominal_wall_cavity", bbox_xywh_norm=[0.25, 0.5, 0.5, 0.6]),
        triplet("irrigator,aspirate,fluid", bbox_xywh_norm=[0, 0, 0.5, 0.25]),
        triplet("grasper,null_verb,null_target"),
        triplet("clipper,clip,cystic_artery"),
        triplet("grasper,retract,omentum"),
    ]
    frame = one(tmp_path, entry(tmp_path, "cholect50val/V/1.png", labels=labels, sequence="VID1"))
    assert frame.tools == (
        ToolLabel("bipolar forceps", (8.0, 12.0, 24.0, 24.0), "coagulate", "abdominal wall"),
        ToolLabel("suction irrigator", (0.0, 0.0, 16.0, 6.0), "aspirate", "fluid"),
        ToolLabel("grasper", None, "", None),
        ToolLabel("clip applier", None, "clip", "cystic artery"),
        ToolLabel("grasper", None, "retract", "fat"),
    )


def test_an_instrument_that_a_frame_does_not_show_is_nowhere(tmp_path: Path) -> None:
    item = entry(tmp_path, "cholect50val/V/1.png", labels=[triplet("hook,dissect,gallbladder")], sequence="VID1")
    absent = set(one(tmp_path, item).annotated)
    assert "hook" not in absent and {"grasper", "snare", "scissors"} <= absent and "liver" not in absent


@pytest.mark.parametrize("text", ["laser,cut,liver", "grasper,juggle,liver", "grasper,grasp,spleen"])
def test_a_triplet_of_unknown_words_is_named(tmp_path: Path, text: str) -> None:
    word = next(word for word in text.split(",") if word in ("laser", "juggle", "spleen"))
    with pytest.raises(InputError, match=word):
        read(tmp_path, [entry(tmp_path, "cholect50val/V/1.png", labels=[triplet(text)])])


def test_a_frame_that_nobody_looked_at_is_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, [entry(tmp_path, "cholect50val/V/1.png", labels=[], annotated=False)]) == []


def test_a_frame_without_a_known_operation_is_its_own_group(tmp_path: Path) -> None:
    items = [
        entry(tmp_path, f"kvasir_seg/images/{n}.png", mask=mask(tmp_path, f"kvasir_seg/masks/{n}.png", 255))
        for n in range(3)
    ]
    frames = [*read(tmp_path, items), *read(tmp_path, items, "held out")]
    assert len({frame.group for frame in frames}) == 3


def test_splits_do_not_share_frames(tmp_path: Path) -> None:
    items = [
        entry(
            tmp_path,
            f"{folder}/{name}.png",
            sequence=sequence,
            mask=mask(tmp_path, f"{folder}/{name}_mask.png", 255),
        )
        for folder, name, sequence in [
            ("gae", "a", "Training"), ("gae", "b", "Validation"), ("segcol", "c", "Seq_003_59280"),
            ("segcol", "d", "Seq_1"), ("endovis17", "e", "1"), ("scared", "f", "1"),
            *(("kvasir_seg", f"k{i}", "") for i in range(20)),
        ]
    ]  # fmt: skip
    counts = {split: len(read(tmp_path, items, split)) for split in ("train", "held out", "evaluation only")}
    assert sum(counts.values()) == 25 and counts["evaluation only"] == 1
    assert 2 < counts["held out"] < 12


def test_videos_are_no_frames(tmp_path: Path) -> None:
    item = entry(tmp_path, "gae/a.png", mask=mask(tmp_path, "gae/a_mask.png", 255))
    assert read(tmp_path, [item | {"type": "video"}]) == []


@pytest.mark.parametrize("split", ["val", "", "Train"])
def test_an_unknown_split(tmp_path: Path, split: str) -> None:
    with pytest.raises(InputError, match="held out"):
        read(tmp_path, [], split)


def test_an_index_or_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"index\.json"):
        list(read_indexed(tmp_path / "index.json", "train", CORE_NAMES))
    item = entry(tmp_path, "gae/a.png", mask="gae/lost.png")
    with pytest.raises(InputError, match=r"lost\.png"):
        read(tmp_path, [item])


def real_index() -> Path | None:
    found = [p / "index.json" for p in (Path("/work/shared/data"), Path(__file__).parents[3] / "shared" / "data")]
    return next((path for path in found if path.is_file()), None)


@pytest.mark.skipif(real_index() is None, reason="the real frames are not on this machine")
@pytest.mark.parametrize("split", ["held out", "evaluation only"])
def test_real_frames(tmp_path: Path, split: str) -> None:
    index = real_index()
    assert index is not None
    seen: dict[str, int] = {}
    few = []
    for item in json.loads(index.read_text()):
        folder = item["file"].split("/")[0]
        seen[folder] = seen.get(folder, 0) + 1
        if seen[folder] % 23 == 1 and item.get("type") == "image":
            few.append(item | {key: str(index.parent / item[key]) for key in ("mask", "instance_json") if key in item})
    (tmp_path / "index.json").write_text(json.dumps(few))
    for item in few:
        link = tmp_path / item["file"].split("/")[0]
        if not link.exists():
            link.symlink_to(index.parent / link.name)
    frames = list(read_indexed(tmp_path / "index.json", split, CORE_NAMES))
    assert len(frames) >= 3
    known = {*range(len(CORE_NAMES)), IGNORE, REST, SOME_INSTRUMENT}
    for frame in frames:
        assert frame.labels.shape == frame.image.shape[:2]
        assert {int(v) for v in np.unique(frame.labels)} <= known
