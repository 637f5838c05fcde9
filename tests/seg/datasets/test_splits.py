"""Whole groups on one side, the same side every time; official splits stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from describer.errors import InputError
from describer.seg.datasets.dataset import Item, Listed, Problem
from describer.seg.datasets.splits import assign, in_split


def sizes(groups: int, official: str | None = None) -> dict[str, int]:
    splits = list(assign([(f"video{i}", official) for i in range(groups)]).values())
    return {split: splits.count(split) for split in ("train", "val", "test")}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (2, 1, 1)), (20, (14, 3, 3)), (100, (70, 15, 15))],
)
def test_shares_of_groups(groups: int, expected: tuple[int, int, int]) -> None:
    assert tuple(sizes(groups).values()) == expected


def test_val_is_taken_from_an_official_train_and_never_from_test() -> None:
    given = [(f"a{i}", "train") for i in range(10)] + [("t", "test"), ("a0", "test")]
    splits = assign(given)
    assert splits["t", "test"] == splits["a0", "test"] == "test"
    assert [splits[pair] for pair in given[:10]].count("val") == 2


def test_an_official_split_in_three_is_kept() -> None:
    given = [("a", "train"), ("b", "val"), ("c", "test"), ("loose", None)]
    assert assign(given) == {pair: pair[1] or "train" for pair in given}


def test_a_new_video_moves_hardly_any_other() -> None:
    before = assign((f"video{i}", None) for i in range(50))
    after = assign((f"video{i}", None) for i in range(51))
    assert sum(before[pair] != after[pair] for pair in before) <= 2
    assert assign((f"video{i}", None) for i in range(50)) == before
    assert assign(((f"video{i}", None) for i in range(50)), seed=1) != before


def item(name: str, group: str, split: str | None = None) -> Item:
    return Item(name, group, lambda: np.zeros((1, 1, 3), np.uint8), split)


def test_frames_of_a_group_stay_together_and_problems_come_once() -> None:
    walks = []

    def read() -> Iterator[Listed]:
        walks.append(1)
        yield Problem("x", "y", "z")
        yield from (item(f"{group}/{i}", group) for group in "abcdef" for i in range(3))

    sides = {split: list(in_split(read, split, 0)) for split in ("train", "val", "test")}
    assert sum(isinstance(one, Problem) for found in sides.values() for one in found) == 1
    groups = {split: {one.group for one in found if isinstance(one, Item)} for split, found in sides.items()}
    assert sorted(g for found in groups.values() for g in found) == list("abcdef")
    assert all(one.split == split for split, found in sides.items() for one in found if isinstance(one, Item))
    assert len(walks) == 6


@pytest.mark.parametrize(
    ("items", "split", "why"),
    [
        ([item("a", "g")], "val", r"no 'val' split \(1 group of frames; it has train\)"),
        ([item("a", "g", "train"), item("b", "h", "train")], "test", "it has train, val"),
        ([Problem("x", "y", "z")], "train", "no usable frame"),
        ([item("a", "g")], "Train", "train, val, test"),
    ],
)
def test_a_split_that_is_not_there(items: list[Listed], split: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        in_split(lambda: iter(items), split, 0)


def test_the_error_is_raised_before_the_first_frame(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown"):
        in_split(lambda: iter([]), "all", 0)
