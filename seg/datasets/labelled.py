"""Anyone's labelled frames: pictures, masks of class codes, and a taxonomy.yaml that says what the codes mean.

ROOT/images/[operation/]x.png, ROOT/masks/[operation/]x.png and ROOT/taxonomy.yaml in the format of
describer/taxonomies: each label with its name, kind, colour, `code`, and `core` where it is one of the core set.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from describer.pictures import PICTURE_SUFFIXES, read_image
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, paired, read_codes
from describer.seg.datasets.naming import group_of

_TAXONOMY = "taxonomy.yaml"


def read(root: Path) -> Iterator[Listed]:
    images, masks = (_by_place(root / kind) for kind in ("images", "masks"))
    for pair in paired(root, images, masks):
        if isinstance(pair, Problem):
            yield pair
            continue
        image, mask = pair
        group = group_of(below(image, root / "images"))
        yield Item(below(image, root), group, partial(read_image, image), codes=partial(read_codes, mask))


def _by_place(folder: Path) -> dict[str, Path]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    return {below(path.with_suffix(""), folder): path for path in paths}


DATASET = Dataset(
    name="labelled",
    title="your own pictures and masks",
    layout="images/[operation/]x.png, masks/[operation/]x.png and taxonomy.yaml",
    marks=(_TAXONOMY, "images", "masks"),
    taxonomy=lambda root: str(root / _TAXONOMY),
    read=read,
    grouping="the folder below images/, else the name without its number",
    licence="yours",
)
