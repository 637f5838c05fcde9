"""Heads of the scene model: a dense decoder to stride 4 shared by classes and depth, and the activity head.

Thin tips are lost on a grid of stride 14, so the decoder has two sources: what things are comes from four depths
of the ViT, fused on the true token grid; where their edges run comes from a light convolution stem on the image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ASPP_RATES = (1, 3, 6)
GROUPS = 4


class ConvBlock(nn.Sequential):
    """3x3 (or 1x1) convolution, group norm, GELU. Group norm keeps a frame's result free of its batch."""

    def __init__(self, width_in: int, width_out: int, *, kernel: int = 3, stride: int = 1, rate: int = 1) -> None:
        padding = rate * (kernel // 2)
        super().__init__(
            nn.Conv2d(width_in, width_out, kernel, stride, padding, dilation=rate, bias=False),
            nn.GroupNorm(GROUPS, width_out),
            nn.GELU(),
        )


class AtrousPyramid(nn.Module):
    """ASPP (DeepLab v3, arXiv 1706.05587) with image pooling. Shape: (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        branch = width // 2
        self.branches = nn.ModuleList([ConvBlock(width, branch, rate=rate) for rate in ASPP_RATES])
        self.pooled = nn.Sequential(nn.Conv2d(width, branch, 1), nn.GELU())
        self.project = ConvBlock(branch * (len(ASPP_RATES) + 1), width, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        whole = self.pooled(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        return self.project(torch.cat([*(branch(x) for branch in self.branches), whole], dim=1))


class ImageStem(nn.Module):
    """Edges at stride 2 and 4 straight from the image. Shape: (B, 3, H, W) -> (B, C, H/4, W/4), rounded up."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_half = ConvBlock(3, width // 2, stride=2)
        self.to_quarter = ConvBlock(width // 2, width, stride=2)

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.to_quarter(self.to_half(pixel_values))


class DenseDecoder(nn.Module):
    """Four token grids and the image -> features at stride 4.

    Shape: levels of (B, hidden, H/14, W/14) and an image (B, 3, H, W) -> (B, width / 2, H/4, W/4), rounded up.
    """

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        fine = width // 2
        self.lateral = nn.ModuleList([nn.Conv2d(hidden, width, 1) for _ in range(4)])
        self.pyramid = AtrousPyramid(width)
        self.narrow = nn.Conv2d(width, fine, 1)
        self.stem = ImageStem(fine)
        self.fuse = ConvBlock(2 * fine, fine)
        self.refine = ConvBlock(fine, fine)

    def forward(self, levels: list[Tensor], pixel_values: Tensor) -> Tensor:
        grid = torch.stack([conv(level) for conv, level in zip(self.lateral, levels, strict=True)]).sum(0)
        edges = self.stem(pixel_values)
        coarse = self.narrow(self.pyramid(grid))
        coarse = F.interpolate(coarse, size=edges.shape[2:], mode="bilinear", align_corners=False)
        x = self.fuse(torch.cat((coarse, edges), dim=1))
        return x + self.refine(x)


class DepthHead(nn.Module):
    """Sigmoid disparity from the decoder's features, at strides 4, 8, 16 and 32.

    In training all four scales come back, finest first; otherwise only the finest. Shape: (B, C, h, w) ->
    tuple of (B, 1, h / 2^k, w / 2^k).
    """

    def __init__(self, width: int, scales: int = 4) -> None:
        super().__init__()
        self.enter = nn.Conv2d(width, 16, 3, padding=1)
        self.out = nn.ModuleList([nn.Conv2d(16, 1, 3, padding=1) for _ in range(scales)])

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        x = F.gelu(self.enter(features))
        scales = []
        for k, conv in enumerate(self.out if self.training else self.out[:1]):
            if k:
                x = F.avg_pool2d(x, 2, ceil_mode=True)
            scales.append(conv(x).sigmoid())
        return tuple(scales)


class ActivityHead(nn.Module):
    """What is being done, from the whole (class token, mean token) and from what was found where.

    The second branch sees each class's mean and largest probability and the mean dense feature: an activity is
    mostly which instrument is at work. It reads the dense path without moving it.

    Shape: tokens (B, 1 + N, hidden), logits (B, C, h, w), features (B, width, h, w) -> (B, K).
    """

    def __init__(self, hidden: int, classes: int, width: int, activities: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.GELU(), nn.Linear(hidden, activities))
        self.evidence = nn.Sequential(nn.Linear(2 * classes + width, 96), nn.GELU(), nn.Linear(96, activities))

    def forward(self, tokens: Tensor, logits: Tensor, features: Tensor) -> Tensor:
        whole = self.mlp(torch.cat((tokens[:, 0], tokens[:, 1:].mean(1)), dim=1))
        found = logits.detach().float().softmax(1).flatten(2)
        dense = features.detach().float().flatten(2).mean(2)
        return whole + self.evidence(torch.cat((found.mean(2), found.amax(2), dense), dim=1))
