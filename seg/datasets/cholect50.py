"""CholecT50: instrument, verb and target triplets of cholecystectomy at 1 fps (Nwoye et al., MedIA 2022).

ROOT/videos/VIDxx/NNNNNN.png and ROOT/labels/VIDxx.json: `categories` names the ids, `annotations` maps a frame's number
to instances of 15 numbers, -1 where there is none: triplet; instrument, score, box (x y w h as shares of the frame);
verb; target, score, box; phase. Only a few videos have boxes. Of the official splits this is that of Rendezvous. There
are no masks: a frame says which instruments it shows, and so which it does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from describer.errors import InputError
from describer.pictures import read_image
from describer.seg.datasets.cholecseg8k import cholec80_video
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, by_key, folders, pictures
from describer.seg.datasets.triplets import NO_TARGET, NO_VERB, Triplet, activity_of, check_words, tool_label

_VAL = (8, 12, 29, 50, 78)
_TEST = (6, 10, 14, 32, 42, 51, 73, 74, 80, 111)
_INSTRUMENT, _BOX, _VERB, _TARGET, _PHASE = 1, slice(3, 7), 7, 8, 14
_VECTOR = 15


def read(root: Path) -> Iterator[Listed]:
    labels = by_key(sorted((root / "labels").glob("VID*.json")))
    videos = {folder.name: folder for folder in folders(root, "videos/VID*")}
    for name in sorted(set(labels) | set(videos)):
        if name not in videos:
            yield Problem(below(labels[name], root), "labels without their video", f"add videos/{name} or remove them")
        elif name not in labels:
            yield Problem(f"videos/{name}", "video without labels", f"add labels/{name}.json or remove it")
        else:
            yield from _video(root, videos[name], labels[name])


def _video(root: Path, video: Path, labels: Path) -> Iterator[Listed]:
    try:
        data = json.loads(labels.read_text(encoding="utf-8"))
        annotations, names = data["annotations"], data["categories"]
    except (OSError, ValueError, KeyError, TypeError):
        yield Problem(below(labels, root), "not a label file of CholecT50", "copy it again")
        return
    images = {str(int(key)): path for key, path in by_key(pictures(video), r"(\d+)").items()}
    for number, vectors in annotations.items():
        if number not in images:
            yield Problem(f"{below(video, root)}/{int(number):06d}.png", "labels without their frame", "add the frame")
            continue
        try:
            yield _item(root, video, images[number], vectors, names)
        except (KeyError, IndexError, TypeError, InputError) as error:
            yield Problem(below(images[number], root), f"its labels cannot be read ({error})", "copy the file again")
    for number in sorted(images.keys() - annotations.keys(), key=int):
        yield Problem(below(images[number], root), "frame without labels", "remove it")


def _item(root: Path, video: Path, image: Path, vectors: list[list[float]], names: Mapping[str, Any]) -> Item:
    if any(len(vector) != _VECTOR for vector in vectors):
        raise IndexError(f"instances of {_VECTOR} numbers expected")
    instances = [_instance(vector, names) for vector in vectors if vector[_INSTRUMENT] >= 0]
    phase = int(vectors[0][_PHASE]) if vectors else -1
    number = int(video.name.removeprefix("VID"))
    return Item(
        name=below(image, root),
        group=video.name,
        image=partial(read_image, image),
        split="val" if number in _VAL else "test" if number in _TEST else "train",
        activity=activity_of([triplet for triplet, _ in instances]),
        phase=names["phase"][str(phase)] if phase >= 0 else None,
        tools=lambda size_wh: tuple(tool_label(triplet, box, size_wh) for triplet, box in instances),
    )


def _instance(vector: list[float], names: Mapping[str, Any]) -> tuple[Triplet, tuple[float, ...] | None]:
    box = tuple(float(value) for value in vector[_BOX])
    instrument, verb, target = (int(vector[at]) for at in (_INSTRUMENT, _VERB, _TARGET))
    triplet = Triplet(
        instrument=names["instrument"][str(instrument)],
        verb=names["verb"][str(verb)] if verb >= 0 else NO_VERB,
        target=names["target"][str(target)] if target >= 0 else NO_TARGET,
    )
    check_words(triplet)
    return triplet, box if min(box) >= 0 else None


DATASET = Dataset(
    name="cholect50",
    title="CholecT50: instrument-verb-target triplets of cholecystectomy",
    layout="videos/VIDxx/NNNNNN.png and labels/VIDxx.json",
    marks=("videos/VID*", "labels/VID*.json"),
    taxonomy="cholect50",
    read=read,
    grouping="the video; the split is that of the Rendezvous paper",
    licence="CC BY-NC-SA 4.0",
    video_of=cholec80_video,
)
