"""Training caches of the scene model: rendered and real frames as memory-mapped shards at the cache's size."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np

from describer.errors import OutputError
from describer.geometry import tip_box
from describer.seg.config import INSTRUMENT_CLASSES
from describer.seg.data import CACHE_HW, write_shard
from describer.seg.datasets import LabelledFrame, ToolLabel
from describer.seg.datasets.reading import read_dataset
from describer.seg.image import resize_area
from describer.seg.indexed import read_indexed
from describer.seg.looks import MAX_PARTS
from describer.seg.synth import render, render_tools
from describer.seg.synth.scene import SynthFrame
from describer.seg.truth import true_scene
from describer.seg.vocabulary import Vocabulary, frame_arrays
from describer.synthesis import parallel
from describer.taxonomy import load_taxonomy

SHARD = 250
# What `rendered_cache` calls frames of `render_tools`, beside the procedures.
TOOLS = "tools"
# Rendered as large as users' frames are and made smaller: what is rendered small is sharper, and a model that learned
# of it names one found instrument in ten less of larger frames. Blur and highlights depend on it as well.
_RENDERED_WH = (640, 512)
_VISIBLE = 0.0007  # of the frame: less of an instrument is a sliver that nobody could name
# Seeds from here on are never trained on: every number on held-out synthetic scenes is taken there.
HELD_OUT_SEED = 900_000_000


def rendered_cache(
    folder: Path,
    first_seed: int,
    n: int,
    words: Vocabulary,
    procedure: str = "mixed",
    progress: Callable[[int], object] | None = None,
    workers: int | None = None,
) -> Path:
    """Shards of ``n`` rendered scenes of seeds ``first_seed``...; shards that are there already are kept.

    OutputError when the folder holds scenes of other seeds, another procedure or another size.
    """
    check_origin(folder, {"first_seed": first_seed, "procedure": procedure})
    jobs = [
        (folder, index, first_seed + index * SHARD, min(SHARD, n - index * SHARD), words, procedure)
        for index in range((n + SHARD - 1) // SHARD)
        if not (folder / f"shard-{index:05d}").exists()
    ]
    for count in parallel(_render_shard, jobs, workers or os.cpu_count() or 1):
        if progress is not None:
            progress(count)
    return folder


def dataset_cache(
    folder: Path, root: Path, split: str, words: Vocabulary, cache_hw: tuple[int, int], name: str | None = None
) -> int:
    """Shards of one split of a dataset folder (see `seg.datasets`) at ``cache_hw``; how many frames they hold.

    What an earlier run made of the same folder is kept; 0 where the split has no frames.
    """
    done = folder / "done.json"
    origin = {"root": str(root.resolve()), "split": split, "words": json.loads(json.dumps(asdict(words)))}
    origin |= {"cache_hw": list(cache_hw), "name": name}
    if done.is_file():
        known = json.loads(done.read_text())
        if known["origin"] == origin:
            return int(known["frames"])
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for index, frames in enumerate(_batched(read_dataset(root, split, words.classes, name), SHARD)):
        write_shard(folder, index, **frame_arrays([shrunk(frame, cache_hw) for frame in frames], words))
        count += len(frames)
    done.write_text(json.dumps({"origin": origin, "frames": count}))
    return count


def _batched(frames: Iterator[LabelledFrame], size: int) -> Iterator[list[LabelledFrame]]:
    while chunk := list(itertools.islice(frames, size)):
        yield chunk


def check_origin(folder: Path, origin: dict[str, int | str]) -> None:
    """Mark a cache's folder with what its frames are made of, and their size; OutputError when marked otherwise."""
    marker, made_of = folder / "seeds.json", {**origin, "cache_hw": list(CACHE_HW)}
    folder.mkdir(parents=True, exist_ok=True)
    if not marker.is_file():
        marker.write_text(json.dumps(made_of))
    elif json.loads(marker.read_text()) != made_of:
        raise OutputError(
            f"{folder} holds rendered scenes of other seeds or another size; delete it or choose another folder."
        )


def _render_shard(job: tuple[Path, int, int, int, Vocabulary, str]) -> int:
    folder, index, first_seed, n, words, procedure = job
    frames = [_labelled(seed, procedure, words) for seed in range(first_seed, first_seed + n)]
    write_shard(folder, index, **frame_arrays(frames, words))
    return n


