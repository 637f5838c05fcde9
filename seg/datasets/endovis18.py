"""EndoVis 2018 robotic scene segmentation, and its instrument types by ISINet.

Scenes: ROOT[/release]/seq_N/{left_frames,labels}/frameNNN.png, the label's colours as in the taxonomy. Types:
ROOT/{train,val}/{images,annotations}/seq_N_frameNNN.png, index masks. The scene split is that of EndoVis-18-VQA, so
that a scene model never saw the sequences that questions are asked about: 1, 5 and 16 are held out. Sequence 13 is in
neither list of the VQA split and trains. The types keep the folders that they come in, which hold out other sequences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from describer.pictures import read_image
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, by_key, folders, paired, pictures, read_codes, read_colours
from describer.taxonomy import load_taxonomy

HELD_OUT = (1, 5, 16)


def read_scenes(root: Path) -> Iterator[Listed]:
    labels = load_taxonomy("endovis18").labels
    codes = {label.colour_code: label.code for label in labels if label.colour_code and label.code is not None}
    for folder in folders(root, "seq_*") + folders(root, "*/seq_*") + folders(root, "*/*/seq_*"):
        if "__MACOSX" in folder.parts:
            continue
        number = int(folder.name.removeprefix("seq_")) if folder.name.removeprefix("seq_").isdecimal() else None
        if number is None:
            yield Problem(below(folder, root), "its name is no sequence number", "name it seq_N as the dataset does")
            continue
        images, masks = by_key(pictures(folder / "left_frames")), by_key(pictures(folder / "labels"))
        for pair in paired(root, images, masks):
            if isinstance(pair, Problem):
                yield pair
                continue
            image, mask = pair
            test = any("test" in part for part in folder.relative_to(root).parts)
            split = "test" if test else "val" if number in HELD_OUT else "train"
            group = f"test seq_{number}" if test else f"seq_{number}"
            yield Item(below(image, root), group, partial(read_image, image), split, partial(read_colours, mask, codes))


def read_types(root: Path) -> Iterator[Listed]:
    for split in ("train", "val"):
        folder = root / split
        images, masks = by_key(pictures(folder / "images")), by_key(pictures(folder / "annotations"))
        for pair in paired(root, images, masks):
            if isinstance(pair, Problem):
                yield pair
                continue
            image, mask = pair
            sequence = re.match(r"seq_\d+", image.stem)
            if sequence is None:
                yield Problem(below(image, root), "its name begins with no sequence", "name it seq_N_frameNNN")
                continue
            yield Item(
                below(image, root), sequence[0], partial(read_image, image), split, codes=partial(read_codes, mask)
            )


def video_of(group: str) -> str | None:
    """The sequence of the challenge's training data; its test sequences count from 1 anew."""
    return f"EndoVis 2018 {group}" if group.startswith("seq_") else None


SCENES = Dataset(
    name="endovis18",
    title="EndoVis 2018: scenes of robotic kidney surgery",
    layout="seq_N/{left_frames,labels}/frameNNN.png, also below the release folders",
    marks=(
        "seq_*/labels | */seq_*/labels | */*/seq_*/labels",
        "seq_*/left_frames | */seq_*/left_frames | */*/seq_*/left_frames",
    ),
    taxonomy="endovis18",
    read=read_scenes,
    grouping="the sequence; 1, 5 and 16 are held out, as in EndoVis-18-VQA",
    licence="challenge terms",
    video_of=video_of,
)
TYPES = Dataset(
    name="endovis18-types",
    title="EndoVis 2018: instrument types of ISINet",
    layout="{train,val}/{images,annotations}/seq_N_frameNNN.png",
    marks=("*/annotations/seq_*", "*/images/seq_*"),
    taxonomy="endovis18-types",
    read=read_types,
    grouping="the sequence, in the folders given",
    video_of=video_of,
)
