"""The pose network: least squares give a known motion back, and even untrained it follows a small step."""

from __future__ import annotations

import pytest
import torch

from describer.seg.selfdepth.pose import PoseNet, solve_motion
from describer.seg.selfdepth.warp import synthesise, warp_grid
from tests.seg.selfdepth.made import CAMERA, relief, texture

HW = (96, 128)
SHARES = torch.tensor([CAMERA])


MOTIONS = (
    [0.01, 0, 0, 0, 0, 0],
    [0, -0.01, 0.02, 0, 0, 0],
    [0, 0, 0, 0.05, -0.03, 0.08],
    [0.004, 0, -0.01, 0.03, 0, -0.05],
)


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_motion_of_a_flow_is_found(motion: list[float]):
    hw, pose = (24, 32), torch.tensor([motion], dtype=torch.float32)
    depth = relief(hw)
    flow = (warp_grid(depth, pose, SHARES)[0] - warp_grid(depth, torch.zeros(1, 6), SHARES)[0]).permute(0, 3, 1, 2) / 2
    found = solve_motion(flow, torch.ones(1, 1, *hw), depth, SHARES)
    made = warp_grid(depth, found, SHARES)[0]
    assert (made - warp_grid(depth, pose, SHARES)[0]).abs().max() * 32 / 2 < 0.1  # pixels
    wild = flow.clone()
    wild[..., :4, :4] += 0.3
    trusted = torch.ones(1, 1, *hw)
    trusted[..., :4, :4] = 0
    assert torch.allclose(solve_motion(wild, trusted, depth, SHARES), found, atol=5e-3)


def test_nothing_to_see_is_no_motion():
    found = solve_motion(torch.rand(2, 2, 8, 8), torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8), SHARES.expand(2, 4))
    assert (found == 0).all()


def test_untrained_it_finds_most_of_a_step():
    torch.manual_seed(0)
    frame = texture(HW)
    truth = torch.tensor([[0.0, 0.0, 0.0, -0.15, 0.05, 0.0]])
    # frame(p) = neighbour(warp(p)) holds for the neighbour that the opposite motion makes.
    neighbour, _ = synthesise(frame, relief(HW), -truth, SHARES)
    net = PoseNet()
    norm = [(picture - 0.45) / 0.25 for picture in (frame, neighbour)]
    pose = net(*norm, relief(HW), SHARES, torch.ones(1, 1, *HW))
    still = warp_grid(relief(HW), torch.zeros(1, 6), SHARES)[0]
    wanted, got = (warp_grid(relief(HW), p, SHARES)[0] - still for p in (truth, pose))
    assert (got - wanted).abs().mean() < 0.5 * wanted.abs().mean()
    assert pose.shape == (1, 6)
    same = net(norm[0], norm[0], relief(HW), SHARES, torch.ones(1, 1, *HW))
    assert (same.abs() < 0.2 * truth.abs().max()).all()


def test_depth_gets_no_gradient_and_the_network_does():
    net, depth = PoseNet(), relief(HW).requires_grad_()
    pose = net(texture(HW), texture(HW, 1), depth, SHARES, torch.ones(1, 1, *HW))
    pose.square().sum().backward()
    assert depth.grad is None
    assert all(p.grad is not None for p in net.parameters())
