"""One frame seen from its neighbour's place: back-projection, rigid motion, projection, sampling.

The differentiable view synthesis of SfMLearner (Zhou et al., arXiv 1704.07813). Intrinsics are shares: fx and cx in
widths of the frame, fy and cy in heights, so that they hold at any size.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def rotation_matrix(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula, smooth at no rotation. Shape: (B, 3) -> (B, 3, 3)."""
    angle_sq = axis_angle.square().sum(1)[:, None, None]
    angle = (angle_sq + 1e-12).sqrt()
    x, y, z = axis_angle.unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), 1).unflatten(1, (3, 3))
    sine, versine = angle.sin() / angle, (1 - angle.cos()) / angle.square()
    return torch.eye(3, device=x.device) + sine * cross + versine * (cross @ cross)


def pixel_rays(intrinsics: Tensor, hw: tuple[int, int]) -> Tensor:
    """Points at depth 1 behind every pixel centre. Shape: (B, 4) shares -> (B, 3, H * W), x right, y down."""
    height, width = hw
    fx, fy, cx, cy = intrinsics[:, :, None].unbind(1)
    v, u = torch.meshgrid(
        (torch.arange(height, device=fx.device) + 0.5) / height,
        (torch.arange(width, device=fx.device) + 0.5) / width,
        indexing="ij",
    )
    x, y = (u.flatten() - cx) / fx, (v.flatten() - cy) / fy
    return torch.stack((x, y, torch.ones_like(x)), 1)


def warp_grid(depth: Tensor, pose: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
    """Where each pixel's point is seen in the neighbour, and how far from it.

    Shape: depth (B, 1, H, W); pose (B, 6), axis-angle and translation that take a point of this frame to the
    neighbour's axes, in the unit of depth; intrinsics (B, 4) shares -> grid (B, H, W, 2) for `grid_sample`, each
    coordinate -1 to 1 from edge to edge, and the depth there (B, 1, H, W).
    """
    hw = (depth.shape[2], depth.shape[3])
    points = pixel_rays(intrinsics, hw) * depth.flatten(2)
    moved = rotation_matrix(pose[:, :3]) @ points + pose[:, 3:, None]
    x, y, z = moved.unbind(1)
    # A point behind the neighbour is not seen: any place outside of its picture will do.
    near = z.clamp(min=1e-3)
    fx, fy, cx, cy = intrinsics[:, :, None].unbind(1)
    u, v = x / near * fx + cx, y / near * fy + cy
    grid = torch.stack((2 * u - 1, 2 * v - 1), dim=-1).unflatten(1, hw)
    return grid.where((z > 1e-3).unflatten(1, hw)[..., None], grid.new_tensor(-2.0)), z.unflatten(1, hw)[:, None]


def motion_field(depth: Tensor, intrinsics: Tensor) -> Tensor:
    """How small motions move what is seen at each pixel (Longuet-Higgins and Prazdny, 1980).

    Shape: depth (B, 1, H, W), intrinsics (B, 4) -> (B, 2, H * W, 6): the change of place in widths and heights by
    each of the pose's six numbers.
    """
    x, y, _ = pixel_rays(intrinsics, (depth.shape[2], depth.shape[3])).unbind(1)
    near, none = 1 / depth.flatten(1), torch.zeros_like(x)
    along_x = torch.stack((-x * y, 1 + x * x, -y, near, none, -x * near), -1)
    along_y = torch.stack((-1 - y * y, x * y, x, none, near, -y * near), -1)
    return torch.stack((along_x, along_y), 1) * intrinsics[:, :2, None, None]


def sample(maps: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """Bilinear samples of maps (B, C, H, W) at a grid (B, h, w, 2), and whether each lies inside: (B, 1, h, w) bool.

    Outside, the border's value is repeated.
    """
    inside = (grid.abs() <= 1).all(-1)[:, None]
    return F.grid_sample(maps, grid, padding_mode="border", align_corners=False), inside


def synthesise(source: Tensor, depth: Tensor, pose: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
    """The frame as the neighbour `source` (B, C, H, W) shows it, and where it does: (B, C, H, W), (B, 1, H, W) bool."""
    return sample(source, warp_grid(depth, pose, intrinsics)[0])
