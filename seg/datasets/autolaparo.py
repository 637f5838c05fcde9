"""AutoLaparo task 3: instruments and uterus in laparoscopic hysterectomy (Wang et al., MICCAI 2022).

ROOT/imgs/{train,val,test}/x.jpg with ROOT/masks/{train,val,test}/x.png, or both flat. Masks are grey, 20 a step: a
manipulator and a shaft for each of four instruments, then the uterus.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from describer.pictures import read_image
from describer.seg.datasets.dataset import SPLITS, Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, by_key, paired, pictures, read_codes
from describer.seg.datasets.naming import series_of


def read(root: Path) -> Iterator[Listed]:
    for split in (*SPLITS, None):
        images, masks = (root / kind / (split or "") for kind in ("imgs", "masks"))
        for pair in paired(root, by_key(pictures(images)), by_key(pictures(masks))):
            if isinstance(pair, Problem):
                yield pair
                continue
            image, mask = pair
            group = f"clip {series_of(image.stem)}"
            yield Item(below(image, root), group, partial(read_image, image), split, partial(read_codes, mask))


DATASET = Dataset(
    name="autolaparo",
    title="AutoLaparo: instruments and uterus in hysterectomy",
    layout="imgs/{train,val,test}/x.jpg and masks/{train,val,test}/x.png, or both flat",
    marks=("imgs/train | imgs/val | imgs/test | imgs/*.jpg", "masks/train | masks/val | masks/test | masks/*.png"),
    taxonomy="autolaparo",
    read=read,
    grouping="the clip, from the name without its last number; clips of one operation are not told apart",
    licence="CC BY-NC-SA 4.0",
)
