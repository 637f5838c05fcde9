"""Kvasir-SEG: colonoscopy pictures with polyp masks (Jha et al., MMM 2020).

ROOT/images/cju*.jpg and ROOT/masks/cju*.jpg under the same names. The masks are JPEG, so values between 0 and 255
occur along every edge: a polyp is what is above 127. Instruments and mucosa are not annotated.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from describer.pictures import read_image
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, by_key, paired, pictures, read_grey


def read(root: Path) -> Iterator[Listed]:
    for pair in paired(root, by_key(pictures(root / "images")), by_key(pictures(root / "masks"))):
        if isinstance(pair, Problem):
            yield pair
            continue
        image, mask = pair
        yield Item(below(image, root), image.stem, partial(read_image, image), codes=partial(polyp_codes, mask))


def polyp_codes(mask: Path) -> NDArray[np.uint8]:
    """255 where a mask (H, W) with soft edges is a polyp, else 0."""
    return np.where(read_grey(mask) > 127, np.uint8(255), np.uint8(0))


DATASET = Dataset(
    name="kvasir-seg",
    title="Kvasir-SEG: polyps in colonoscopy",
    layout="images/cju*.jpg and masks/cju*.jpg",
    marks=("images/c[jk]*", "masks/c[jk]*"),
    taxonomy="kvasir-seg",
    read=read,
    grouping="patients are not given: every picture is a group, and two pictures of one patient may be on both sides",
    licence="research and educational use",
)
