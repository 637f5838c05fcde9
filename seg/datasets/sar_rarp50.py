"""SAR-RARP50: instruments and gestures in robotic prostatectomy (Psychogyios et al., arXiv 2401.00496).

ROOT/{train1,train2,test}/video_*/{video_left.avi,segmentation/NNNNNNNNN.png,action_discrete.txt}: a mask's name is its
frame's number in the video, a line of the text is "frame,action" with actions from 0 to 7. Frames that were unpacked to
rgb/NNNNNNNNN.png are read from there. An action holds until the next line.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from describer.pictures import read_image
from describer.seg.datasets.clip import Clip
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, by_key, folders, pictures, read_codes
from describer.taxonomy import load_taxonomy

_SPLITS = {"train1": "train", "train2": "train", "test": "test"}


def read(root: Path) -> Iterator[Listed]:
    for part, split in _SPLITS.items():
        for folder in folders(root, f"{part}/video_*"):
            yield from _video(root, folder, split)


def _video(root: Path, folder: Path, split: str) -> Iterator[Listed]:
    video = folder / "video_left.avi"
    clip = Clip(video) if video.is_file() else None
    yield from _masked(root, folder, split, clip)
    if clip is not None:
        clip.close()


def _masked(root: Path, folder: Path, split: str, clip: Clip | None) -> Iterator[Listed]:
    masks, unpacked = (by_key(pictures(folder / kind), r"(\d+)") for kind in ("segmentation", "rgb"))
    try:
        actions = _actions(folder / "action_discrete.txt")
    except ValueError:
        actions = {}
        yield Problem(below(folder / "action_discrete.txt", root), "not lines of frame,action", "copy it again")
    for key, mask in masks.items():
        if key in unpacked:
            image = partial(read_image, unpacked[key])
        elif clip is not None:
            image = partial(clip.frame, int(key))
        else:
            yield Problem(below(mask, root), "mask without a frame", "add video_left.avi or rgb/")
            continue
        yield Item(
            name=below(mask, root),
            group=below(folder, root),
            image=image,
            split=split,
            codes=partial(read_codes, mask),
            activity=_action_at(int(key), actions),
        )
    if not masks:
        yield Problem(below(folder, root), "video without masks", "unpack segmentation/ or remove it")


def _actions(file: Path) -> dict[int, int]:
    """Action ids by the frame at which they begin; ValueError for a line that is not "frame,action"."""
    if not file.is_file():
        return {}
    pairs = (line.split(",") for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
    return {int(frame): int(action) for frame, action in pairs}


def _action_at(frame: int, actions: dict[int, int]) -> str | None:
    begins = sorted(actions)
    at = bisect_right(begins, frame)
    names = load_taxonomy("sar-rarp50").activities
    return names[actions[begins[at - 1]]] if at and 0 <= actions[begins[at - 1]] < len(names) else None


DATASET = Dataset(
    name="sar-rarp50",
    title="SAR-RARP50: instruments and gestures in robotic prostatectomy",
    layout="{train1,train2,test}/video_*/{video_left.avi,segmentation/NNNNNNNNN.png,action_discrete.txt}",
    marks=("*/video_*/segmentation",),
    taxonomy="sar-rarp50",
    read=read,
    grouping="the video",
)
