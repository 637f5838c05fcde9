"""True scenes of renderings: every region is a rendered thing, every relation follows from the rendering."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from describer.masks import iou
from describer.seg.regions import add_region
from describer.seg.synth import CORE_NAMES, PROCEDURES, SynthFrame, render
from describer.seg.synth.scene import SynthObject
from describer.seg.truth import appearances, true_scene, visible_tips
from describer.taxonomy import load_taxonomy
from describer.types import Appearance, Scene, View

CORE = load_taxonomy("core")


@pytest.fixture(scope="module")
def frames() -> list[SynthFrame]:
    return [render(seed, procedure, (256, 208)) for procedure in PROCEDURES for seed in range(3)]


def test_masks_are_the_rendered_pixels(frames: list[SynthFrame]) -> None:
    for frame in frames:
        scene, _ = true_scene(frame, CORE)
        assert scene.size_wh == (256, 208) and scene.regions
        ids = {thing.label: {t.instance_id for t in frame.objects if t.label == thing.label} for thing in frame.objects}
        for region in scene.regions:
            mask = region.mask.to_array()
            inside = {int(i) for i in np.unique(frame.instances[mask])}
            assert inside <= ids[region.label] and region.score == 1.0
            if region.kind in ("instrument", "pathology"):
                assert len(inside) == 1
            whole = np.isin(frame.instances, list(inside))
            assert np.array_equal(mask, whole)


def test_every_instrument_and_polyp_that_can_be_seen_is_there(frames: list[SynthFrame]) -> None:
    for frame in frames:
        scene, _ = true_scene(frame, CORE)
        seen = [
            thing.label
            for thing in frame.objects
            if CORE.label(thing.label).kind in ("instrument", "pathology")
            and np.count_nonzero(frame.instances == thing.instance_id) >= 0.0015 * frame.labels.size
        ]
        found = [region.label for region in scene.regions if region.kind in ("instrument", "pathology")]
        assert sorted(found) == sorted(seen)


def test_activity_actions_and_depth_are_the_renderer_s(frames: list[SynthFrame]) -> None:
    acting = 0
    for frame in frames:
        scene, _ = true_scene(frame, CORE)
        assert [activity.label for activity in scene.activities] == [frame.activity]
        rendered = {(t.label, u.label) for t in frame.objects for u in frame.objects if t.acts_on == u.instance_id}
        said = {
            (scene.region(r.subject).label, scene.region(r.object).label)
            for r in scene.relations
            if r.predicate == "acts on"
        }
        assert said <= rendered
        acting += len(said)
        assert sorted(region.depth_rank or 0 for region in scene.regions) == [r.id for r in scene.regions]
    assert acting >= 3


def test_looks_belong_to_the_region_s_own_thing(frames: list[SynthFrame]) -> None:
    for frame in frames:
        scene, looks = true_scene(frame, CORE)
        assert set(looks) <= {region.id for region in scene.regions}
        assert len(looks) >= 0.8 * len(scene.regions)
        for region_id, look in looks.items():
            label = scene.region(region_id).label
            assert look in [thing.appearance for thing in frame.objects if thing.label == label]


def test_looks_of_a_predicted_scene_need_the_label_and_the_place(frames: list[SynthFrame]) -> None:
    frame = frames[0]
    scene, looks = true_scene(frame, CORE)
    region = next(r for r in scene.regions if r.kind == "anatomy" and r.id in looks)
    mask = region.mask.to_array()
    empty = Scene(scene.size_wh)
    wrong = next(name for name in CORE.of_kind("anatomy") if name not in {t.label for t in frame.objects})
    for label, pixels, known in ((region.label, mask, True), (wrong, mask, False)):
        drawn, new = add_region(empty, pixels, label, "anatomy", 1.0)
        assert (new in appearances(drawn, frame)) == known
    corner = np.zeros_like(mask)
    corner[:6, :6] = True
    drawn, _ = add_region(empty, corner, region.label, "anatomy", 1.0)
    assert appearances(drawn, frame) == {} and iou(corner, mask) < 0.3


def test_a_scene_of_another_size_is_refused(frames: list[SynthFrame]) -> None:
    with pytest.raises(ValueError, match="rendering"):
        appearances(Scene((10, 10)), frames[0])


def _pointing_right(jaws: list[tuple[int, int]], tip_xy_px: tuple[float, float]) -> SynthFrame:
    """A grasper from the left: a shaft to x = 80 and a line from there to each end of a jaw."""
    instances = np.zeros((128, 160), np.uint8)
    cv2.line(instances, (0, 64), (80, 64), 1, 8)
    for end in jaws:
        cv2.line(instances, (80, 64), end, 1, 3)
    labels = instances * CORE_NAMES.index("grasper")
    grasper = SynthObject(1, "grasper", Appearance(), tip_xy_px=tip_xy_px)
    image, depth = np.zeros((128, 160, 3), np.uint8), np.full((128, 160), 0.5, np.float32)
    return SynthFrame(image, labels, instances.astype(np.uint16), depth, "laparoscopy", "", (grasper,), View())


@pytest.mark.parametrize(
    ("jaws", "tip_xy_px", "seen"),
    [
        ([(110, 64)], (110.0, 64.0), True),
        ([(106, 52), (106, 76)], (110.0, 64.0), True),  # open: the tip's own point is between the jaws
        ([(92, 59), (92, 69)], (110.0, 64.0), False),  # something lies over the ends
        ([(110, 64)], (170.0, 64.0), False),
    ],
)
def test_a_tip_is_seen_where_the_instrument_reaches_it(
    jaws: list[tuple[int, int]], tip_xy_px: tuple[float, float], seen: bool
) -> None:
    frame = _pointing_right(jaws, tip_xy_px)
    scene, _ = true_scene(frame, load_taxonomy("core"))
    assert visible_tips(scene, frame) == {scene.regions[0].id: seen}
