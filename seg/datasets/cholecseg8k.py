"""CholecSeg8k: scenes of laparoscopic cholecystectomy, from videos of Cholec80 (Hong et al., arXiv 2012.12453).

ROOT/videoXX/videoXX_NNNNN/frame_N_endo.png with frame_N_endo_watershed_mask.png. The watershed mask's grey codes are
read: they are not contiguous, 255 is the white border and 0 a rare undocumented code. The colour table of the
description is inaccurate. Videos 12, 48, 52 and 55 are the test set that most papers use; there is no official one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from describer.pictures import read_image
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, by_key, folders, paired, pictures, read_codes

TEST_VIDEOS = ("video12", "video48", "video52", "video55")


def read(root: Path) -> Iterator[Listed]:
    for video in folders(root, "video*"):
        split = "test" if video.name in TEST_VIDEOS else "train"
        for clip in folders(video):
            found = pictures(clip)
            images, masks = by_key(found, r"(.+)_endo"), by_key(found, r"(.+)_endo_watershed_mask")
            for pair in paired(root, images, masks):
                if isinstance(pair, Problem):
                    yield pair
                    continue
                image, mask = pair
                yield Item(below(image, root), video.name, partial(read_image, image), split, partial(read_codes, mask))


def cholec80_video(group: str) -> str | None:
    """The Cholec80 video that a group name such as "video12" or "VID12" stands for."""
    found = re.fullmatch(r"(?:video|VID)(\d+)", group)
    return f"Cholec80 video {int(found[1])}" if found else None


DATASET = Dataset(
    name="cholecseg8k",
    title="CholecSeg8k: scenes of cholecystectomy",
    layout="videoXX/videoXX_NNNNN/frame_N_endo.png and frame_N_endo_watershed_mask.png",
    marks=("video*/video*/*_endo.png", "video*/video*/*_endo_watershed_mask.png"),
    taxonomy="cholecseg8k",
    read=read,
    grouping="the video; 12, 48, 52 and 55 are the test set, as in most papers",
    licence="CC BY-NC-SA 4.0",
    video_of=cholec80_video,
)
