"""A textured relief seen by a camera that moves as told: frames with known depth, pose and intrinsics."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from describer.seg.selfdepth.warp import synthesise

CAMERA = (0.9, 1.1, 0.52, 0.47)
"""Shares fx, fy, cx, cy."""


def texture(hw: tuple[int, int], seed: int = 0) -> Tensor:
    """(1, 3, H, W) in [0, 1]: smooth noise of several sizes, steep enough to be followed."""
    maker = torch.Generator().manual_seed(seed)
    layers = [
        F.interpolate(
            torch.rand(1, 3, hw[0] // k, hw[1] // k, generator=maker), hw, mode="bicubic", align_corners=False
        )
        for k in (4, 8, 16)
    ]
    return torch.stack(layers).mean(0).clamp(0, 1)


def relief(hw: tuple[int, int]) -> Tensor:
    """Depth (1, 1, H, W): a wall at 4 with a ball in front that comes up to 2."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, hw[0]), torch.linspace(-1, 1, hw[1]), indexing="ij")
    return (4 - 2 * (1 - (x.square() + y.square()) / 0.4).clamp(min=0).sqrt())[None, None]


def moving_clip(n: int, hw: tuple[int, int], step_xyz: tuple[float, float, float]) -> np.ndarray:
    """``n`` frames (n, H, W, 3) uint8 of the relief, each from one more step to the side of the first."""
    wide = texture(hw)
    frames = []
    for k in range(n):
        pose = torch.tensor([[0.0, 0.0, 0.0, *(k * value for value in step_xyz)]])
        # The relief's own texture, sampled where its points lie: good for small steps, where nothing is uncovered.
        frames.append(synthesise(wide, relief(hw), pose, torch.tensor([CAMERA]))[0][0])
    return (torch.stack(frames).permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
