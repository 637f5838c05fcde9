"""Training caches of the scene model: rendered and real frames as memory-mapped shards at the cache's size."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from describer.errors import OutputError
from describer.seg.data import CACHE_HW, write_shard
from describer.seg.datasets import LabelledFrame
from describer.seg.image import resize_area
from describer.seg.indexed import read_indexed
from describer.seg.synth import render, render_tools
from describer.synthesis import parallel

SHARD = 250
# What `rendered_cache` calls frames of `render_tools`, beside the procedures.
TOOLS = "tools"
# Seeds from here on are never trained on: every number on held-out synthetic scenes is taken there.
HELD_OUT_SEED = 900_000_000


def rendered_cache(
    folder: Path,
    first_seed: int,
    n: int,
    class_names: Sequence[str],
    activity_names: Sequence[str],
    procedure: str = "mixed",
    progress: Callable[[int], object] | None = None,
    workers: int | None = None,
) -> Path:
    """Shards of ``n`` rendered scenes of seeds ``first_seed``...; shards that are there already are kept.

    OutputError when the folder holds scenes of other seeds or another procedure.
    """
    _check_origin(folder, {"first_seed": first_seed, "procedure": procedure})
    jobs = [
        (
            folder,
            index,
            first_seed + index * SHARD,
            min(SHARD, n - index * SHARD),
            tuple(activity_names),
            len(class_names),
            procedure,
        )
        for index in range((n + SHARD - 1) // SHARD)
        if not (folder / f"shard-{index:05d}").exists()
    ]
    for count in parallel(_render_shard, jobs, workers or os.cpu_count() or 1):
        if progress is not None:
            progress(count)
    return folder


def _check_origin(folder: Path, origin: dict[str, int | str]) -> None:
    marker = folder / "seeds.json"
    folder.mkdir(parents=True, exist_ok=True)
    if not marker.is_file():
        marker.write_text(json.dumps(origin))
    elif json.loads(marker.read_text()) != origin:
        raise OutputError(f"{folder} holds rendered scenes of other seeds; delete it or choose another folder.")


def _render_shard(job: tuple[Path, int, int, int, tuple[str, ...], int, str]) -> int:
    folder, index, first_seed, n, activities, classes, procedure = job
    size_wh = (CACHE_HW[1], CACHE_HW[0])
    seeds = range(first_seed, first_seed + n)
    frames = [render_tools(seed, size_wh) if procedure == TOOLS else render(seed, procedure, size_wh) for seed in seeds]
    write_shard(
        folder,
        index,
        images=np.stack([frame.image for frame in frames]),
        labels=np.stack([frame.labels for frame in frames]),
        activity=np.array([activities.index(frame.activity) if frame.activity else -1 for frame in frames]),
        annotated=np.ones((n, classes), bool),
        depth=np.stack([frame.depth for frame in frames]),
    )
    return n


def real_caches(
    folder: Path, index: Path, split: str, class_names: Sequence[str], activity_names: Sequence[str]
) -> dict[str, Path]:
    """One cache a source of the index's split; what the same index and split gave before is reused."""
    done = folder / "sources.json"
    made_of = {"index": str(Path(index).resolve()), "split": split, "classes": list(class_names)}
    if done.is_file():
        known = json.loads(done.read_text())
        if {key: known.get(key) for key in made_of} == made_of:
            return {name: folder / name for name in known["sources"]}
    groups: dict[str, list[LabelledFrame]] = {}
    for frame in read_indexed(index, split, class_names):
        groups.setdefault(frame.source, []).append(_shrunk(frame))
    for name, frames in groups.items():
        _write_real(folder / name, frames, class_names, activity_names)
    folder.mkdir(parents=True, exist_ok=True)
    done.write_text(json.dumps(made_of | {"sources": {name: len(frames) for name, frames in groups.items()}}))
    return {name: folder / name for name in groups}


def _shrunk(frame: LabelledFrame) -> LabelledFrame:
    labels = cv2.resize(frame.labels, (CACHE_HW[1], CACHE_HW[0]), interpolation=cv2.INTER_NEAREST)
    return LabelledFrame(frame.source, resize_area(frame.image, CACHE_HW), labels, frame.activity, frame.annotated)


def _write_real(
    folder: Path, frames: Iterable[LabelledFrame], class_names: Sequence[str], activity_names: Sequence[str]
) -> None:
    frames = list(frames)
    write_shard(
        folder,
        0,
        images=np.stack([frame.image for frame in frames]),
        labels=np.stack([frame.labels for frame in frames]),
        activity=np.array([activity_names.index(f.activity) if f.activity else -1 for f in frames]),
        annotated=np.array([[name in frame.annotated for name in class_names] for frame in frames]),
    )
