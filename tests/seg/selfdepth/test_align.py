"""Direct alignment: a motion near the true one becomes the true one, in any light; nothing is made worse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from describer.seg.selfdepth.align import align
from describer.seg.selfdepth.warp import motion_field, synthesise, warp_grid
from tests.seg.selfdepth.made import CAMERA, relief, texture

HW = (96, 128)
SHARES = torch.tensor([CAMERA])
VIEW = torch.ones(1, 1, *HW)
STILL = torch.zeros(1, 6)


def places(pose: Tensor, hw: tuple[int, int] = HW) -> Tensor:
    return warp_grid(relief(hw), pose, SHARES)[0]


def pair(truth: Tensor) -> tuple[Tensor, Tensor]:
    """A frame, and its neighbour after that motion."""
    neighbour = texture(HW)
    return synthesise(neighbour, relief(HW), truth, SHARES)[0], neighbour


@pytest.mark.parametrize(
    "motion", [[0.01, 0, 0, 0, 0, 0], [0, 0, 0.03, 0, 0, 0], [0, 0, 0, 0.06, -0.04, 0], [0.005, 0, 0, 0.05, 0, 0.1]]
)
@pytest.mark.parametrize("light", [1.0, 0.6])
def test_it_finds_the_motion_from_none_whatever_the_light(motion: list[float], light: float):
    truth = torch.tensor([motion], dtype=torch.float32)
    frame, neighbour = pair(truth)
    found = align(light * frame, neighbour, relief(HW), STILL, SHARES, VIEW)
    off = (places(found) - places(truth)).abs().mean()
    assert off < 0.1 * (places(truth) - places(STILL)).abs().mean()


def test_what_the_scope_does_not_see_does_not_count():
    truth = torch.tensor([[0.0, 0.0, 0.0, 0.06, 0.0, 0.0]])
    frame, neighbour = pair(truth)
    view = VIEW.clone()
    view[..., :60] = 0
    frame[..., :60] = neighbour[..., :60] = texture(HW, 9)[..., :60]  # stands still, as a mark in the picture would
    found = align(frame, neighbour, relief(HW), STILL, SHARES, view)
    assert (places(found) - places(truth)).abs().mean() < 0.1 * (places(truth) - places(STILL)).abs().mean()


def test_a_motion_that_cannot_be_bettered_stays():
    frame, other = texture(HW), torch.full((1, 3, *HW), 0.5)  # nothing to hold on to
    start = torch.tensor([[0.01, 0.0, 0.0, 0.02, 0.0, 0.0]])
    assert torch.equal(align(frame, other, relief(HW), start, SHARES, VIEW), start)
    blind = align(frame, texture(HW, 3), relief(HW), start, SHARES, 0 * VIEW)
    assert torch.equal(blind, start)


def test_the_motion_field_is_the_slope_of_the_warp():
    hw = (12, 16)
    for k in range(6):
        small = torch.zeros(1, 6, dtype=torch.float64)
        small[0, k] = 1e-5
        moved = (
            warp_grid(relief(hw).double(), small, SHARES.double())[0]
            - warp_grid(relief(hw).double(), 0 * small, SHARES.double())[0]
        )
        field = motion_field(relief(hw).double(), SHARES.double())[0, :, :, k]
        assert (moved[0].flatten(0, 1).T / 2 / 1e-5).numpy() == pytest.approx(field.numpy(), abs=2e-3)
