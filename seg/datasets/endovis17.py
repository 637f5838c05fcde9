"""EndoVis 2017: robotic instruments by type (Allan et al., arXiv 1902.06426).

ROOT[/x]/instrument_dataset_{1..8}/{images,instruments_masks}, names equal but for the suffix; masks hold the class
times 32. Folders below one with "test" in its name are the test set, whose datasets 1 to 8 are the ends of the training
videos. The challenge has no validation set: whole videos are taken for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from numpy.typing import NDArray

from describer.pictures import read_image
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, by_key, folders, paired, pictures, read_codes

_FACTOR = 32


def read(root: Path) -> Iterator[Listed]:
    for folder in folders(root, "instrument_dataset_*") + folders(root, "*/instrument_dataset_*"):
        images, masks = by_key(pictures(folder / "images")), by_key(pictures(folder / "instruments_masks"))
        split = "test" if "test" in folder.parent.name and folder.parent != root else "train"
        for pair in paired(root, images, masks):
            if isinstance(pair, Problem):
                yield pair
                continue
            image, mask = pair
            group = folder.name.replace("_", " ").removeprefix("instrument ")
            yield Item(below(image, root), group, partial(read_image, image), split, partial(type_codes, mask))


def type_codes(mask: Path) -> NDArray:
    """The mask's classes, from values that are 32 times as large; values that are no such multiple stay."""
    raw = read_codes(mask)
    return raw // _FACTOR if (raw % _FACTOR == 0).all() else raw


DATASET = Dataset(
    name="endovis17",
    title="EndoVis 2017: robotic instruments by type",
    layout="instrument_dataset_*/{images,instruments_masks}, also one folder below",
    marks=("instrument_dataset_*/instruments_masks | */instrument_dataset_*/instruments_masks",),
    taxonomy="endovis17",
    read=read,
    grouping="the video; the challenge's test datasets 1 to 8 are the ends of the training videos",
)
