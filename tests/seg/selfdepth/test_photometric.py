"""MS-SSIM, the least over neighbours, the static mask and smoothness."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from describer.seg.selfdepth.photometric import least_error, moving, ms_ssim, photometric_error, smoothness
from describer.seg.selfdepth.warp import synthesise
from tests.seg.selfdepth.made import CAMERA, relief, texture

HW = (48, 64)
SHARES = torch.tensor([CAMERA])


def test_equal_pictures_are_1_and_others_less_in_either_order():
    x, y = texture(HW, 0), texture(HW, 1)
    assert torch.allclose(ms_ssim(x, x), torch.ones(1, 1, *HW), atol=1e-4)
    assert (photometric_error(x, x).abs() < 1e-4).all()
    other = ms_ssim(x, y)
    assert torch.allclose(other, ms_ssim(y, x), atol=1e-5)
    assert other.shape == (1, 1, *HW) and (other >= 0).all() and (other <= 1 + 1e-5).all() and other.mean() < 0.7
    assert (ms_ssim(x, 1 - x) >= 0).all()  # anti-correlated: SSIM itself would be negative


def test_one_scale_is_plain_ssim():
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 20, 30))
    y = (x + 0.2 * y) / 1.2
    mean = {
        k: uniform_filter(v, 3, mode="nearest")
        for k, v in {"x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y}.items()
    }
    var_x, var_y = mean["xx"] - mean["x"] ** 2, mean["yy"] - mean["y"] ** 2
    cov = mean["xy"] - mean["x"] * mean["y"]
    c1, c2 = 0.01**2, 0.03**2
    ssim = (
        (2 * mean["x"] * mean["y"] + c1)
        * (2 * cov + c2)
        / ((mean["x"] ** 2 + mean["y"] ** 2 + c1) * (var_x + var_y + c2))
    )
    ours = ms_ssim(torch.tensor(x)[None, None], torch.tensor(y)[None, None], weights=(1.0,))
    assert ours[0, 0].numpy() == pytest.approx(np.maximum(ssim, 1e-3), abs=1e-6)


def test_more_blur_is_more_error():
    x = texture(HW)
    blurred = [torch.nn.functional.avg_pool2d(x, k, 1, k // 2) for k in (3, 7, 11)]
    errors = [photometric_error(x, b)[..., 6:-6, 6:-6].mean().item() for b in blurred]
    assert 0 < errors[0] < errors[1] < errors[2]


def error_at(depth: torch.Tensor, pose: list[float]) -> float:
    """The photometric error of a frame that truly is the neighbour seen from a step to the side."""
    neighbour = texture(HW)
    truth = torch.tensor([[0.0, 0.0, 0.0, 0.25, 0.0, 0.0]])
    frame, _ = synthesise(neighbour, relief(HW), truth, SHARES)
    made, inside = synthesise(neighbour, depth, torch.tensor([pose]), SHARES)
    return photometric_error(made, frame)[inside].mean().item()


def test_the_true_depth_and_pose_have_the_least_error():
    true = [0.0, 0.0, 0.0, 0.25, 0.0, 0.0]
    best = error_at(relief(HW), true)
    assert best < 1e-3
    assert all(error_at(relief(HW) * wrong, true) > 10 * best + 0.01 for wrong in (0.7, 1.4))
    assert error_at(torch.full((1, 1, *HW), relief(HW).median().item()), true) > 10 * best + 0.01
    for wrong in (0.0, 0.15, 0.35, -0.25):
        assert error_at(relief(HW), [0.0, 0.0, 0.0, wrong, 0.0, 0.0]) > 10 * best + 0.01


def test_each_pixel_is_compared_with_the_neighbour_that_shows_it_best():
    errors = [torch.tensor([[[[0.1, 0.5, 0.3]]]]), torch.tensor([[[[0.4, 0.2, 0.1]]]])]
    seen = [torch.tensor([[[[True, True, False]]]]), torch.tensor([[[[True, False, False]]]])]
    assert least_error(errors, seen).flatten().tolist() == pytest.approx([0.1, 0.5, torch.inf])


def test_the_static_mask_leaves_out_what_does_not_change():
    frame = texture(HW)
    neighbour = frame.clone()
    neighbour[..., 32:] = frame.roll(3, 3)[..., 32:]
    still = photometric_error(neighbour, frame)
    made = frame + 0.01 * texture(HW, 5)  # a good synthesis everywhere
    mask = moving(photometric_error(made, frame), still)
    # The coarsest windows of MS-SSIM reach over 20 pixels.
    assert not mask[..., :12].any() and mask[..., 32:].float().mean() > 0.95


def test_a_constant_map_is_smooth_and_slopes_cost_less_at_edges():
    flat, ramp = torch.full((1, 1, *HW), 0.3), torch.linspace(0.1, 0.9, 64).expand(1, 1, *HW)
    grey = torch.full((1, 3, *HW), 0.5)
    assert smoothness(flat, texture(HW)) == 0
    assert smoothness(ramp, grey) > 0
    assert smoothness(ramp, grey) == pytest.approx(smoothness(3 * ramp, grey).item(), rel=1e-5)  # a scale is free
    step = torch.ones(1, 1, *HW).index_fill(3, torch.arange(32, 64), 0.2)
    edge = grey.index_fill(3, torch.arange(32, 64), 1.0)
    assert smoothness(step, edge) < smoothness(step, grey)