def _labelled(seed: int, procedure: str, words: Vocabulary) -> LabelledFrame:
    """A rendered frame with all that is known of it, instruments' tips and everything's looks included."""
    alone = procedure == TOOLS
    frame = render_tools(seed, _RENDERED_WH) if alone else render(seed, procedure, _RENDERED_WH)
    labelled = LabelledFrame(
        source="rendered",
        image=frame.image,
        labels=frame.labels,
        activity=frame.activity or None,
        annotated=words.classes,
        depth=frame.depth,
        tools=_tools(frame, words, acting=not alone),
    )
    return shrunk(labelled if alone else _with_looks(labelled, frame), CACHE_HW)


def _tools(frame: SynthFrame, words: Vocabulary, acting: bool) -> tuple[ToolLabel, ...]:
    """Every instrument that can be seen and, unless the frame shows nothing else, what it does to what."""
    labels = {thing.instance_id: thing.label for thing in frame.objects}
    tools = []
    for thing in frame.objects:
        mask = frame.instances == thing.instance_id
        if words.classes.index(thing.label) in INSTRUMENT_CLASSES and np.count_nonzero(mask) >= _VISIBLE * mask.size:
            deed = (thing.action, labels.get(thing.acts_on or -1)) if thing.action else ("", None)
            verb, target = deed if acting else (None, None)
            tools.append(ToolLabel(thing.label, tip_box(mask, thing.tip_xy_px), verb, target))
    return tuple(tools)


def _with_looks(labelled: LabelledFrame, frame: SynthFrame) -> LabelledFrame:
    """With how everything in a rendered frame looks."""
    scene, looks = true_scene(frame, load_taxonomy("core"))
    known = [region for region in scene.regions if region.id in looks][:MAX_PARTS]
    parts = np.zeros(frame.labels.shape, np.uint8)
    for number, region in enumerate(known, start=1):
        parts[region.mask.to_array()] = number
    return replace(labelled, parts=parts, looks=tuple(looks[region.id] for region in known), view=frame.view)


def real_caches(folder: Path, index: Path, split: str, words: Vocabulary, most: int | None = None) -> dict[str, Path]:
    """One cache a source of the index's split; what the same index and split gave before is reused.

    ``most`` frames of each source at most, evenly spaced in the index's order, so that all operations have their share.
    """
    done = folder / "sources.json"
    made_of = {"index": str(Path(index).resolve()), "split": split, "words": json.loads(json.dumps(asdict(words)))}
    made_of |= {"most": most, "cache_hw": list(CACHE_HW)}
    if done.is_file():
        known = json.loads(done.read_text())
        if {key: known.get(key) for key in made_of} == made_of:
            return {name: folder / name for name in known["sources"]}
    groups: dict[str, list[LabelledFrame]] = {}
    for frame in read_indexed(index, split, words.classes):
        groups.setdefault(frame.source, []).append(shrunk(frame, CACHE_HW))
    if most is not None:
        groups = {name: _evenly(frames, most) for name, frames in groups.items()}
    for name, frames in groups.items():
        write_shard(folder / name, 0, **frame_arrays(frames, words))
    folder.mkdir(parents=True, exist_ok=True)
    done.write_text(json.dumps(made_of | {"sources": {name: len(frames) for name, frames in groups.items()}}))
    return {name: folder / name for name in groups}


def _evenly(frames: list[LabelledFrame], most: int) -> list[LabelledFrame]:
    return [frames[k * len(frames) // most] for k in range(most)] if len(frames) > most else frames


def shrunk(frame: LabelledFrame, to_hw: tuple[int, int]) -> LabelledFrame:
    """The frame at a cache's size, its boxes and masks with it."""
    h, w = frame.labels.shape
    size_wh = (to_hw[1], to_hw[0])
    sx, sy = size_wh[0] / w, size_wh[1] / h
    tools = frame.tools and tuple(
        replace(tool, box_xyxy=(box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy)) if (box := tool.box_xyxy) else tool
        for tool in frame.tools
    )
    return replace(
        frame,
        image=resize_area(frame.image, to_hw),
        labels=cv2.resize(frame.labels, size_wh, interpolation=cv2.INTER_NEAREST),
        depth=None if frame.depth is None else cv2.resize(frame.depth, size_wh, interpolation=cv2.INTER_NEAREST),
        parts=None if frame.parts is None else cv2.resize(frame.parts, size_wh, interpolation=cv2.INTER_NEAREST),
        tools=tools,
    )
