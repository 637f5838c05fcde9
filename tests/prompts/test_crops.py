import numpy as np
import pytest

from describer.geometry import make_region
from describer.prompts.crops import at_most, focal_box, focal_crop
from tests.scenes import disc


@pytest.mark.parametrize(
    ("box", "size_wh", "expected", "why"),
    [
        ((300, 300, 400, 400), (1000, 800), (264, 264, 437, 437), "sqrt(3) times each side"),
        ((500, 400, 504, 404), (1000, 800), (478, 378, 526, 426), "at least 48 px"),
        ((300, 390, 400, 410), (1000, 800), (264, 314, 437, 487), "square round a flat box"),
        ((0, 0, 100, 100), (1000, 800), (0, 0, 173, 173), "shifted in at the corner"),
        ((900, 700, 1000, 800), (1000, 800), (827, 627, 1000, 800), "shifted in at the other corner"),
        ((0, 0, 30, 20), (30, 20), (0, 0, 30, 20), "a frame smaller than the crop"),
        ((0, 100, 1000, 200), (1000, 300), (0, 0, 1000, 300), "no room to be square"),
    ],
)
def test_focal_box(box, size_wh, expected, why):
    got = focal_box(box, size_wh)
    assert np.abs(np.subtract(got, expected)).max() <= 1, why


@pytest.mark.parametrize("seed", range(100))
def test_focal_box_stays_in_the_frame_and_holds_the_region(seed):
    rng = np.random.default_rng(seed)
    width, height = (int(v) for v in rng.integers(1, 900, 2))
    x0, y0 = int(rng.integers(width)), int(rng.integers(height))
    box = (x0, y0, int(rng.integers(x0 + 1, width + 1)), int(rng.integers(y0 + 1, height + 1)))
    left, top, right, bottom = focal_box(box, (width, height))
    assert 0 <= left <= box[0] and box[2] <= right <= width
    assert 0 <= top <= box[1] and box[3] <= bottom <= height


def test_focal_crop_dims_what_is_not_the_region():
    image = np.full((128, 160, 3), 200, np.uint8)
    region = make_region(1, "fat", "anatomy", disc((80, 64), (20, 20)), 1.0)
    crop = focal_crop(image, region)
    assert crop.shape == (71, 71, 3)
    assert crop[35, 35].tolist() == [200, 200, 200]
    assert crop[0, 0].tolist() == [90, 90, 90]
    assert image.min() == 200


def test_focal_crop_of_a_large_region_is_sized():
    mask = np.zeros((1024, 1280), bool)
    mask[100:900, 100:1200] = True
    crop = focal_crop(np.zeros((1024, 1280, 3), np.uint8), make_region(1, "liver", "anatomy", mask, 1.0))
    assert crop.shape == (269, 336, 3)


@pytest.mark.parametrize(
    ("hw", "side", "expected"),
    [((1024, 1280), 672, (538, 672)), ((100, 50), 672, (100, 50)), ((1, 5000), 672, (1, 672))],
)
def test_at_most_only_shrinks(hw, side, expected):
    assert at_most(np.zeros((*hw, 3), np.uint8), side).shape[:2] == expected
