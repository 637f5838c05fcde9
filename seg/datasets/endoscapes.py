"""Endoscapes: anatomy of the critical view of safety in cholecystectomy (Murali et al., arXiv 2312.12429).

ROOT/{train,val,test}_seg/annotation_coco.json with the frames beside it, named VIDEO_FRAME.jpg. Where ROOT/semseg has a
mask of the frame's name that is read, else the annotations' segmentations (polygons or run lengths) are drawn in order.
255 is not annotated. Its videos overlap with those of other Strasbourg sets under other numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from describer.errors import InputError
from describer.pictures import read_image
from describer.seg.datasets.dataset import SPLITS, Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, read_codes
from describer.seg.datasets.naming import series_of

_FILE = "annotation_coco.json"


def read(root: Path) -> Iterator[Listed]:
    for split in SPLITS:
        labels = root / f"{split}_seg" / _FILE
        if not labels.is_file():
            continue
        try:
            data = json.loads(labels.read_text(encoding="utf-8"))
            shapes: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in data["images"]}
            for shape in data["annotations"]:
                shapes[shape["image_id"]].append(shape)
        except (OSError, ValueError, KeyError, TypeError):
            yield Problem(below(labels, root), "not a COCO annotation file", "copy it again")
            continue
        for image in data["images"]:
            yield _listed(root, labels.parent, split, image, shapes[image["id"]])


def _listed(root: Path, folder: Path, split: str, entry: dict[str, Any], shapes: list[dict[str, Any]]) -> Listed:
    file = Path(str(entry["file_name"])).name
    image = next((path for path in (folder / file, root / split / file, root / "all" / file) if path.is_file()), None)
    if image is None:
        return Problem(f"{folder.name}/{file}", "annotated frame is missing", "add the frame")
    mask = root / "semseg" / f"{image.stem}.png"
    drawn = [shape for shape in shapes if shape.get("segmentation")]
    if not mask.is_file() and not drawn:
        return Problem(below(image, root), "frame without a segmentation", "remove it from the annotation file")
    hw = int(entry["height"]), int(entry["width"])
    return Item(
        name=below(image, root),
        group=f"video {series_of(image.stem)}",
        image=partial(read_image, image),
        split=split,
        codes=partial(read_codes, mask) if mask.is_file() else partial(_drawn, drawn, hw, image.name),
    )


def _drawn(shapes: list[dict[str, Any]], hw: tuple[int, int], name: str) -> NDArray[np.uint8]:
    codes = np.zeros(hw, np.uint8)
    for shape in shapes:
        codes[_mask(shape["segmentation"], hw, name)] = int(shape["category_id"])
    return codes


def _mask(segmentation: Any, hw: tuple[int, int], name: str) -> NDArray[np.bool_]:
    try:
        if isinstance(segmentation, list):
            runs = coco_mask.merge(coco_mask.frPyObjects(segmentation, *hw))
        elif isinstance(segmentation["counts"], list):
            runs = coco_mask.frPyObjects(segmentation, *hw)
        else:
            runs = segmentation
        return coco_mask.decode(runs).astype(bool)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{name}: a segmentation is neither polygons nor run lengths; copy {_FILE} again.") from error


DATASET = Dataset(
    name="endoscapes",
    title="Endoscapes: anatomy of the critical view of safety",
    layout="{train,val,test}_seg/annotation_coco.json and VIDEO_FRAME.jpg, semseg/VIDEO_FRAME.png",
    marks=("*_seg/annotation_coco.json",),
    taxonomy="endoscapes",
    read=read,
    grouping="the video, from the name before the frame number",
    licence="CC BY-NC-SA 4.0",
    notes="Which Cholec80 or CholecT50 videos it shares is not in our notes: see CAMMA's list of overlaps.",
)
