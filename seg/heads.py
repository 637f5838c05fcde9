"""Heads of the scene model: a dense decoder to stride 4 shared by classes and depth, and the activity head.

Thin tips are lost on a grid of stride 14, so the decoder has two sources. What things are and how they lie together
comes from four depths of the ViT, fused on the true token grid; shape and edges come from a convolutional pyramid
on the image itself (the spatial prior of ViT-Adapter, arXiv 2205.08534), which the tokens enter at its top.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from describer.seg.sma import ZeroConv2d

ASPP_RATES = (1, 3, 6)
CONTEXT_RATES = (1, 2, 4)
PRIOR_BLOCKS = (1, 2, 3)


class ConvBlock(nn.Sequential):
    """3x3 (or 1x1) convolution, batch norm, ReLU."""

    def __init__(self, width_in: int, width_out: int, *, kernel: int = 3, stride: int = 1, rate: int = 1) -> None:
        padding = rate * (kernel // 2)
        super().__init__(
            nn.Conv2d(width_in, width_out, kernel, stride, padding, dilation=rate, bias=False),
            nn.BatchNorm2d(width_out),
            nn.ReLU(inplace=True),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip (ResNet, arXiv 1512.03385). Shape: (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, width: int, rate: int = 1) -> None:
        super().__init__()
        self.first = ConvBlock(width, width, rate=rate)
        self.second = nn.Conv2d(width, width, 3, padding=rate, dilation=rate, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.second(self.first(x))))


class AtrousPyramid(nn.Module):
    """ASPP (DeepLab v3, arXiv 1706.05587) with image pooling. Shape: (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        branch = width // 2
        self.branches = nn.ModuleList([ConvBlock(width, branch, rate=rate) for rate in ASPP_RATES])
        self.pooled = nn.Sequential(nn.Conv2d(width, branch, 1), nn.ReLU())
        self.project = ConvBlock(branch * (len(ASPP_RATES) + 1), width, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        whole = self.pooled(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        return self.project(torch.cat([*(branch(x) for branch in self.branches), whole], dim=1))


class SpatialPrior(nn.Module):
    """Features straight from the image. Shape: (B, 3, H, W) -> maps at strides 4, 8, 16 (rounded up) of `widths`."""

    def __init__(self, widths: tuple[int, int, int]) -> None:
        super().__init__()
        self.enter = ConvBlock(3, widths[0] // 2, stride=2)
        ins = (widths[0] // 2, *widths)
        self.stages = nn.ModuleList(
            nn.Sequential(
                ConvBlock(ins[k], ins[k + 1], stride=2), *(ResidualBlock(ins[k + 1]) for _ in range(PRIOR_BLOCKS[k]))
            )
            for k in range(3)
        )

    def forward(self, pixel_values: Tensor) -> list[Tensor]:
        # Channels last is what makes these convolutions fast on CPUs and on tensor cores.
        x = self.enter(pixel_values.contiguous(memory_format=torch.channels_last))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class DenseDecoder(nn.Module):
    """Four token grids and the image -> features at stride 4, and the fused map at stride 16.

    Shape: levels of (B, hidden, H/14, W/14) and an image (B, 3, H, W) -> (B, width / 2, H/4, W/4) and
    (B, width, H/16, W/16), rounded up.
    """

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        fine = width // 2
        widths = (fine, 3 * fine // 2, 3 * fine)
        self.lateral = nn.ModuleList([nn.Conv2d(hidden, width, 1) for _ in range(4)])
        self.pyramid = AtrousPyramid(width)
        self.prior = SpatialPrior(widths)
        self.meet = ConvBlock(width + widths[2], width)
        self.narrow = nn.Conv2d(width, fine, 1)
        self.skips = nn.ModuleList([nn.Conv2d(widths[k], fine, 1) for k in (1, 0)])
        self.merges = nn.ModuleList([ConvBlock(fine, fine) for _ in range(2)])
        self.refine = ResidualBlock(fine)

    def forward(self, levels: list[Tensor], pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        quarter, eighth, sixteenth = self.prior(pixel_values)
        grid = torch.stack([conv(level) for conv, level in zip(self.lateral, levels, strict=True)]).sum(0)
        tokens = _resized(self.pyramid(grid), sixteenth)
        coarse = self.meet(torch.cat((tokens, sixteenth), dim=1))
        x = self.narrow(coarse)
        for skip, merge, finer in zip(self.skips, self.merges, (eighth, quarter), strict=True):
            x = merge(skip(finer) + _resized(x, finer))
        return self.refine(x), coarse


def _resized(maps: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(maps, size=like.shape[2:], mode="bilinear", align_corners=False)


class ContextBlock(nn.Module):
    """A residual block with group norm, whose statistics need no batch. Shape: (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, width: int, rate: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(4, width)
        self.wide = nn.Conv2d(width, width, 3, padding=rate, dilation=rate)
        self.fine = ZeroConv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fine(F.gelu(self.wide(self.norm(x))))


class DepthHead(nn.Module):
    """Sigmoid disparity at strides 4, 8, 16 and 32, in the manner of DPT (arXiv 2103.13413).

    How far a thing is follows from the whole view (where walls, lumen and light lie), so all four token grids and the
    fused map are read once more on the coarse grid, where that is cheap; the fine features add the edges.

    In training all four scales come back, finest first; otherwise only the finest. Shape: levels of (B, hidden, H/14,
    W/14), fused map (B, width, h', w') and features (B, width / 2, h, w) -> tuple of (B, 1, h / 2^k, w / 2^k).
    """

    def __init__(self, hidden: int, width: int, scales: int = 4) -> None:
        super().__init__()
        context, fine = 3 * width // 4, width // 4
        self.lateral = nn.Conv2d(4 * hidden, context, 1)
        self.fused = nn.Conv2d(width, context, 1)
        self.near_by, *others = (ContextBlock(context, rate) for rate in CONTEXT_RATES)
        self.whole = nn.Linear(context, context)
        self.further = nn.Sequential(*others)
        self.far = nn.Conv2d(context, fine, 1)
        self.near = nn.Conv2d(width // 2, fine, 3, padding=1)
        self.refine = nn.Sequential(
            nn.Conv2d(fine, fine, 3, padding=2, dilation=2), nn.GELU(), nn.Conv2d(fine, fine, 3, padding=1)
        )  # fmt: skip
        # A flat depth at first: far from where the sigmoid saturates, and from there a free scale never comes back.
        self.out = nn.ModuleList([ZeroConv2d(fine, 1, 3, padding=1) for _ in range(scales)])

    def forward(self, levels: list[Tensor], coarse: Tensor, features: Tensor) -> tuple[Tensor, ...]:
        grid = self.lateral(torch.cat(levels, dim=1))
        grid = self.near_by(grid + _resized(self.fused(coarse), grid))
        grid = self.further(grid + self.whole(grid.mean((2, 3)))[:, :, None, None])
        x = F.gelu(self.near(features) + _resized(self.far(F.gelu(grid)), features))
        x = F.gelu(x + self.refine(x))
        scales = []
        for k, conv in enumerate(self.out if self.training else self.out[:1]):
            if k:
                x = F.avg_pool2d(x, 2, ceil_mode=True)
            scales.append(conv(x).sigmoid())
        return tuple(scales)


class ActivityHead(nn.Module):
    """What is being done, from the whole (class token, mean token) and from what was found where.

    The second branch sees each class's mean and largest probability, which it reads without moving them, and the
    mean and peaks of the fused map: an activity is mostly which instrument is at work on what.

    Shape: tokens (B, 1 + N, hidden), logits (B, C, h, w), coarse (B, width, h', w') -> (B, K).
    """

    def __init__(self, hidden: int, classes: int, width: int, activities: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.GELU(), nn.Linear(hidden, activities))
        self.evidence = nn.Sequential(nn.Linear(2 * (classes + width), 128), nn.GELU(), nn.Linear(128, activities))

    def forward(self, tokens: Tensor, logits: Tensor, coarse: Tensor) -> Tensor:
        whole = self.mlp(torch.cat((tokens[:, 0], tokens[:, 1:].mean(1)), dim=1))
        found = logits.detach().float().softmax(1).flatten(2)
        seen = coarse.float().flatten(2)
        return whole + self.evidence(torch.cat((found.mean(2), found.amax(2), seen.mean(2), seen.amax(2)), dim=1))
