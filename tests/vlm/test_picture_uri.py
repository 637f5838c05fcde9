import base64
import io

import numpy as np
import pytest
from PIL import Image

from describer.vlm.picture_uri import picture_uri


def noise(height, width):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


def opened(uri):
    head, _, data = uri.partition(",")
    raw = base64.b64decode(data, validate=True)
    picture = Image.open(io.BytesIO(raw))
    assert head == f"data:image/{picture.format.lower()};base64"
    return picture, len(raw)


def test_a_small_picture_keeps_every_pixel():
    image = noise(40, 52)
    picture, _ = opened(picture_uri(image, 1024, 10**6))
    assert np.array_equal(np.asarray(picture), image)


@pytest.mark.parametrize("size_hw, expected_wh", [((100, 200), (64, 32)), ((200, 100), (32, 64)), ((900, 3), (64, 1))])
def test_the_longer_side_is_kept_to(size_hw, expected_wh):
    longest = max(expected_wh)
    expected = (expected_wh[0] if size_hw[0] != 900 else 1, expected_wh[1] if size_hw[0] != 900 else 64)
    assert opened(picture_uri(noise(*size_hw), longest, 10**6))[0].size == expected


@pytest.mark.parametrize("most_bytes", [60_000, 20_000, 2_000])
def test_a_heavy_picture_becomes_a_jpeg_that_fits(most_bytes):
    picture, size = opened(picture_uri(noise(200, 300), 1024, most_bytes))
    assert picture.format == "JPEG"
    assert size <= most_bytes
    assert picture.width / picture.height == pytest.approx(1.5, rel=0.1)


def test_a_limit_that_nothing_meets_ends_at_a_small_picture():
    picture, _ = opened(picture_uri(noise(200, 300), 1024, 10))
    assert max(picture.size) <= 16
