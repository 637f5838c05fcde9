"""SCARED: depth of porcine abdomen from structured light (Allan et al., arXiv 2101.01133). No classes.

Two layouts that public loaders read: ROOT[/train|/test]/dataset*/keyframe*/data/left/frame_dataNNNNNN.png with
data/scene_points/scene_pointsNNNNNN.tiff (x, y, z in mm, the left eye above the right), and as the SCARED toolkit
writes it, .../data/left_rectified with data/depthmap_rectified. Zero is unknown. Datasets 8 and 9 are the challenge's
test set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from describer.pictures import read_image
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, by_key, folders, paired, pictures, read_map

_TEST = (8, 9)
_PAIRS = (("left", "scene_points"), ("left_rectified", "depthmap_rectified"))
_KEYFRAMES = "dataset*/keyframe*"


def read(root: Path) -> Iterator[Listed]:
    for keyframe in folders(root, _KEYFRAMES) + folders(root, f"*/{_KEYFRAMES}"):
        for frames, maps in _PAIRS:
            images = by_key(pictures(keyframe / "data" / frames), r"\D*(\d+)")
            depths = by_key(pictures(keyframe / "data" / maps), r"\D*(\d+)")
            for pair in paired(root, images, depths):
                if isinstance(pair, Problem):
                    yield Problem(pair.path, pair.what.replace("mask", "depth map"), pair.mend.replace("mask", "map"))
                else:
                    yield _item(root, keyframe, *pair)


def _item(root: Path, keyframe: Path, image: Path, depth: Path) -> Item:
    number = int(re.sub(r"\D", "", keyframe.parent.name) or 0)
    return Item(
        name=below(image, root),
        group=keyframe.parent.name,
        image=partial(read_image, image),
        split="test" if number in _TEST else "train",
        depth=partial(_depth, depth),
    )


def _depth(path: Path) -> NDArray[np.float32]:
    """Depth (H, W), NaN where unknown. OpenCV orders the three channels of scene points z, y, x."""
    raw = read_map(path)
    if raw.ndim == 3:
        raw = raw[: raw.shape[0] // 2, :, 0]
    depth = raw.astype(np.float32)
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(np.nan))


DATASET = Dataset(
    name="scared",
    title="SCARED: depth of porcine abdomen",
    layout="dataset*/keyframe*/data/{left,scene_points} or {left_rectified,depthmap_rectified}",
    marks=(
        f"{_KEYFRAMES}/data/left* | */{_KEYFRAMES}/data/left*",
        " | ".join(f"{top}{_KEYFRAMES}/data/{maps}" for top in ("", "*/") for _, maps in _PAIRS),
    ),
    taxonomy="core",
    read=read,
    grouping="the dataset, of which one animal may have several",
    notes="Depth only: no masks, no activity.",
)
