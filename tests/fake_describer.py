"""A Describer without models: its records follow from the pixels of the whole batch, as real numerics do.

``python -m tests.fake_describer SRC OUT BATCH DELAY_S [--track]`` runs it, to be killed by a test.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from describer.annotate import run
from describer.taxonomy import Taxonomy, load_taxonomy
from describer.types import Activity, Annotation, Description, Frame, Provenance, Scene
from tests.scenes import disc, make_region


class FakeDescriber:
    """``bad`` sources fail: in their batch and alone."""

    def __init__(self, bad: Sequence[str] = (), delay_s: float = 0.0, flavour: str = "plain") -> None:
        self.bad = set(bad)
        self.delay_s = delay_s
        self.flavour = flavour
        self.batches: list[list[str]] = []

    @property
    def taxonomy(self) -> Taxonomy:
        return load_taxonomy("core")

    def settings(self) -> dict[str, Any]:
        return {"vlm": "fake", "flavour": self.flavour, "pair": (1, 2)}

    def find_scenes(self, frames: Sequence[Frame]) -> list[Scene]:
        return [self._scene(frame) for frame in frames]

    def annotate_frames(self, frames: Sequence[Frame], scenes: Sequence[Scene] | None = None) -> list[Annotation]:
        self.batches.append([frame.ref.source for frame in frames])
        time.sleep(self.delay_s)
        failing = self.bad.intersection(self.batches[-1])
        if failing:
            raise RuntimeError(f"out of memory in {sorted(failing)[0]}\nwith a second line")
        batch = hashlib.sha256("".join(frame.ref.sha256 for frame in frames).encode()).hexdigest()
        return [self._one(frame, scene, batch) for frame, scene in zip(frames, scenes or self.find_scenes(frames))]

    def _scene(self, frame: Frame) -> Scene:
        seed = int(frame.ref.sha256[:8], 16)
        width, height = frame.ref.size_wh
        mask = disc((8 + seed % (width - 16), height // 2), (7, 7), (width, height))
        region = make_region(1, "polyp", "pathology", mask, (seed % 100) / 100)
        activity = Activity("activity", ("inspection", "cutting")[seed % 2], (seed % 97) / 100)
        return Scene(frame.ref.size_wh, (region,), (), (activity,))

    def _one(self, frame: Frame, scene: Scene, batch: str) -> Annotation:
        said = Description(1, "a polyp and a liver", ((2, 7, 1),), 0.5, ("liver",))
        whole = Description(None, f"batch {batch[:12]}", (), 0.25)
        return Annotation(frame.ref, scene, (said, whole), Provenance("fake", "fake", None, "core"))


if __name__ == "__main__":
    source, out, batch_size, delay, *flags = sys.argv[1:]
    run(FakeDescriber(delay_s=float(delay)), source, out, batch_size=int(batch_size), track="--track" in flags)
