"""What a person points at: forms, edges, the region that is meant, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from describer.errors import InputError
from describer.pick import as_mask, region_at
from describer.types import Mask
from tests.scenes import SIZE_WH, disc, rod, scene_of

HW = (SIZE_WH[1], SIZE_WH[0])
POLYP = disc((80, 64), (12, 10))
SCENE = scene_of(("mucosa", disc((80, 64), (60, 50)) & ~POLYP), ("polyp", POLYP), ("snare", rod((0, 5), (40, 5), 4)))


def test_masks_in_every_form_are_the_same():
    for form in (POLYP, POLYP.astype(np.uint8) * 255, Mask.from_array(POLYP)):
        assert np.array_equal(as_mask(form, HW), POLYP)


@pytest.mark.parametrize("box", [(10, 20, 40, 60), [10.2, 19.8, 40.4, 60.0], np.array([10, 20, 40, 60])])
def test_a_box_is_half_open(box):
    mask = as_mask(box, HW)
    assert mask.sum() == 30 * 40 and mask[20, 10] and not mask[60, 39] and not mask[59, 40]


def test_a_box_beyond_the_frame_is_cut():
    assert as_mask((-5, -5, 1000, 1000), HW).all()


@pytest.mark.parametrize("point", [(0, 0), (159, 127), (159.9, 127.9), (80, 64)])
def test_a_point_is_a_disc_around_it(point):
    mask = as_mask(point, HW)
    assert mask[int(point[1]), int(point[0])]
    assert mask.sum() <= np.pi * (0.04 * 160 + 1) ** 2
    assert as_mask((0, 0), (1, 1)).all()


@pytest.mark.parametrize(
    "pointed",
    [
        (160, 10), (-0.5, 10), (10, 128), (5, 5, 5, 9), (200, 0, 300, 50), (30, 30, 10, 10), (), (1,), (1, 2, 3),
        (1, 2, 3, 4, 5), (float("nan"), 1), (1, 1, float("inf"), 9), "polyp", "ab", 4.5, None, [[1, 2], [3, 4]],
        np.zeros(HW, bool), np.ones((3, 3), bool), Mask.from_array(np.ones((3, 3), bool)), np.ones((*HW, 3)),
    ],
)  # fmt: skip
def test_what_points_nowhere_is_refused_in_one_sentence(pointed):
    with pytest.raises(InputError) as caught:
        as_mask(pointed, HW)
    assert str(caught.value).endswith(".")


def test_the_smallest_region_under_a_point_is_meant():
    assert region_at(SCENE, (80, 64)).label == "polyp"
    assert region_at(SCENE, (40, 64)).label == "mucosa"
    assert region_at(SCENE, (155, 120)) is None


def test_the_region_that_fits_a_box_best_is_meant():
    for region in SCENE.regions:
        assert region_at(SCENE, region.box_xyxy) == region
    assert region_at(SCENE, (70, 56, 92, 76)).label == "polyp"
    assert region_at(SCENE, (150, 120, 160, 128)) is None


def test_a_mask_means_its_own_pixels_and_an_empty_scene_has_none():
    assert region_at(SCENE, POLYP) is None and region_at(SCENE, Mask.from_array(POLYP)) is None
    assert region_at(scene_of(), (3, 3)) is None and region_at(scene_of(), (3, 3, 9, 9)) is None


def test_points_outside_are_refused_too():
    with pytest.raises(InputError, match="outside"):
        region_at(SCENE, (400, 3))
