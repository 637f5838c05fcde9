"""The door to every dataset: recognising a folder, mapping its labels, refusing what cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from describer.errors import InputError, TaxonomyError
from describer.seg.codes import IGNORE, REST, SOME_INSTRUMENT
from describer.seg.datasets.catalogue import DATASETS, find, named
from describer.seg.datasets.dataset import Item, Problem
from describer.seg.datasets.frame import ToolLabel
from describer.seg.datasets.mapping import Mapping
from describer.seg.datasets.reading import read_dataset
from describer.seg.synth import CORE_NAMES
from describer.taxonomy import load_taxonomy, parse_taxonomy
from tests.seg.datasets.made import HW, core, frames, halves, picture, save
from tests.seg.datasets.test_cholec import TestScenes as Scenes

LABELS = [
    {"name": "our hook", "kind": "instrument", "colour": [1, 2, 3], "code": 3, "core": "hook"},
    {"name": "laser", "kind": "instrument", "colour": [1, 2, 4], "code": 4},
    {"name": "spleen", "kind": "anatomy", "colour": [1, 2, 5], "code": 5},
    {"name": "liver", "kind": "anatomy", "colour": [1, 2, 6], "code": 6},
]
BASE = {"labels": LABELS, "background_code": 9, "ignore_codes": [255], "rest_codes": [0]}
RAW = np.array([[3, 4, 5, 6, 9, 255, 0]], np.uint8)


def mapping(names: tuple[str, ...] = CORE_NAMES, **more: object) -> Mapping:
    return Mapping("mine", parse_taxonomy({**BASE, **more}, "mine"), names)


def test_labels_in_the_core_set() -> None:
    found = mapping().map_codes(RAW, "a.png")[0].tolist()
    assert found == [core("hook"), SOME_INSTRUMENT, IGNORE, core("liver"), core("background"), IGNORE, REST]
    instruments = load_taxonomy("core").of_kind("instrument")
    assert mapping().annotated() == (*instruments, "liver")
    assert mapping(rest_codes=[]).annotated() == ("background", *instruments, "liver")
    assert mapping().annotated(("liver", "spleen")) == ("liver",)


def test_labels_in_their_own_set() -> None:
    own = mapping(("background", "our hook", "laser", "spleen", "liver"), rest_codes=[])
    assert own.map_codes(RAW[:, :6], "a.png")[0].tolist() == [1, 2, 3, 4, 0, IGNORE]
    assert own.annotated() == own.class_names
    opened = np.array([[3, REST, SOME_INSTRUMENT, 9]], np.uint8)
    assert own.map_codes(opened, "a.png", partial=True)[0].tolist() == [1, REST, SOME_INSTRUMENT, 0]
    with pytest.raises(InputError, match="253, 254"):
        own.map_codes(opened, "a.png")
    assert own.annotated(("spleen",)) == ("spleen",)


def test_words_of_a_tool_in_the_core_set() -> None:
    more = {"activities": ["zapping"], "verbs": ["zap"], "phases": ["p-1"], "core_words": {"zap": "coagulate"}}
    seen = mapping(**more)
    tool = ToolLabel("our hook", (0, 0, 1, 1), "zap", "liver")
    assert seen.tool(tool) == ToolLabel("hook", (0, 0, 1, 1), "coagulate", "liver")
    assert seen.tool(ToolLabel("laser", None, "", None)) == ToolLabel(None, None, "", None)
    assert seen.tool(ToolLabel(None, None, "unheard of", "spleen")) == ToolLabel(None, None, None, None)
    assert (seen.word("zapping", "activities"), seen.word(None, "phases")) == (None, None)


def test_a_set_that_shares_nothing_is_refused() -> None:
    labels = [{"name": "spleen", "kind": "anatomy", "colour": [1, 2, 5], "code": 5}]
    with pytest.raises(TaxonomyError, match="spleen"):
        mapping(labels=labels)
    with pytest.raises(TaxonomyError, match="too many"):
        mapping(tuple(f"class {i}" for i in range(254)))


@pytest.mark.parametrize("raw", [np.array([[7]], np.uint8), np.array([[300]], np.int32)])
def test_a_code_without_a_name_is_refused(raw: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"a\.png: the mask holds (7|300)"):
        mapping().map_codes(raw, "a.png")


def blank(**more: object) -> Item:
    return Item("a", "g", lambda: np.zeros((*HW, 3), np.uint8), **more)  # type: ignore[arg-type]


def test_what_is_not_given_stays_open() -> None:
    frame = mapping().frame(blank())
    assert (frame.labels == IGNORE).all() and frame.annotated == () and frame.tools is None and frame.depth is None


@pytest.mark.parametrize(("tool", "known"), [("our hook", True), ("laser", False), (None, False)])
def test_tools_without_a_mask_say_which_instruments_are_absent(tool: str | None, known: bool) -> None:
    frame = mapping().frame(blank(tools=lambda size_wh: (ToolLabel(tool),)))
    instruments = set(load_taxonomy("core").of_kind("instrument"))
    assert set(frame.annotated) == (instruments - {"hook"} if known else set())
    assert (frame.labels == (REST if known else IGNORE)).all()


@pytest.mark.parametrize("what", ["codes", "depth"])
def test_maps_of_another_size_are_refused(what: str) -> None:
    with pytest.raises(InputError, match=r"is 5x4, the image 32x24"):
        mapping().frame(blank(**{what: lambda: np.zeros((4, 5), np.uint8)}))


def test_names_are_unique_and_taxonomies_load() -> None:
    assert len({dataset.name for dataset in DATASETS}) == len(DATASETS)
    for dataset in DATASETS:
        if isinstance(dataset.taxonomy, str):
            assert load_taxonomy(dataset.taxonomy).name == dataset.taxonomy


def test_an_unknown_folder_lists_the_known_and_the_nearest(tmp_path: Path) -> None:
    picture(tmp_path / "images/cju1.jpg")
    with pytest.raises(InputError, match=r"cholecseg8k.*nearest is kvasir-seg.*masks/c\[jk\]\* is missing.*data list"):
        find(tmp_path)
    with pytest.raises(InputError, match="not a folder"):
        find(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"'cholec' is unknown.*cholecseg8k"):
        named("cholec")


def test_an_empty_folder_is_near_to_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        find(tmp_path)
    assert "nearest" not in str(error.value)


def test_frames_that_cannot_be_used_stop_or_are_told(tmp_path: Path) -> None:
    root = Scenes().make(tmp_path)
    folder = root / "video12/video12_00080"
    (folder / "frame_80_endo.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"frame_80_endo\.png.*not a picture") as error:
        frames(root, "test")
    assert str(error.value).count(str(root)) <= 1
    told: list[Problem] = []
    assert len(frames(root, "test", skipped=told.append)) == 1
    assert [problem.path for problem in told] == ["video12/video12_00080/frame_80_endo.png"]


def test_a_mask_in_colour_where_codes_are_expected(tmp_path: Path) -> None:
    root = Scenes().make(tmp_path)
    mask = root / "video12/video12_00080/frame_80_endo_watershed_mask.png"
    save(mask, np.full((*HW, 3), (1, 2, 3), np.uint8))
    with pytest.raises(InputError, match="coloured"):
        frames(root, "test")
    save(mask, np.full((*HW, 3), 21, np.uint8))
    assert (frames(root, "test")[0].labels == core("liver")).all()


def test_another_taxonomy_for_a_copy_with_other_codes(tmp_path: Path) -> None:
    root = Scenes().make(tmp_path / "set", left=77)
    with pytest.raises(InputError, match="77"):
        frames(root, "test")
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "background_code: 50\nlabels:\n  - {name: fat, kind: anatomy, colour: [1, 2, 3], code: 77, core: fat}\n"
    )
    found = list(read_dataset(root, "test", CORE_NAMES, taxonomy=str(mine)))
    assert (found[0].labels[:, :16] == core("fat")).all()


def test_frames_are_decoded_one_at_a_time(tmp_path: Path) -> None:
    root = Scenes().make(tmp_path)
    stream = read_dataset(root, "test", CORE_NAMES)
    next(stream)
    halves(root / "video12/video12_00080/frame_81_endo_watershed_mask.png", 31)
    assert (next(stream).labels[:, :16] == core("grasper")).all()
