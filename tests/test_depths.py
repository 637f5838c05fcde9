"""Depth maps to 16-bit pictures and back, resized without bleeding, and what is no depth map."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from describer.depths import DEPTH_OF_WHITE, colour_depth, encode_depth, read_depth, resize_depth
from describer.errors import InputError
from describer.seg.model import FAR


def test_white_is_the_farthest_a_model_tells():
    assert DEPTH_OF_WHITE == FAR


def test_a_map_comes_back_to_half_a_step_with_its_unknowns(tmp_path: Path):
    depth = np.random.default_rng(0).uniform(1, 99, (40, 50)).astype(np.float32)
    depth[:5, 7:] = np.nan
    (tmp_path / "d.png").write_bytes(encode_depth(depth))
    back = read_depth(tmp_path / "d.png")
    assert np.array_equal(np.isnan(back), np.isnan(depth))
    assert np.nanmax(np.abs(back - depth)) <= 0.51 * DEPTH_OF_WHITE / 65535
    value = cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED)
    assert value.dtype == np.uint16 and value.shape == (40, 50) and (value[:5, 7:] == 0).all()


def test_resizing_keeps_a_plane_and_its_edge():
    depth = np.full((20, 30), 7, np.float32)
    depth[:, :10] = np.nan
    large = resize_depth(depth, (300, 200))
    assert large.shape == (200, 300) and np.isnan(large[:, :95]).all()
    assert np.allclose(large[:, 105:], 7) and np.allclose(large[np.isfinite(large)], 7)
    assert resize_depth(depth, (30, 20)) is depth
    assert np.isnan(resize_depth(np.full((4, 4), np.nan, np.float32), (9, 9))).all()


def test_eight_bits_are_read_too(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "d.png"), np.full((16, 16), 200, np.uint8))
    assert np.allclose(read_depth(tmp_path / "d.png"), 200 * DEPTH_OF_WHITE / 65535)


def test_colours_go_from_red_near_to_blue_far_on_one_scale_and_unknown_is_black():
    depths = np.ones((2, 8, 8), np.float32)
    depths[0, :4], depths[1, :2] = 9, np.nan
    picture = colour_depth(depths)
    assert picture.shape == (2, 8, 8, 3) and picture.dtype == np.uint8
    near, far = picture[0, 7, 7].astype(int), picture[0, 0, 0].astype(int)
    assert near[0] > near[2] and far[2] > far[0]
    assert (picture[1, :2] == 0).all() and (picture[1, 2:] == near).all()
    assert (colour_depth(np.full((4, 4), np.nan, np.float32)) == 0).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "cannot be read"),
        (lambda path: path.write_bytes(b""), "no picture"),
        (lambda path: path.write_text("depth"), "no picture"),
        (lambda path: cv2.imwrite(str(path), np.zeros((20, 20, 3), np.uint8)), "has colours"),
        (lambda path: cv2.imwrite(str(path), np.ones((8, 8), np.uint16)), "smaller than"),
    ],
)
def test_what_is_no_depth_map_is_named(tmp_path: Path, make, said: str):
    path = tmp_path / "d.png"
    make(path)
    with pytest.raises(InputError, match=said) as caught:
        read_depth(path)
    assert str(path) in str(caught.value)
