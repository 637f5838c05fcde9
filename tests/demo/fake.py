"""A Describer without models for the page's tests: what it finds follows from the picture's size alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from describer.prompts.grounding import ground
from describer.taxonomy import Taxonomy, load_taxonomy
from describer.types import Annotation, Answer, Frame, Interaction, Provenance, Scene
from tests.scenes import disc, rod, scene_of

SCORE = 0.9


def scene_for(size_wh: tuple[int, int]) -> Scene:
    """A grasper (1) that grasps the liver (2), beside fat (3)."""
    width, height = size_wh
    tool = rod((0, height // 2), (width // 2, height // 2), max(6, height // 12), size_wh)
    liver = disc((width // 2, height // 3), (width // 4, height // 4), size_wh) & ~tool
    fat = disc((4 * width // 5, 4 * height // 5), (width // 8, height // 8), size_wh) & ~tool & ~liver
    scene = scene_of(("grasper", tool), ("liver", liver), ("fat", fat), activity="retraction")
    deed = Interaction(1, "grasp", "liver", 2, 0.8)
    return Scene(scene.size_wh, scene.regions, scene.relations, scene.activities, (deed,))


def text_of(scene: Scene, about: int | None) -> str:
    if about is None:
        return f"Retraction: {', '.join(f'a {region.label}' for region in scene.regions)} and a hook are in view."
    region = scene.region(about)
    return f"A {region.label} lies in the {region.place}."


class _SceneModel:
    name = "fake@1"

    @staticmethod
    def name_of(image: np.ndarray, mask: np.ndarray) -> tuple[str, float]:
        return "bowel", 0.61


class _Words:
    name, adapter = "fake words", None


@dataclass
class FakeDescriber:
    """``answer`` is what every question gets; ``delay_s`` how long each frame takes."""

    delay_s: float = 0.0
    answer: str = "A grasper on the liver."
    confidence: float = 0.83
    abstains: bool = False
    kind: str | None = None
    agrees: bool | None = None
    depth: bool = True
    scene_model: Any = field(default_factory=_SceneModel)
    vlm: Any = field(default_factory=_Words)

    @property
    def taxonomy(self) -> Taxonomy:
        return load_taxonomy("core")

    def settings(self) -> dict[str, Any]:
        return {}

    def find_scenes(self, frames: Sequence[Frame]) -> list[Scene]:
        return [scene_for(frame.ref.size_wh) for frame in frames]

    def annotate_frames(self, frames: Sequence[Frame], scenes: Sequence[Scene] | None = None) -> list[Annotation]:
        time.sleep(self.delay_s * len(frames))
        made = Provenance("fake@1", "fake words", None, "core")
        out = []
        for frame, scene in zip(frames, scenes or self.find_scenes(frames)):
            about = [*(region.id for region in scene.regions), None]
            said = (ground(text_of(scene, i), scene, self.taxonomy, i, 0.9) for i in about)
            out.append(Annotation(frame.ref, scene, tuple(said), made))
        return out

    def open(self, frame: Frame, scene: Scene) -> _Opened:
        return _Opened(self, scene)


@dataclass
class _Opened:
    describer: FakeDescriber
    scene: Scene

    def ask(self, question: str, region: int | None = None) -> Answer:
        say = self.describer
        time.sleep(say.delay_s)
        made = Provenance("fake@1", "fake words", None, "core")
        ids = (1, 2) if region is None else (region,)
        return Answer(question, say.answer, ids, say.confidence, say.abstains, made, say.kind, agrees=say.agrees)
