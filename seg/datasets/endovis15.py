"""EndoVis 2015 instrument challenge: rigid instruments in laparoscopy, and robotic ones in videos.

Rigid: ROOT/Segmentation_Rigid_Training/Training/OP{1..4}/{Raw/img_NN_raw.png,Masks/img_NN_class.png}, and for testing
Segmentation_Rigid_Testing_Revision/Testing/OP*/img_NN_raw.png with Segmentation_Rigid_Testing_GT/OP*/img_NN_class.png.
Robotic: ROOT/Segmentation_Robotic_Training/Training/Dataset*/{Video.avi,Segmentation.avi}; with two instruments the
masks are Left_ and Right_Instrument_Segmentation.avi. The mask videos are compressed: values go to the nearest code.
The root may also be a training archive itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from describer.pictures import read_image
from describer.seg.datasets.clip import Clip
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, by_key, folders, paired, pictures, read_codes

_CODES = np.array([0, 70, 160])
_EVERY = 25  # one frame a second of 25 fps video: neighbours are nearly the same picture
_MASK_VIDEOS = ("Segmentation.avi", "Left_Instrument_Segmentation.avi", "Right_Instrument_Segmentation.avi")


def read(root: Path) -> Iterator[Listed]:
    for operation in _found(root, "Segmentation_Rigid_Training", "Training/OP*"):
        yield from _rigid(root, operation / "Raw", operation / "Masks", "train")
    for operation in _found(root, "Segmentation_Rigid_Testing_Revision", "Testing/OP*"):
        masks = next(iter(folders(root, f"Segmentation_Rigid_Testing_GT/{operation.name}")), operation)
        yield from _rigid(root, operation, masks, "test")
    for folder in _found(root, "Segmentation_Robotic_Training", "Training/Dataset*"):
        yield from _robotic(root, folder)


def _found(root: Path, archive: str, pattern: str) -> list[Path]:
    return folders(root, f"{archive}/{pattern}") + folders(root, pattern)


def _rigid(root: Path, images: Path, masks: Path, split: str) -> Iterator[Listed]:
    operation = masks.parent.name if masks.name == "Masks" else images.name
    raw, classes = by_key(pictures(images), r"(.+)_raw"), by_key(pictures(masks), r"(.+)_class")
    for pair in paired(root, raw, classes):
        if isinstance(pair, Problem):
            yield pair
            continue
        image, mask = pair
        group = f"rigid {operation}"
        yield Item(below(image, root), group, partial(read_image, image), split, partial(read_codes, mask))


def _robotic(root: Path, folder: Path) -> Iterator[Listed]:
    masks = [Clip(folder / name) for name in _MASK_VIDEOS if (folder / name).is_file()]
    video = folder / "Video.avi"
    if not masks or not video.is_file():
        missing = "Video.avi" if masks else "Segmentation.avi"
        yield Problem(below(folder, root), f"{missing} is missing", "unpack the archive again")
        return
    clip = Clip(video)
    for number in range(0, min([clip.length, *(mask.length for mask in masks)]), _EVERY):
        name = f"{below(video, root)}#{number:06d}"
        yield Item(
            name,
            f"robotic {folder.name}",
            partial(clip.frame, number),
            "train",
            partial(_mask_of, masks, number),
        )
    for each in (clip, *masks):
        each.close()


def _mask_of(masks: list[Clip], number: int) -> NDArray[np.uint8]:
    values = np.max([cv2.cvtColor(mask.frame(number), cv2.COLOR_RGB2GRAY) for mask in masks], axis=0)
    nearest = np.abs(values[..., None].astype(np.int16) - _CODES).argmin(axis=-1)
    return _CODES.astype(np.uint8)[nearest]


DATASET = Dataset(
    name="endovis15",
    title="EndoVis 2015: rigid and robotic instruments",
    layout="Segmentation_Rigid_Training/Training/OP*/{Raw,Masks} or Segmentation_Robotic_Training/Training/Dataset*",
    marks=(
        "Segmentation_Rigid_Training/Training/OP*/Raw | Segmentation_Robotic_Training/Training/Dataset*/Video.avi"
        " | Training/OP*/Raw | Training/Dataset*/Video.avi",
    ),
    taxonomy="endovis15",
    read=read,
    grouping="the operation or video; the challenge's test pictures of OP1 to OP4 are of the training operations",
    licence="challenge terms, by registration",
    notes="Of the robotic videos one frame a second is read, and only their training part.",
)
