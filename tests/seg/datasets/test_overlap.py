"""One video must not train in one dataset and be held out in another."""

from __future__ import annotations

import pytest

from describer.errors import InputError
from describer.seg.datasets.overlap import check_overlap, video_of

SEG, T50 = "cholecseg8k", "cholect50"


@pytest.mark.parametrize(
    ("dataset", "group", "video"),
    [
        (SEG, "video09", "Cholec80 video 9"), (T50, "VID09", "Cholec80 video 9"), (T50, "VID111", "Cholec80 video 111"),
        ("cholect50val", "VID68", "Cholec80 video 68"), ("endoscapes", "video 12", None), ("kvasir-seg", "cju1", None),
        ("endovis18", "seq_5", "EndoVis 2018 seq_5"), ("endovis18-types", "seq_5", "EndoVis 2018 seq_5"),
        ("endovis18", "test seq_1", None), ("anything", "VID01", None),
    ],
)  # fmt: skip
def test_videos_behind_groups(dataset: str, group: str, video: str | None) -> None:
    assert video_of(dataset, group) == video


@pytest.mark.parametrize(
    ("used", "named"),
    [
        ([(SEG, "video12", "test"), (T50, "VID12", "train")], "Cholec80 video 12.*cholect50.*held out in cholecseg8k"),
        ([(SEG, "video01", "train"), (T50, "VID01", "val")], "Cholec80 video 1 is trained on in cholecseg8k"),
        ([("endovis18", "seq_2", "train"), ("endovis18-types", "seq_2", "val")], "EndoVis 2018 seq_2"),
    ],
)
def test_a_video_on_both_sides_is_refused(used: list[tuple[str, str, str]], named: str) -> None:
    with pytest.raises(InputError, match=f"{named}.*--allow-overlap"):
        check_overlap(used)
    assert len(check_overlap(used, allow=True)) == 1


@pytest.mark.parametrize(
    "used",
    [
        [(SEG, "video01", "train"), (T50, "VID01", "train")],
        [(SEG, "video12", "test"), (T50, "VID12", "val")],
        [(SEG, "video01", "train"), (T50, "VID02", "test")],
        [("endovis17", "dataset 1", "train"), ("endovis17", "dataset 1", "test")],
        [("endovis18", "test seq_1", "test"), ("endovis18-types", "seq_1", "train")],
        [],
    ],
)
def test_what_is_fine(used: list[tuple[str, str, str]]) -> None:
    assert check_overlap(used) == []


def test_several_are_counted() -> None:
    used = [(SEG, f"video{i:02d}", "train") for i in range(1, 4)] + [(T50, f"VID{i:02d}", "test") for i in range(1, 4)]
    with pytest.raises(InputError, match="and 2 more"):
        check_overlap(used)


def test_endoscapes_cannot_be_checked_and_that_is_said() -> None:
    (warning,) = check_overlap([("endoscapes", "video 12", "train"), (SEG, "video12", "test")])
    assert "cholecseg8k not checked" in warning
    assert check_overlap([("endoscapes", "video 12", "train")]) == []
