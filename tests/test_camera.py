"""The pinhole camera: points and pixels there and back, the default, and intrinsics that are none."""

from __future__ import annotations

import numpy as np
import pytest

from describer.camera import Intrinsics
from describer.errors import InputError


def test_points_are_seen_at_the_pixels_they_came_from():
    camera = Intrinsics(81.0, 90.5, 30.2, 17.9)
    depth = np.random.default_rng(0).uniform(1, 9, (40, 60)).astype(np.float32)
    points = camera.back_project(depth)
    rows, columns = np.indices(depth.shape)
    seen = camera.project(points)
    assert np.allclose(seen[..., 0], columns + 0.5, atol=1e-3) and np.allclose(seen[..., 1], rows + 0.5, atol=1e-3)
    assert np.array_equal(points[..., 2], depth)


def test_a_wall_is_a_plane_and_the_axes_are_as_said():
    points = Intrinsics.assumed((64, 48)).back_project(np.full((48, 64), 2.0, np.float32))
    assert (points[..., 2] == 2).all()
    assert points[0, 0, 0] < 0 < points[0, -1, 0] and points[0, 0, 1] < 0 < points[-1, 0, 1]
    assert points[0, 0] == pytest.approx(-points[-1, -1] + [0, 0, 4], abs=1e-6)
    assert points[0, -1, 0] - points[0, 0, 0] == pytest.approx(2 * 63 / 64)  # focal length 1 width


def test_shares_do_not_change_with_the_size():
    camera = Intrinsics(80, 90, 33, 20)
    assert camera.shares((64, 48)) == Intrinsics(160, 180, 66, 40).shares((128, 96))
    assert Intrinsics.assumed((64, 48), 0.7).shares((64, 48)) == pytest.approx((0.7, 0.7 * 64 / 48, 0.5, 0.5))


def test_intrinsics_are_read_from_four_numbers():
    assert Intrinsics.parse("80, 81.5,32,24") == Intrinsics(80, 81.5, 32, 24)


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d", "0,80,32,24", "80,-1,32,24", "nan,80,1,1", "1,2,3,4,5"])
def test_anything_else_is_refused_in_one_sentence(text: str):
    with pytest.raises(InputError, match="fx,fy,cx,cy"):
        Intrinsics.parse(text)
