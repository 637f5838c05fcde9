"""`describer bench`: what one machine does in one run, so that ratios mean something; never part of the tests."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from describer.frames import as_frame
from describer.geometry import make_region
from describer.pipeline import Describer
from describer.prompts.build import region_chat
from describer.seg.synth import render
from describer.types import Frame, Scene

FRAME_WH = (1280, 1024)
_REGIONS = 20
_SEED = 960_000_000


def _seconds(work: Callable[[], Any], repeats: int) -> float:
    """Median wall-clock seconds of ``work`` after one warm-up."""
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def grid_scene(frame: Frame, regions: int) -> Scene:
    """A scene of ``regions`` rectangles on a grid: a fixed amount of work for the language model."""
    height, width = frame.image.shape[:2]
    columns = 5
    rows = -(-regions // columns)
    found = []
    for i in range(regions):
        mask = np.zeros((height, width), bool)
        y, x = divmod(i, columns)
        mask[
            y * height // rows : (y + 1) * height // rows - 2, x * width // columns : (x + 1) * width // columns - 2
        ] = 1
        found.append(make_region(i + 1, "liver", "anatomy", mask, 0.9))
    return Scene((width, height), tuple(found))


def speed(describer: Describer, repeats: int = 5) -> dict[str, Any]:
    """Seconds of a 1280 x 1024 frame, regions together against one alone, and peak memory of this process."""
    frames = [as_frame(render(_SEED + i, "laparoscopy", FRAME_WH).image, index=i) for i in range(repeats)]
    records = [describer.annotate_frames([frame])[0] for frame in frames]
    turn = iter(range(10**9))
    whole = _seconds(lambda: describer.annotate_frames([frames[next(turn) % repeats]]), 2 * repeats)
    scene_only = _seconds(lambda: describer.scene_model.predict([frames[0].image]), repeats)
    scene = grid_scene(frames[0], _REGIONS)

    def describe(ids: range) -> None:
        chats = [region_chat(frames[0], scene, i, describer.prompt) for i in ids]
        describer.vlm.generate(chats, describer.generation)

    one = _seconds(lambda: describe(range(1, 2)), repeats)
    many = _seconds(lambda: describe(range(1, _REGIONS + 1)), repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform != "darwin" else 2**30)
    return {
        "frame_wh": list(FRAME_WH),
        "regions_a_frame": round(statistics.mean(len(r.scene.regions) for r in records), 1),
        "seconds_a_frame": round(whole, 3),
        "seconds_scene_model": round(scene_only, 3),
        "seconds_1_region": round(one, 3),
        f"seconds_{_REGIONS}_regions": round(many, 3),
        f"ratio_{_REGIONS}_to_1": round(many / one, 2),
        "peak_memory_gib": round(peak, 2),
    }
