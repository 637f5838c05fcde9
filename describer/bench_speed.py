"""`describer bench speed`: what one machine does in one run, so that ratios mean something; never part of the tests.

A run of `describer annotate` is held against its two models run alone, one after the other, each with all threads, on
the same frames in the same batches. Model time is: from decoded frames to scenes (`find_scenes`), and from finished
prompts to one text each (`generate`, guard off), tokenising and the pictures' way into the tower included. Everything
else of a run is not: reading and decoding files, hashes, prompts and their crops, the guard's checks and every text
that it has said again, links to regions, overlays, records, the summary.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from describer.annotate import BATCH, run
from describer.devices import peak_memory_gib
from describer.errors import InputError
from describer.frames import as_frame, iter_frames
from describer.geometry import make_region, touching
from describer.messages import Chat
from describer.pipeline import Describer
from describer.prompts.build import region_chat, scene_chat
from describer.seg.synth import render
from describer.types import Activity, Frame, Kind, Scene

FRAME_WH = (1280, 1024)
FRAMES = 24
_REGIONS = 20
_SEED = 960_000_000
_LABELS: tuple[tuple[str, Kind], ...] = (
    *(("liver", "anatomy"), ("grasper", "instrument"), ("fat", "anatomy"), ("gallbladder", "anatomy")),
    *(("hook", "instrument"), ("connective tissue", "anatomy"), ("bowel", "anatomy")),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds by the clock, and of the processor: what to compare on a machine that does other work too."""

    wall_s: float
    cpu_s: float


def cost(work: Callable[[], Any]) -> Cost:
    """What one call of ``work`` takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def _median_s(costs: Sequence[Cost]) -> float:
    return round(statistics.median(c.wall_s for c in costs), 3)


def _ratio(
    ours: Sequence[Cost], theirs: Sequence[Cost], seconds: Callable[[Cost], float] = attrgetter("wall_s")
) -> float:
    """The median turn's ratio of seconds: a machine that slows down slows both costs of a turn."""
    return round(statistics.median(seconds(a) / seconds(b) for a, b in zip(ours, theirs)), 2)


def speed(describer: Describer, repeats: int = 5, source: str | None = None) -> dict[str, Any]:
    """Seconds of a frame, 20 regions together against one by one, a run against its two models alone, and the peak
    memory of this process. What is compared is measured in turns, so that what else runs on the machine weighs on
    both alike. Frames are the first 24 of ``source`` (see `iter_frames`), or rendered at 1280 x 1024."""
    frames = _frames(source)
    few = frames[:repeats]
    records = [describer.annotate_frames([frame])[0] for frame in few]  # also warms up
    whole = _median_s([cost(lambda f=frame: describer.annotate_frames([f])) for frame in few])  # type: ignore[misc]
    alone = _median_s([cost(lambda f=frame: describer.find_scenes([f])) for frame in few])  # type: ignore[misc]
    return {
        "frame_wh": list(frames[0].ref.size_wh),
        "regions_a_frame": round(statistics.mean(len(r.scene.regions) for r in records), 1),
        "seconds_a_frame": whole,
        "seconds_scene_model": alone,
        **_together(describer, frames[0], repeats),
        **_run_against_models(describer, frames, repeats),
        "peak_memory_gib": round(peak_memory_gib(), 2),
    }


def _frames(source: str | None) -> list[Frame]:
    if source is None:
        return [as_frame(render(_SEED + i, "mixed", FRAME_WH).image, index=i) for i in range(FRAMES)]
    frames = [item for item in iter_frames(source, limit=FRAMES) if isinstance(item, Frame)]
    if not frames:
        raise InputError(f"--frames {source}: none of the first {FRAMES} can be read; give others.")
    return frames


def grid_scene(frame: Frame, regions: int) -> Scene:
    """A scene of ``regions`` rectangles on a grid, of several labels and in contact: texts of the usual length."""
    height, width = frame.image.shape[:2]
    columns = 5
    rows = -(-regions // columns)
    found, masks = [], []
    for i in range(regions):
        mask = np.zeros((height, width), bool)
        y, x = divmod(i, columns)
        mask[
            y * height // rows : (y + 1) * height // rows - 2, x * width // columns : (x + 1) * width // columns - 2
        ] = 1
        found.append(make_region(i + 1, *_LABELS[i % len(_LABELS)], mask, 0.9))
        masks.append(mask)
    activities = (Activity("activity", "dissection", 0.9),)
    return Scene((width, height), tuple(found), tuple(touching(found, masks)), activities)


def _together(describer: Describer, frame: Frame, repeats: int) -> dict[str, Any]:
    """All regions of one frame in one call, and each in a call of its own."""
    scene = grid_scene(frame, _REGIONS)
    said: dict[str, list[str]] = {}

    def describe(how: str, calls: Sequence[Sequence[int]]) -> None:
        texts = []
        for ids in calls:
            chats = [region_chat(frame, scene, i, describer.prompt, describer.taxonomy) for i in ids]
            texts += [answer.text for answer in describer.vlm.generate(chats, describer.generation)]
        said[how] = texts

    ids = [region.id for region in scene.regions]
    describe("together", [ids])
    singly, together = [], []
    for _ in range(repeats):
        together.append(cost(lambda: describe("together", [ids])))
        singly.append(cost(lambda: describe("singly", [[i] for i in ids])))
    return {
        f"seconds_{_REGIONS}_regions": _median_s(together),
        f"seconds_{_REGIONS}_one_by_one": _median_s(singly),
        "times_faster": _ratio(singly, together),
        "same_texts": f"{sum(a == b for a, b in zip(said['together'], said['singly']))} of {_REGIONS}",
    }


def _run_against_models(describer: Describer, frames: Sequence[Frame], repeats: int) -> dict[str, Any]:
    """`describer annotate` on a folder, against the scene model and the language model each run alone on it."""
    runs, alone = [], []
    with tempfile.TemporaryDirectory() as folder:
        for i, frame in enumerate(frames):
            cv2.imwrite(f"{folder}/{i:03d}.jpg", frame.image[:, :, ::-1])
        # As they are read back, or the models would not be given what the run is given.
        frames = [item for item in iter_frames(folder) if isinstance(item, Frame)]
        batches = [frames[i : i + BATCH] for i in range(0, len(frames), BATCH)]
        chats = [_chats(describer, batch) for batch in batches]

        def models() -> None:
            for batch, of_batch in zip(batches, chats):
                describer.find_scenes(batch)
                describer.vlm.generate(of_batch, describer.generation)

        for k in range(repeats):
            out = Path(folder) / f"out-{k}"
            runs.append(cost(lambda to=out: run(describer, f"{folder}/*.jpg", to)))  # type: ignore[misc]
            alone.append(cost(models))
    return {
        f"seconds_run_of_{len(frames)}": _median_s(runs),
        f"seconds_models_of_{len(frames)}": _median_s(alone),
        "run_to_models": _ratio(runs, alone),
        "run_to_models_cpu": _ratio(runs, alone, attrgetter("cpu_s")),
    }


def _chats(describer: Describer, frames: Sequence[Frame]) -> list[Chat]:
    """What the language model is asked of these frames."""
    chats = []
    for frame, scene in zip(frames, describer.find_scenes(frames), strict=True):
        chats += [
            region_chat(frame, scene, region.id, describer.prompt, describer.taxonomy) for region in scene.regions
        ]
        chats.append(scene_chat(frame, scene, describer.prompt, describer.taxonomy))
    return chats
