"""A motion made exact on the pictures themselves: Gauss-Newton on what is left of their difference.

Direct image alignment (Kerl et al., ICRA 2013; DSO, arXiv 1607.02565), from coarse to fine, on pictures whose
brightness and contrast are taken out locally, since the light moves with the camera.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from describer.seg.selfdepth.warp import motion_field, synthesise

_COARSER = (4, 2)
_STEPS = 3
_OUTLIER = 0.3  # of a local deviation: larger differences weigh less and less
_DAMPING = 1e-4


@torch.no_grad()
def align(frame: Tensor, neighbour: Tensor, depth: Tensor, pose: Tensor, intrinsics: Tensor, view: Tensor) -> Tensor:
    """The motion near `pose` at which the neighbour explains the frame best; `pose` where none is better.

    Shape: frame and neighbour (B, 3, H, W) in [0, 1]; depth (B, 1, H, W); pose (B, 6) as `warp_grid` takes it;
    intrinsics (B, 4) shares; view (B, 1, H, W) float, 1 where the scope sees -> (B, 6).
    """
    start = pose
    for coarser in _COARSER:
        hw = (frame.shape[2] // coarser, frame.shape[3] // coarser)
        here, there = (_detail(F.interpolate(picture, size=hw, mode="area")) for picture in (frame, neighbour))
        seen = (F.interpolate(view, size=hw, mode="area") >= 0.99).float()
        at = F.interpolate(depth, size=hw, mode="area")
        field = motion_field(at, intrinsics)
        for _ in range(_STEPS):
            made, weight = _seen_from(there, seen, at, pose, intrinsics)
            pose = pose + _step(here - made, weight, made, field)
    left = [_left(here, *_seen_from(there, seen, at, p, intrinsics)) for p in (start, pose)]
    return pose.where((left[1] < left[0])[:, None], start)


def _seen_from(there: Tensor, seen: Tensor, depth: Tensor, pose: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
    """The neighbour's detail at the frame's pixels, and 1 where both frames show them."""
    made, inside = synthesise(torch.cat((there, seen), 1), depth, pose, intrinsics)
    return made[:, :1], inside * (made[:, 1:] >= 0.99) * seen


def _step(rest: Tensor, shown: Tensor, made: Tensor, field: Tensor) -> Tensor:
    """One robust Gauss-Newton step. Shape: maps (B, 1, h, w), field (B, 2, h * w, 6) -> (B, 6)."""
    slopes = torch.stack((_slope(made, 3) * made.shape[3], _slope(made, 2) * made.shape[2]), 1).flatten(2)
    change = (slopes[..., None] * field).sum(1)
    weight = (shown / (1 + (rest / _OUTLIER).square())).flatten(1)[..., None] * change
    normal = weight.transpose(1, 2) @ change
    damping = torch.diag_embed(_DAMPING * normal.diagonal(dim1=1, dim2=2) + 1e-6)
    return torch.linalg.solve(normal + damping, (weight * rest.flatten(1)[..., None]).sum(1))


def _left(here: Tensor, made: Tensor, shown: Tensor) -> Tensor:
    """The mean difference where both show the scene, (B,); infinite where they hardly do."""
    count = shown.sum((1, 2, 3))
    mean = ((here - made).abs() * shown).sum((1, 2, 3)) / count.clamp(min=1)
    return mean.where(count > 0.1 * shown[0].numel(), torch.inf)


def _slope(maps: Tensor, axis: int) -> Tensor:
    """Central differences (B, h, w) of (B, 1, h, w) along an axis, per pixel."""
    padded = F.pad(maps, (1, 1, 0, 0) if axis == 3 else (0, 0, 1, 1), mode="replicate")
    length = maps.shape[axis]
    return (padded.narrow(axis, 2, length) - padded.narrow(axis, 0, length))[:, 0] / 2


def _detail(picture: Tensor) -> Tensor:
    """(B, 3, h, w) -> (B, 1, h, w): grey values less their local mean, in local deviations."""
    grey = picture.mean(1, keepdim=True)
    rest = grey - _mean9(grey)
    return rest / (_mean9(rest.square()) + 1e-4).sqrt()


def _mean9(maps: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(maps, (4, 4, 4, 4), mode="replicate"), 9, 1)
