import numpy as np
import pytest
from scipy import ndimage

from describer.masks import box_of, centroid_of, components, dilate, iou
from tests.scenes import disc


def random_mask(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((23, 31)) < 0.2


@pytest.mark.parametrize("seed", range(5))
def test_box_holds_every_pixel_and_is_tight(seed):
    mask = random_mask(seed)
    x0, y0, x1, y1 = box_of(mask)
    assert mask[y0:y1, x0:x1].sum() == mask.sum()
    assert mask[y0].any() and mask[y1 - 1].any() and mask[:, x0].any() and mask[:, x1 - 1].any()


def test_empty_mask():
    empty = np.zeros((6, 8), bool)
    assert box_of(empty) is None
    assert centroid_of(empty) == (4.0, 3.0)
    assert components(empty, 1) == []
    assert iou(empty, empty) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_centroid_is_the_mean_of_pixel_centers(seed):
    mask = random_mask(seed)
    ys, xs = np.nonzero(mask)
    assert centroid_of(mask) == pytest.approx((xs.mean() + 0.5, ys.mean() + 0.5))


def test_dilate_grows_by_the_radius():
    mask = np.zeros((21, 21), bool)
    mask[10, 10] = True
    assert dilate(mask, 0) is mask
    assert box_of(dilate(mask, 3)) == (7, 7, 14, 14)


@pytest.mark.parametrize("seed", range(5))
def test_iou_agrees_with_the_definition(seed):
    a, b = random_mask(seed), random_mask(seed + 100)
    assert iou(a, b) == iou(b, a) == pytest.approx((a & b).sum() / (a | b).sum())
    assert iou(a, a) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_components_agree_with_scipy(seed):
    mask = random_mask(seed)
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    areas = sorted((int((labels == i).sum()) for i in range(1, count + 1)), reverse=True)
    parts = components(mask, 3)
    assert [int(part.sum()) for part in parts] == [area for area in areas if area >= 3]
    assert not np.logical_and.reduce(parts[:2]).any()


def test_box_of_a_disc():
    assert box_of(disc((50, 40), (10, 5))) == (40, 35, 61, 46)
