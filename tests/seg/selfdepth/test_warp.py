"""View synthesis: no motion changes nothing, known motions move points where they must, gradients arrive."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from describer.camera import Intrinsics
from describer.seg.selfdepth.warp import pixel_rays, rotation_matrix, sample, synthesise, warp_grid
from tests.seg.selfdepth.made import CAMERA, relief, texture

HW = (24, 32)
SHARES = torch.tensor([CAMERA])


def test_no_motion_gives_the_picture_back():
    picture = texture(HW)
    made, inside = synthesise(picture, relief(HW), torch.zeros(1, 6), SHARES)
    assert inside.all() and torch.allclose(made, picture, atol=1e-5)


@pytest.mark.parametrize("turn", [[0.0, 0.0, 0.0], [0.3, -0.2, 0.5], [0.0, math.pi / 2, 0.0], [1e-4, 0.0, 0.0]])
def test_rotations_are_those_of_scipy(turn: list[float]):
    ours = rotation_matrix(torch.tensor([turn], dtype=torch.float64))[0]
    assert ours.numpy() == pytest.approx(Rotation.from_rotvec(turn).as_matrix(), abs=1e-6)


def test_rays_and_places_are_those_of_the_camera():
    size_wh = (HW[1], HW[0])
    camera = Intrinsics(0.9 * HW[1], 1.1 * HW[0], 0.52 * HW[1], 0.47 * HW[0])
    depth = relief(HW)
    points = (pixel_rays(torch.tensor([camera.shares(size_wh)]), HW) * depth.flatten(2))[0].T.reshape(*HW, 3)
    assert points.numpy() == pytest.approx(camera.back_project(depth[0, 0].numpy()), abs=1e-5)
    move = torch.tensor([[0.02, -0.03, 0.1, 0.2, -0.1, 0.3]])
    grid, far = warp_grid(depth, move, SHARES)
    moved = points.numpy() @ Rotation.from_rotvec(move[0, :3].numpy()).as_matrix().T + move[0, 3:].numpy()
    seen = camera.project(moved)
    assert far[0, 0].numpy() == pytest.approx(moved[..., 2], abs=1e-4)
    assert ((grid[0].numpy() + 1) / 2 * size_wh) == pytest.approx(seen, abs=1e-3)


def test_a_step_to_the_right_moves_near_things_further_to_the_left():
    # The camera steps right by 0.1: points move by -0.1 in its axes.
    grid, _ = warp_grid(relief(HW), torch.tensor([[0.0, 0, 0, -0.1, 0, 0]]), SHARES)
    still, _ = warp_grid(relief(HW), torch.zeros(1, 6), SHARES)
    shift = (grid - still)[0, ..., 0]
    assert (shift < 0).all() and shift[12, 16] == pytest.approx(2 * shift[0, 0].item(), rel=0.02)


def test_what_lies_outside_or_behind_is_told():
    picture = texture(HW)
    _, inside = synthesise(picture, torch.full((1, 1, *HW), 2.0), torch.tensor([[0.0, 0, 0, 0.5, 0, 0]]), SHARES)
    assert inside[0, 0, :, 0].all() and not inside[0, 0, :, -1].any()
    _, inside = synthesise(picture, torch.full((1, 1, *HW), 2.0), torch.tensor([[0.0, 0, 0, 0, 0, -3]]), SHARES)
    assert not inside.any()
    flat, _ = sample(torch.full((1, 1, *HW), 7.0), torch.full((1, 2, 2, 2), 5.0))
    assert (flat == 7).all()  # the border is repeated


def test_depth_and_pose_get_gradients_even_at_no_motion():
    depth, pose = relief(HW).requires_grad_(), torch.zeros(1, 6, requires_grad=True)
    made, _ = synthesise(texture(HW), depth, pose, SHARES)
    made.square().sum().backward()
    assert pose.grad is not None and pose.grad.isfinite().all() and (pose.grad != 0).all()
    assert depth.grad is not None and depth.grad.isfinite().all()
