"""Small pictures and masks in any layout, and what every reader must do with them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from describer.seg.codes import IGNORE, REST, SOME_INSTRUMENT
from describer.seg.datasets import LabelledFrame
from describer.seg.datasets.catalogue import find, named
from describer.seg.datasets.dataset import Item, Problem
from describer.seg.datasets.reading import groups_of, read_dataset
from describer.seg.synth import CORE_NAMES
from describer.taxonomy import load_taxonomy

HW = (24, 32)


def picture(path: Path, value: int = 90, hw: tuple[int, int] = HW) -> Path:
    """An RGB picture of one grey, not quite: a reader that mixes up channels is seen."""
    return save(path, np.full((*hw, 3), (value, value // 2, value // 3), np.uint8))


def halves(path: Path, left: int, right: int = 0, hw: tuple[int, int] = HW) -> Path:
    """A grey mask of two values, one a half."""
    values = np.full(hw, right, np.uint8)
    values[:, : hw[1] // 2] = left
    return save(path, values)


def save(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def own_names(name: str) -> tuple[str, ...]:
    return ("background", *load_taxonomy(name).names)


def frames(
    root: Path, split: str = "train", names: tuple[str, ...] = CORE_NAMES, **more: object
) -> list[LabelledFrame]:
    return list(read_dataset(root, split, names, **more))  # type: ignore[arg-type]


def everything(root: Path, names: tuple[str, ...] = CORE_NAMES, name: str | None = None) -> dict[str, LabelledFrame]:
    """The usable frames of all splits, by name."""
    splits = groups_of(root, name)[1]
    return {f.name: f for split in splits for f in read_dataset(root, split, names, name, skipped=lambda problem: None)}


def problems(root: Path, name: str | None = None) -> list[Problem]:
    return [found for found in find(root, name).read(root) if isinstance(found, Problem)]


def sides(frame: LabelledFrame) -> tuple[int, int]:
    """The label of the left and of the right half, which must each be of one label."""
    half = frame.labels.shape[1] // 2
    left, right = (np.unique(part) for part in (frame.labels[:, :half], frame.labels[:, half:]))
    assert len(left) == len(right) == 1
    return int(left[0]), int(right[0])


def core(name: str) -> int:
    return CORE_NAMES.index(name)


class ReaderContract:
    """What holds for every dataset. A test class names it and makes a small copy of its layout."""

    name: str

    def make(self, root: Path) -> Path:
        """Write a sound copy of the layout with at least two groups below the root, and return the root."""
        raise NotImplementedError

    def test_its_layout_is_recognised(self, tmp_path: Path) -> None:
        assert find(self.make(tmp_path)).name == self.name

    def test_every_item_is_whole(self, tmp_path: Path) -> None:
        root = self.make(tmp_path)
        listed = list(named(self.name).read(root))
        items = [item for item in listed if isinstance(item, Item)]
        assert items and not [found for found in listed if isinstance(found, Problem)]
        assert len({item.name for item in items}) == len(items)
        assert all(item.group for item in items) and len({item.group for item in items}) >= 2

    def test_frames_keep_the_format(self, tmp_path: Path) -> None:
        root = self.make(tmp_path)
        for names in (CORE_NAMES, own_names(named(self.name).taxonomy_of(root))):
            found = everything(root, names, self.name)
            assert len(found) == len(list(named(self.name).read(root)))
            for frame in found.values():
                assert frame.source == self.name and frame.image.dtype == np.uint8 == frame.labels.dtype
                assert frame.image.shape == (*frame.labels.shape, 3)
                known = {*range(len(names)), IGNORE, REST, SOME_INSTRUMENT}
                assert {int(value) for value in np.unique(frame.labels)} <= known
                assert set(frame.annotated) <= set(names)
                assert (frame.labels != REST).all() or frame.annotated

    def test_no_group_is_cut_by_a_split_of_ours(self, tmp_path: Path) -> None:
        root = self.make(tmp_path)
        official = {item.group for item in named(self.name).read(root) if isinstance(item, Item) and item.split}
        seen = Counter(group for counts in groups_of(root, self.name)[1].values() for group in counts)
        assert all(times == 1 for group, times in seen.items() if group not in official)
