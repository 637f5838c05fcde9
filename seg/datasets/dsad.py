"""Dresden Surgical Anatomy Dataset: eleven organs in laparoscopy (Carstens et al., Scientific Data 2023).

ROOT/{organ}/{patient}/imageNN.png with maskNN.png, where only that organ is drawn; below ROOT/multilabel/{patient} an
imageNN.png has several masks maskNN_{organ}.png. A mask says nothing of organs that are not drawn in it. The split is
by patient, that of the dataset's own benchmark: 3, 21 and 26 validate, 2, 7, 11, 13, 14, 18, 20 and 32 test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from describer.errors import InputError
from describer.pictures import read_image
from describer.seg.codes import REST
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, by_key, folders, paired, pictures, read_grey
from describer.taxonomy import load_taxonomy

_VAL, _TEST = (3, 21, 26), (2, 7, 11, 13, 14, 18, 20, 32)


def read(root: Path) -> Iterator[Listed]:
    for label in load_taxonomy("dsad").labels:
        for patient in folders(root, f"{label.name.replace(' ', '_')}/*"):
            yield from _one_organ(root, patient, label.name)
    for patient in folders(root, "multilabel/*"):
        yield from _several_organs(root, patient)


def _one_organ(root: Path, patient: Path, organ: str) -> Iterator[Listed]:
    found = pictures(patient)
    for pair in paired(root, by_key(found, r"image(\d+)"), by_key(found, r"mask(\d+)")):
        yield pair if isinstance(pair, Problem) else _item(root, pair[0], {organ: pair[1]})


def _several_organs(root: Path, patient: Path) -> Iterator[Listed]:
    found = pictures(patient)
    names = {name.replace(" ", "_"): name for name in load_taxonomy("dsad").names}
    masks: dict[str, dict[str, Path]] = {}
    for path in found:
        match = re.fullmatch(r"mask(\d+)_(.+)", path.stem)
        if match and match[2] in names:
            masks.setdefault(match[1], {})[names[match[2]]] = path
    for key, image in by_key(found, r"image(\d+)").items():
        if key in masks:
            yield _item(root, image, masks[key])
        else:
            yield Problem(below(image, root), "image without a mask", f"add mask{key}_organ.png or remove it")


def _item(root: Path, image: Path, masks: dict[str, Path]) -> Item:
    patient = image.parent.name
    number = int(patient) if patient.isdecimal() else 0
    return Item(
        name=below(image, root),
        group=f"patient {patient}",
        image=partial(read_image, image),
        split="val" if number in _VAL else "test" if number in _TEST else "train",
        codes=partial(_codes, masks),
        annotated=tuple(masks),
    )


def _codes(masks: dict[str, Path]) -> NDArray[np.uint8]:
    drawn = {organ: read_grey(path) > 127 for organ, path in masks.items()}
    shapes = {mask.shape for mask in drawn.values()}
    if len(shapes) > 1:
        raise InputError(f"{next(iter(masks.values()))}: masks of one image differ in size; export them again.")
    codes = np.full(shapes.pop(), REST, np.uint8)
    for organ, mask in drawn.items():
        codes[mask] = load_taxonomy("dsad").label(organ).code or REST
    return codes


DATASET = Dataset(
    name="dsad",
    title="Dresden Surgical Anatomy Dataset: eleven organs",
    layout="{organ}/{patient}/imageNN.png and maskNN.png; multilabel/{patient}/maskNN_{organ}.png",
    marks=("*/*/image[0-9]*.png", "*/*/mask[0-9]*.png"),
    taxonomy="dsad",
    read=read,
    grouping="the patient",
    licence="CC BY 4.0",
)
