"""Overlays: aligned to the frame, every region numbered and visible, none of it hidden."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from describer.errors import InputError, TaxonomyError
from describer.overlay import _marks, _Sizes, draw_overlay, numbered_overlay
from describer.taxonomy import load_taxonomy
from describer.types import Scene
from tests.scenes import SIZE_WH, disc, random_scene, rod, scene_of

CORE = load_taxonomy("core")
GREY = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)


def example() -> Scene:
    blood = disc((120, 100), (3, 3))
    parts = (("liver", disc((80, 70), (60, 45))), ("grasper", rod((0, 20), (70, 60))), ("blood", blood))
    return scene_of(*parts, activity="dissection")


def test_the_picture_keeps_its_pixels_and_the_legend_stands_below():
    before = GREY.copy()
    out = draw_overlay(GREY, example(), CORE)
    assert np.array_equal(GREY, before)
    assert out.dtype == np.uint8
    assert out.shape[0] > 128
    assert out.shape[1] >= 160
    assert np.array_equal(out[:8, 100:160], GREY[:8, 100:160]), "far from every mark nothing changes"


def test_fills_are_light_and_in_the_labels_colour():
    out = draw_overlay(GREY, example(), CORE)[:128, :160]
    inside = out[95:100, 60:75].reshape(-1, 3).mean(axis=0)
    colour = np.array(CORE.label("liver").colour)
    assert np.abs(inside - (90 + 0.16 * (colour - 90.0))).max() < 2


def test_outlines_carry_the_colour_and_a_white_halo():
    picture = np.full((512, 640, 3), 170, np.uint8)
    out = numbered_overlay(picture, scene_of(("polyp", disc((320, 256), (160, 120), (640, 512)))), CORE)
    row = out[256, 460:500].astype(int)
    assert np.abs(row - np.array(CORE.label("polyp").colour)).sum(axis=1).min() < 30
    assert row.min(axis=1).max() > 200, "white halo"
    assert row.max(axis=1).min() < 120, "dark edge"


@pytest.mark.parametrize("seed", range(12))
def test_numbers_stand_in_the_frame_and_apart(seed):
    scene = random_scene(np.random.default_rng(seed))
    sizes = _Sizes.of((640, 512))
    marks = _marks(scene, CORE, (640, 512), sizes)
    assert sorted(mark.region.id for mark in marks) == sorted(region.id for region in scene.regions)
    for i, mark in enumerate(marks):
        x, y = mark.badge_xy
        assert 0 <= x < 640
        assert 0 <= y < 512
        for other in marks[:i]:
            assert math.dist(mark.badge_xy, other.badge_xy) > 1.2 * sizes.radius


def test_a_number_that_fits_stands_inside_its_region():
    scene = example()
    for mark in _marks(scene, CORE, scene.size_wh, _Sizes.of(scene.size_wh)):
        if mark.region.label == "liver":
            x, y = mark.badge_xy
            assert mark.region.mask.to_array()[round(y), round(x)]


def test_the_model_picture_has_its_own_size_and_none_without_regions():
    small = np.full((64, 80, 3), 90, np.uint8)
    assert numbered_overlay(small, example(), CORE).shape == small.shape
    assert (numbered_overlay(small, example(), CORE) != 90).any()
    assert np.array_equal(numbered_overlay(small, Scene(SIZE_WH), CORE), small)


def test_a_frame_without_regions_and_a_tiny_one_are_drawn():
    assert np.array_equal(draw_overlay(GREY, Scene(SIZE_WH), CORE)[:128, :160], GREY)
    tiny = scene_of(("polyp", disc((8, 8), (3, 3), (16, 16))))
    out = draw_overlay(np.zeros((16, 16, 3), np.uint8), tiny, CORE)
    assert out.shape[1] >= 300


def test_the_legend_grows_with_the_regions():
    many = scene_of(*((CORE.names[i % 21], disc((8 + 7 * i, 60), (3, 20))) for i in range(20)))
    few = scene_of(("liver", disc((80, 70), (60, 45))))
    assert draw_overlay(GREY, many, CORE).shape[0] > draw_overlay(GREY, few, CORE).shape[0]


def test_same_input_same_picture():
    assert np.array_equal(draw_overlay(GREY, example(), CORE), draw_overlay(GREY, example(), CORE))


def test_a_picture_of_another_size_and_a_foreign_label_are_refused():
    with pytest.raises(InputError, match="scene"):
        draw_overlay(GREY[:64], example(), CORE)
    with pytest.raises(TaxonomyError, match="kvasir"):
        draw_overlay(GREY, example(), load_taxonomy("kvasir-seg"))


def test_tracks_are_written_below_the_numbers_and_only_where_there_are_some():
    picture = np.full((512, 640, 3), 90, np.uint8)
    scene = scene_of(("polyp", disc((320, 200), (160, 120), (640, 512))))
    followed = replace(scene, regions=(replace(scene.regions[0], track_id=27),))
    plain, marked = draw_overlay(picture, scene, CORE), draw_overlay(picture, followed, CORE)
    (mark,) = _marks(scene, CORE, (640, 512), _Sizes.of((640, 512)))
    changed = np.argwhere((plain != marked).any(axis=2))
    assert (changed[:, 0] >= 512).any(), "the legend names the track"
    tag = changed[changed[:, 0] < 512]
    assert len(tag) and np.abs(tag[:, 1] - mark.badge_xy[0]).max() < 40
    assert (tag[:, 0] - mark.badge_xy[1]).min() > 0 and (tag[:, 0] - mark.badge_xy[1]).max() < 50
    assert np.array_equal(numbered_overlay(picture, scene, CORE), numbered_overlay(picture, followed, CORE))
