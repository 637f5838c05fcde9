"""Hand-made probability maps to regions: what is split, merged, dropped; scenes hold together."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from describer.errors import RecordError
from describer.masks import iou
from describer.seg.regions import Part, add_region, build_scene, class_map, enlarge, find_parts
from describer.seg.synth import CORE_NAMES
from describer.taxonomy import load_taxonomy
from describer.types import Scene
from tests.scenes import disc, rod

SIZE = (448, 358)
CORE = load_taxonomy("core")
MIRROR = {"left": "right", "right": "left"}


def probabilities(*layers: tuple[str, np.ndarray], ground: str = "liver", sure: float = 0.9) -> np.ndarray:
    """(C, h, w): later layers lie in front of earlier ones."""
    shape = layers[0][1].shape if layers else (SIZE[1], SIZE[0])
    labels = np.full(shape, CORE_NAMES.index(ground))
    for name, mask in layers:
        labels[mask] = CORE_NAMES.index(name)
    rest = (1 - sure) / (len(CORE_NAMES) - 1)
    return np.where(np.arange(len(CORE_NAMES))[:, None, None] == labels, sure, rest).astype(np.float32)


def scene_of(maps: np.ndarray, disparity: np.ndarray | None = None, size_wh: tuple[int, int] | None = None) -> Scene:
    parts = find_parts(maps, disparity, CORE_NAMES, CORE)
    return build_scene(parts, size_wh or (maps.shape[2], maps.shape[1]))


def masks_of(scene: Scene, label: str) -> list[np.ndarray]:
    return [region.mask.to_array() for region in scene.regions if region.label == label]


LEFT = rod((0, 100), (300, 260), 30, SIZE)
RIGHT = rod((447, 100), (150, 260), 30, SIZE)
MEETING = {
    "crossing": (LEFT, RIGHT),
    "tip to tip at an angle": (rod((0, 180), (330, 190), 30, SIZE), rod((447, 150), (335, 192), 30, SIZE)),
    "tip against a side": (rod((0, 300), (447, 100), 26, SIZE)[:, ::-1], rod((240, 0), (230, 190), 22, SIZE)),
}


@pytest.mark.parametrize("case", MEETING)
def test_shafts_that_cross_or_meet_are_two_instruments(case):
    first, second = MEETING[case]
    found = masks_of(scene_of(probabilities(("grasper", first | second))), "grasper")
    assert len(found) == 2
    for true in (first, second):
        assert max(iou(true, mask) for mask in found) > 0.8
    assert np.array_equal(found[0] | found[1], first | second)
    assert not (found[0] & found[1]).any()


def test_three_shafts_are_three_instruments():
    shafts = [
        rod((0, 300), (200, 200), 26, SIZE),
        rod((447, 300), (250, 195), 26, SIZE),
        rod((200, 0), (225, 180), 26, SIZE),
    ]
    found = masks_of(scene_of(probabilities(("grasper", np.logical_or.reduce(shafts)))), "grasper")
    assert len(found) == 3
    assert all(max(iou(shaft, mask) for mask in found) > 0.8 for shaft in shafts)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ((0, 0), (150, 130)),
        ((-20, 20), (150, 130)),
        ((0, 60), (60, 0)),
        ((0, 200), (447, 210)),
        ((447, 357), (300, 200)),
    ],
)
def test_one_straight_shaft_is_one_wherever_the_frame_cuts_it(start, end):
    mask = rod(start, end, 30, SIZE)
    found = masks_of(scene_of(probabilities(("hook", mask))), "hook")
    assert len(found) == 1 and np.array_equal(found[0], mask)


def test_shafts_are_told_apart_where_a_round_scope_border_cuts_them():
    view = disc((224, 179), (165, 165), SIZE)
    maps = probabilities(("grasper", LEFT | RIGHT), ("background", ~view))
    found = masks_of(scene_of(maps), "grasper")
    assert len(found) == 2
    assert all(max(iou(true & view, mask) for mask in found) > 0.8 for true in (LEFT, RIGHT))


def test_a_dark_lumen_is_no_place_to_enter_from():
    snare = rod((0, 180), (200, 180), 20, SIZE)
    maps = probabilities(("background", disc((225, 180), (40, 40), SIZE)), ("snare", snare), ground="mucosa")
    assert len(masks_of(scene_of(maps), "snare")) == 1


def test_two_labels_of_one_blob_are_two_only_with_a_shaft_each():
    low, high = rod((0, 200), (200, 200), 20, SIZE), rod((0, 216), (200, 216), 20, SIZE)
    both = scene_of(probabilities(("grasper", low), ("scissors", high)))
    assert [len(masks_of(both, name)) for name in ("grasper", "scissors")] == [1, 1]
    tip = rod((120, 200), (200, 200), 20, SIZE)
    undecided = scene_of(probabilities(("grasper", low), ("scissors", tip)))
    assert [len(masks_of(undecided, name)) for name in ("grasper", "scissors")] == [1, 0]


def test_a_sure_tip_names_an_undecided_shaft():
    shaft, tip = rod((0, 200), (240, 200), 20, SIZE), rod((200, 200), (240, 200), 20, SIZE)
    maps = probabilities(("grasper", shaft), ("hook", tip), sure=0.98)
    grasper, hook, liver = (CORE_NAMES.index(name) for name in ("grasper", "hook", "liver"))
    maps[:, shaft & ~tip] = 0
    maps[grasper, shaft & ~tip], maps[hook, shaft & ~tip] = 0.55, 0.45
    settled = class_map(maps, list(range(1, 10)))
    assert set(np.unique(settled)) == {hook, liver} and (settled[shaft] == hook).all()
    assert (class_map(maps, []) == maps.argmax(axis=0)).all()


def test_pieces_of_a_snare_are_one_instrument():
    sheath, far_side = rod((0, 180), (150, 180), 14, SIZE), rod((220, 120), (220, 240), 10, SIZE)
    maps = probabilities(("snare", sheath | far_side), ground="mucosa")
    (snare,) = masks_of(scene_of(maps), "snare")
    assert iou(snare, sheath | far_side) > 0.9
    assert len(masks_of(scene_of(probabilities(("grasper", sheath | far_side))), "grasper")) == 2


def test_debris_is_dropped_and_polyps_are_counted():
    maps = probabilities(
        ("polyp", disc((100, 100), (30, 25), SIZE)),
        ("polyp", disc((300, 250), (20, 20), SIZE)),
        ("polyp", disc((400, 50), (2, 2), SIZE)),
        ("grasper", disc((50, 300), (3, 3), SIZE)),
        ("fat", disc((200, 300), (8, 8), SIZE)),
        ground="mucosa",
    )
    scene = scene_of(maps)
    assert [region.label for region in scene.regions] == ["polyp", "polyp", "mucosa"]
    inside = {(r.subject, r.object) for r in scene.relations if r.predicate == "inside"}
    assert inside == {(1, 3), (2, 3)}


def test_a_small_tissue_that_nobody_is_sure_of_is_left_out():
    """Half the fat is doubted: as a small patch it goes, as a large one or a sure one it stays."""
    for radius, sure, kept in ((40, 0.55, False), (40, 0.9, True), (90, 0.55, True)):
        patch = disc((200, 180), (radius, radius), SIZE)
        maps = probabilities(("fat", patch))
        fat, liver = CORE_NAMES.index("fat"), CORE_NAMES.index("liver")
        moved = maps[fat][patch] - sure
        maps[fat][patch], maps[liver][patch] = sure, maps[liver][patch] + moved
        assert bool(masks_of(scene_of(maps), "fat")) == kept


def test_a_tissue_under_an_instrument_is_one_region():
    bar = rod((0, 180), (447, 180), 40, SIZE)
    scene = scene_of(probabilities(("grasper", bar)))
    assert [region.label for region in scene.regions] == ["grasper", "liver"]
    assert np.array_equal(masks_of(scene, "liver")[0], ~bar)


def test_scores_are_mean_probabilities_and_ids_run_by_kind_then_area():
    maps = probabilities(
        ("gallbladder", disc((350, 250), (60, 60), SIZE)),
        ("blood", disc((100, 300), (30, 30), SIZE)),
        ("grasper", LEFT),
    )
    scene = scene_of(maps)
    assert [region.label for region in scene.regions] == ["grasper", "blood", "liver", "gallbladder"]
    assert [region.id for region in scene.regions] == [1, 2, 3, 4]
    assert all(region.score == pytest.approx(0.9, abs=1e-3) for region in scene.regions)


def test_one_instrument_class_is_enough():
    maps = np.zeros((2, 64, 64), np.float32)
    maps[1, 20:30, :40] = 1
    assert [part.label for part in find_parts(maps, None, ("background", "hook"), CORE)] == ["hook"]


def random_maps(seed: int, hw: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(4, 5, len(CORE_NAMES))).astype(np.float32)
    logits = cv2.resize(coarse[..., :4], hw[::-1], interpolation=cv2.INTER_CUBIC)
    rest = [cv2.resize(coarse[..., i], hw[::-1], interpolation=cv2.INTER_CUBIC) for i in range(4, len(CORE_NAMES))]
    maps = np.exp(3 * np.stack([*np.moveaxis(logits, 2, 0), *rest]))
    return maps / maps.sum(axis=0)


@pytest.mark.parametrize("seed", range(4))
def test_any_map_gives_a_scene_that_holds_together(seed):
    hw = (90, 112)
    disparity = np.random.default_rng(seed).uniform(0.1, 1, hw)
    scene = scene_of(random_maps(seed, hw), disparity, (1279, 719))
    ids = [region.id for region in scene.regions]
    assert ids == list(range(1, len(ids) + 1)) and ids
    assert all(0 <= region.score <= 1 for region in scene.regions)
    assert sorted(region.depth_rank or 0 for region in scene.regions) == ids
    assert {i for r in scene.relations for i in (r.subject, r.object)} <= set(ids)
    assert all(r.subject != r.object for r in scene.relations)
    assert all(region.mask.size_hw == (719, 1279) for region in scene.regions)


@pytest.mark.parametrize("seed", range(4))
def test_mirrored_maps_give_the_mirrored_scene(seed):
    maps = random_maps(seed, (90, 112))
    plain, flipped = scene_of(maps), scene_of(np.ascontiguousarray(maps[:, :, ::-1]))
    assert len(plain.regions) == len(flipped.regions)
    for region in plain.regions:
        mask = region.mask.to_array()[:, ::-1]
        twin = max((r for r in flipped.regions if r.label == region.label), key=lambda r: iou(mask, r.mask.to_array()))
        assert iou(mask, twin.mask.to_array()) > 0.9
        words = [MIRROR.get(word, word) for word in region.place.split()]
        x = (region.box_xyxy[0] + region.box_xyxy[2]) / 2
        assert twin.place == " ".join(words) or abs(x % (112 / 3) - 112 / 6) > 112 / 6 - 6
    for predicate in ("touches", "inside", "above"):
        counts = [sum(r.predicate == predicate for r in scene.relations) for scene in (plain, flipped)]
        assert counts[0] == counts[1]


def test_the_nearer_of_two_in_contact_is_said_to_be_nearer():
    disparity = np.where(LEFT, 0.8, 0.3)
    scene = scene_of(probabilities(("grasper", LEFT)), disparity)
    assert ("nearer than", 1, 2) in {(r.predicate, r.subject, r.object) for r in scene.relations}
    assert [region.depth_rank for region in scene.regions] == [1, 2]
    assert scene_of(probabilities(("grasper", LEFT))).regions[0].depth_rank is None


def test_instruments_side_by_side_and_one_above_the_other():
    maps = probabilities(
        ("hook", disc((60, 180), (30, 30), SIZE)),
        ("grasper", disc((380, 170), (34, 34), SIZE)),
        ("scissors", disc((380, 40), (25, 25), SIZE)),
    )
    scene = scene_of(maps)
    name = {region.id: region.label for region in scene.regions}
    said = {
        (name[r.subject], r.predicate, name[r.object]) for r in scene.relations if r.predicate in ("left of", "above")
    }
    assert said == {("hook", "left of", "grasper"), ("hook", "left of", "scissors"), ("scissors", "above", "grasper")}


@pytest.mark.parametrize("size_wh", [(1279, 719), (448, 358), (1920, 1080), (801, 643)])
def test_enlarged_masks_stay_where_they_were(size_wh):
    small = disc((150, 200), (60, 40), SIZE)
    large = enlarge(small, size_wh)
    assert large.shape == (size_wh[1], size_wh[0])
    ys, xs = np.nonzero(large)
    assert (xs.mean() + 0.5) / size_wh[0] == pytest.approx(150.5 / SIZE[0], abs=0.002)
    assert (ys.mean() + 0.5) / size_wh[1] == pytest.approx(200.5 / SIZE[1], abs=0.002)
    assert large.mean() == pytest.approx(small.mean(), rel=0.01)


@pytest.mark.parametrize("hw", [(16, 16), (1, 1), (2, 3), (5, 448)])
def test_tiny_and_thin_frames(hw):
    tool = np.zeros(hw, bool)
    tool[:, : (hw[1] + 1) // 2] = True
    scene = scene_of(probabilities(("grasper", tool)))
    assert scene.size_wh == (hw[1], hw[0])
    assert "grasper" in [region.label for region in scene.regions]


def test_no_parts_is_an_empty_scene():
    dark = np.ones((20, 30), bool)
    assert scene_of(probabilities(("background", dark))).regions == ()


def test_only_the_largest_fourteen_regions_are_kept():
    spots = [disc((20 + 44 * i, 20 + 44 * j), (6 + i, 6 + i), SIZE) for i, j in itertools.product(range(10), range(2))]
    parts = [Part(mask, "polyp", "pathology", 0.5) for mask in spots]
    scene = build_scene(parts, SIZE)
    areas = [region.area_fraction for region in scene.regions]
    assert len(areas) == 14 and areas == sorted(areas, reverse=True)


def test_a_drawn_region_is_added_with_its_contacts():
    scene = scene_of(probabilities(("grasper", LEFT)))
    drawn = disc((280, 280), (25, 25), SIZE)
    more, new = add_region(scene, drawn, "polyp", "pathology", 0.4)
    assert new == 3 and more.region(3).label == "polyp"
    assert np.array_equal(more.region(3).mask.to_array(), drawn)
    assert more.regions[:2] == scene.regions and set(scene.relations) <= set(more.relations)
    assert set(more.related(3, "touches")) == {1, 2}
    with pytest.raises(RecordError):
        add_region(scene, np.ones((5, 5), bool), "polyp", "pathology", 0.4)
