"""The camera's motion between two frames: learned correspondences, then the rigid motion that fits them best.

A regressed pose takes thousands of steps to become useful. Here the network says where each cell went and how sure
it is (a cost volume, FlowNet's correlation layer, arXiv 1504.06852), and the motion follows by weighted least squares
from the motion field equations (Longuet-Higgins and Prazdny, 1980) at the depth of the frame, as direct visual
odometry replaced the pose network in DDVO (arXiv 1712.00175). Untrained it is a fair odometry already.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from describer.seg.selfdepth.warp import motion_field

_REACH = 3  # cells of four pixels
_WIDTH = 24
_DAMPING = (1e-6, 1e-6, 1e-6, 1e-5, 1e-5, 1e-5)  # a still camera where nothing tells


class PoseNet(nn.Module):
    """Two frames, and the first one's depth, to the rigid motion between them.

    Shape: frame and neighbour (B, 3, H, W), both normalised; depth (B, 1, h, w); intrinsics (B, 4) shares; view
    (B, 1, h', w') float, 1 where the scope sees -> (B, 6): axis-angle in radians and translation in the unit of
    depth, which take a point of the frame to the neighbour's axes. Depth gets no gradient from here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, _WIDTH, 3, 2, 1)
        )  # fmt: skip
        cells = (2 * _REACH + 1) ** 2
        self.refine = nn.Sequential(
            nn.Conv2d(cells + _WIDTH + 2, 48, 3, padding=1), nn.ReLU(),
            nn.Conv2d(48, 48, 3, padding=1), nn.ReLU(),
            nn.Conv2d(48, 3, 3, padding=1),
        )  # fmt: skip
        nn.init.zeros_(self.refine[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.refine[-1].bias)  # type: ignore[arg-type]
        self.log_sharpness = nn.Parameter(torch.tensor(3.0))

    def forward(self, frame: Tensor, neighbour: Tensor, depth: Tensor, intrinsics: Tensor, view: Tensor) -> Tensor:
        flow, trust = self.correspond(frame, neighbour)
        hw = (flow.shape[2], flow.shape[3])
        seen = F.interpolate(view.float(), size=hw, mode="area")
        at = F.interpolate(depth.detach(), size=hw, mode="area")
        return solve_motion(flow.float(), trust.float() * (seen >= 0.99), at.float(), intrinsics)

    def correspond(self, frame: Tensor, neighbour: Tensor) -> tuple[Tensor, Tensor]:
        """Where each cell of four pixels went, in widths and heights of the frame, and how sure that is.

        Shape: (B, 2, H / 4, W / 4) and (B, 1, H / 4, W / 4) in (0, 1).
        """
        here, there = self._describe(frame), self._describe(neighbour)
        height, width = here.shape[2:]
        around = F.pad(there, (_REACH,) * 4)
        steps = range(2 * _REACH + 1)
        costs = torch.stack(
            [(here * around[:, :, y : y + height, x : x + width]).sum(1) for y in steps for x in steps], 1
        )
        chance = (_mean5(costs) * self.log_sharpness.exp()).softmax(1)
        offsets = torch.arange(-_REACH, _REACH + 1.0, device=costs.device)
        moved = torch.stack(torch.meshgrid(offsets, offsets, indexing="xy")).flatten(1)
        flow = torch.einsum("bkhw,ck->bchw", chance, moved.to(chance.dtype))
        said = self.refine(torch.cat((costs, here, flow), dim=1))
        flow = (flow + said[:, :2]) / flow.new_tensor([width, height])[:, None, None]
        return flow, said[:, 2:].sigmoid() * chance.amax(1, keepdim=True)

    def _describe(self, frame: Tensor) -> Tensor:
        features = self.features(frame)
        return F.normalize(features - _mean5(features), dim=1)


def _mean5(maps: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(maps, (2, 2, 2, 2), mode="replicate"), 5, 1)


def solve_motion(flow: Tensor, weight: Tensor, depth: Tensor, intrinsics: Tensor) -> Tensor:
    """The small rigid motion whose motion field fits a flow best.

    Shape: flow (B, 2, h, w) in widths and heights; weight and depth (B, 1, h, w); intrinsics (B, 4) -> (B, 6), as
    `warp_grid` takes it.
    """
    equations = motion_field(depth, intrinsics).flatten(1, 2)
    weight = weight.flatten(1)
    weight = (weight / weight.sum(1, keepdim=True).clamp(min=1e-6)).repeat(1, 2)[..., None] * equations
    normal = weight.transpose(1, 2) @ equations + torch.diag(flow.new_tensor(_DAMPING))
    return torch.linalg.solve(normal, (weight * flow.flatten(1)[..., None]).sum(1))
