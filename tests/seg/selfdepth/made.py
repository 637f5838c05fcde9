"""A textured relief seen by a camera that moves as told: frames with known depth, pose and intrinsics."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

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


def moving_clip(n: int, hw: tuple[int, int], step_xyz: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """``n`` frames (n, H, W, 3) uint8 and depths (n, H, W) of a textured wall at 4 with a red square in front, at 2.

    The camera goes on by ``step_xyz`` from frame to frame; at the middle frame it stands where the square is in front.
    """
    v, u = torch.meshgrid((torch.arange(hw[0]) + 0.5) / hw[0], (torch.arange(hw[1]) + 0.5) / hw[1], indexing="ij")
    rays = torch.stack(((u - CAMERA[2]) / CAMERA[0], (v - CAMERA[3]) / CAMERA[1]), -1)
    canvases = [F.interpolate(texture((96, 96), seed), scale_factor=2, mode="bilinear") for seed in (1, 2)]
    frames, depths = [], []
    for k in range(n):
        at = torch.tensor([(k - n / 2) * step for step in step_xyz])
        far, near = ((rays * (z - at[2]) + at[:2]) for z in (4.0, 2.0))
        wall, front = (
            F.grid_sample(canvas, place[None] / 3, padding_mode="reflection", align_corners=False)[0]
            for canvas, place in zip(canvases, (far, near), strict=True)
        )
        square = (near[..., 0].abs() < 0.5) & (near[..., 1].abs() < 0.4)
        frames.append((front * torch.tensor([1.0, 0.5, 0.5])[:, None, None]).where(square, wall))
        depths.append(torch.full(hw, 4.0).where(~square, torch.tensor(2.0)) - at[2])
    pixels = (torch.stack(frames).permute(0, 2, 3, 1) * 255).round().to(torch.uint8)
    return pixels.numpy(), torch.stack(depths).numpy()
