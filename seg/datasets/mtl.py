"""MTLESD, MTLEndovis and MTLEndovis-Gen of EndoARSS (arXiv 2506.06830): activity and scene masks.

ROOT/{train,val,test}/{1..N}/{image,mask}/x.png: the folder's number is the activity, counted from 1, and the mask has
the image's name. The reference loader subtracts 1 from every mask value above 0, so that value 1 joins the background.
Here raw values are read as the taxonomy names them; the reference's reading is offered as "mtlesd-reference". The
order of MTLESD's codes and the names of MTLEndovis' classes and activities are not in anything we could verify.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from describer.pictures import read_image
from describer.seg.datasets.dataset import SPLITS, Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, by_key, folders, paired, pictures, read_codes
from describer.taxonomy import load_taxonomy

_GROUPING = "videos are not named: the given train, val and test folders are kept as they are"


def reference_codes(mask: Path) -> NDArray:
    """The mask as the reference loader has it: 1 less where it is above 0."""
    raw = read_codes(mask)
    return np.where(raw > 0, raw - 1, raw)


def _read(taxonomy: str, codes: Callable[[Path], NDArray], root: Path) -> Iterator[Listed]:
    activities = load_taxonomy(taxonomy).activities
    for split in SPLITS:
        for folder in folders(root, f"{split}/*"):
            if not folder.name.isdecimal() or not 1 <= int(folder.name) <= len(activities):
                yield Problem(below(folder, root), f"no activity from 1 to {len(activities)}", "rename the folder")
                continue
            activity = activities[int(folder.name) - 1]
            images, masks = by_key(pictures(folder / "image")), by_key(pictures(folder / "mask"))
            for pair in paired(root, images, masks):
                if isinstance(pair, Problem):
                    yield pair
                    continue
                image, mask = pair
                name = below(image, root)
                yield Item(name, name, partial(read_image, image), split, partial(codes, mask), activity=activity)


def _dataset(name: str, title: str, activities: str, marks: tuple[str, ...], **more: str | bool) -> Dataset:
    taxonomy = name.removesuffix("-gen")
    codes = reference_codes if name.endswith("-reference") else read_codes
    return Dataset(
        name=name,
        title=title,
        layout=f"{{train,val,test}}/{{1..{activities}}}/{{image,mask}}/x.png",
        marks=marks,
        taxonomy=taxonomy,
        read=partial(_read, taxonomy, codes),
        grouping=_GROUPING,
        **more,  # type: ignore[arg-type]
    )


MTLESD = _dataset(
    "mtlesd",
    "MTLESD: endoscopic submucosal dissection",
    "3",
    ("*/1/image", "*/1/mask"),
    notes="The order of the codes is not verified. If value 7 occurs, they count from 2: read it as mtlesd-reference.",
)
MTLESD_REFERENCE = _dataset(
    "mtlesd-reference",
    "MTLESD as its reference loader reads it: mask values less 1, so that value 1 is background",
    "3",
    ("*/1/image", "*/1/mask"),
    by_name_only=True,
)
MTLENDOVIS = _dataset(
    "mtlendovis",
    "MTLEndovis: robotic surgery in 12 activities",
    "12",
    ("*/1/image", "*/1/mask", "*/4/image"),
    notes="Its classes and activities have numbers here, not names: train on its own set.",
)
MTLENDOVIS_GEN = _dataset(
    "mtlendovis-gen",
    "MTLEndovis-Gen: its semi-synthetic twin",
    "12",
    ("*/1/image", "*/1/mask", "*/4/image"),
    by_name_only=True,
)
