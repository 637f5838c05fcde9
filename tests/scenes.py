"""Random scenes, frames and looks for property-style tests; import as ``from tests.scenes import ...``."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import cv2
import numpy as np

from describer.geometry import make_region, touching
from describer.taxonomy import Taxonomy, load_taxonomy
from describer.types import Activity, Appearance, Frame, FrameRef, Interaction, Region, Relation, Scene, View

SIZE_WH = (160, 128)
COLOURS = ("dark red", "pink", "silver-grey", "black and silver-grey", "pale yellow", "reddish brown")


def rod(start_xy: tuple[int, int], end_xy: tuple[int, int], width_px: int = 8, size_wh=SIZE_WH) -> np.ndarray:
    """(H, W) bool mask of a thick line."""
    canvas = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    return cv2.line(canvas, start_xy, end_xy, 1, width_px).astype(bool)


def disc(center_xy: tuple[int, int], axes_px: tuple[int, int], size_wh=SIZE_WH) -> np.ndarray:
    """(H, W) bool mask of an axis-parallel ellipse."""
    canvas = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    return cv2.ellipse(canvas, center_xy, axes_px, 0, 0, 360, 1, -1).astype(bool)


def scene_of(*parts: tuple[str, np.ndarray], activity: str | None = None, taxonomy: str = "core") -> Scene:
    """A scene of (label, mask) parts with ids 1.. in order, sure of all, with its contacts."""
    labels = load_taxonomy(taxonomy)
    regions = [make_region(i + 1, name, labels.label(name).kind, mask, 0.9) for i, (name, mask) in enumerate(parts)]
    size_wh = (parts[0][1].shape[1], parts[0][1].shape[0]) if parts else SIZE_WH
    activities = (Activity("activity", activity, 0.9),) if activity else ()
    return Scene(size_wh, tuple(regions), tuple(touching(regions, [mask for _, mask in parts])), activities)


def random_scene(rng: np.random.Generator, taxonomy: Taxonomy | None = None) -> Scene:
    """0 to 16 regions, later ones in front; labels may repeat; an activity in four of five."""
    taxonomy = taxonomy or load_taxonomy("core")
    labels = np.zeros((SIZE_WH[1], SIZE_WH[0]), np.int32)
    drawn: list[int] = []
    for index in range(int(rng.integers(0, 17))):
        label = int(rng.integers(len(taxonomy.labels)))
        drawn.append(label)
        labels[_shape(rng, taxonomy.labels[label].kind == "instrument")] = index + 1
    regions: list[Region] = []
    masks: list[np.ndarray] = []
    for index, label in enumerate(drawn):
        mask = labels == index + 1
        if np.count_nonzero(mask) >= 30:
            entry = taxonomy.labels[label]
            regions.append(make_region(len(regions) + 1, entry.name, entry.kind, mask, float(rng.uniform(0.3, 1))))
            masks.append(mask)
    activities = ()
    if rng.random() < 0.8 and taxonomy.activities:
        name = taxonomy.activities[int(rng.integers(len(taxonomy.activities)))]
        activities = (Activity("activity", name, 0.8),)
    return Scene(SIZE_WH, tuple(regions), tuple(touching(regions, masks)), activities)


def _shape(rng: np.random.Generator, thin: bool) -> np.ndarray:
    def point() -> tuple[int, int]:
        return int(rng.integers(0, SIZE_WH[0])), int(rng.integers(0, SIZE_WH[1]))

    if thin:
        return rod(point(), point(), int(rng.integers(3, 14)))
    return disc(point(), (int(rng.integers(4, 70)), int(rng.integers(4, 60))))


def random_appearance(rng: np.random.Generator, instrument: bool) -> Appearance:
    covers = ("none", "blood", "smoke", "char")
    return Appearance(
        colour=None if rng.random() < 0.1 else COLOURS[int(rng.integers(len(COLOURS)))],
        cover=covers[int(rng.integers(4))],  # type: ignore[arg-type]
        glare=bool(rng.random() < 0.5),
        sharp=bool(rng.random() < 0.7),
        state=(None, "open", "closed")[int(rng.integers(3))] if instrument else None,  # type: ignore[arg-type]
    )


def random_view(rng: np.random.Generator) -> View:
    smoke = ("none", "light", "heavy")[int(rng.integers(3))]
    blood = ("none", "some", "a lot")[int(rng.integers(3))]
    return View(smoke, blood, *(bool(flag) for flag in rng.random(3) < 0.3))


def frame_of(scene: Scene, seed: int = 0) -> Frame:
    """A noise frame of the scene's size."""
    width, height = scene.size_wh
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    digest = hashlib.sha256(image.tobytes()).hexdigest()
    return Frame(image, FrameRef("test.png", 0, None, scene.size_wh, digest))


def busy_scene(rng: np.random.Generator) -> Scene:
    """A `random_scene` with depths, a phase at times, and instruments that mostly act on what they touch."""
    scene = random_scene(rng)
    order = rng.permutation(len(scene.regions)) + 1
    regions = tuple(replace(region, depth_rank=int(rank)) for region, rank in zip(scene.regions, order))
    deeds, acts = [], []
    for tool in regions:
        if tool.kind != "instrument":
            continue
        others = [i for i in scene.related(tool.id, "touches") if scene.region(i).kind != "instrument"]
        if not others or rng.random() < 0.2:
            deeds.append(Interaction(tool.id, None, None, None, 0.7))
            continue
        target = others[int(rng.integers(len(others)))]
        verb = ("grasp", "cut", "retract")[int(rng.integers(3))]
        deeds.append(Interaction(tool.id, verb, scene.region(target).label, target, 0.7))
        acts.append(Relation(tool.id, "acts on", target))
    phase = (Activity("phase", "preparation", 0.8),) if rng.random() < 0.5 else ()
    return replace(
        scene,
        regions=regions,
        relations=(*scene.relations, *acts),
        activities=(*scene.activities, *phase),
        interactions=tuple(deeds),
    )
