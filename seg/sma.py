"""Spatially-aware multi-scale attention stem of EndoARSS (arXiv 2506.06830), sized so that it pays.

The reference runs the stem at width 512 over every pixel, about 100 MB of activations a frame. Here the width is
a choice (8 or 16 for the packaged model) and the stem works at stride 2: four times fewer pixels, and because an
input is a multiple of 14, the half-size map is a multiple of 7 and its 7 x 7 windows tile it without padding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOW = 7
GROUP_CHANNELS = 4


class ZeroConv2d(nn.Conv2d):
    """A convolution that starts at zero, so that what it is added to starts unchanged."""

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class CrossSpatialAttention(nn.Module):
    """Two branches that weigh each other's map; the sigmoid of their sum gates the input.

    Shape: (N, C, h, w) -> (N, C, h, w); in `SmaStem` every item of the batch is one window.
    """

    def __init__(self, width: int, groups: int | None = None) -> None:
        super().__init__()
        self.mix = nn.Conv2d(width, width, 1)
        self.local = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.GroupNorm(groups or max(width // GROUP_CHANNELS, 1), width)

    def forward(self, x: Tensor) -> Tensor:
        along_h, along_w = x.mean(3, keepdim=True), x.mean(2, keepdim=True)
        mixed = self.mix(torch.cat((along_h, along_w.transpose(2, 3)), dim=2))
        gate_h, gate_w = mixed.split((x.shape[2], x.shape[3]), dim=2)
        pooled = self.norm(x * gate_h.sigmoid() * gate_w.transpose(2, 3).sigmoid())
        local = self.local(x)
        return x * (_weighed(pooled, local) + _weighed(local, pooled)).sigmoid()


def _weighed(descriptor_of: Tensor, values: Tensor) -> Tensor:
    """Channel-weighted sum of `values` (N, C, h, w) by the other branch's softmax descriptor -> (N, 1, h, w)."""
    weight = descriptor_of.mean((2, 3)).softmax(1)
    return torch.einsum("nc,nchw->nhw", weight, values).unsqueeze(1)


def to_windows(x: Tensor, size: int = WINDOW) -> Tensor:
    """Cut (B, C, H, W) into (B * H/size * W/size, C, size, size); H and W must be multiples of `size`."""
    b, c, h, w = x.shape
    x = x.view(b, c, h // size, size, w // size, size).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(-1, c, size, size)


def from_windows(windows: Tensor, hw: tuple[int, int], size: int = WINDOW) -> Tensor:
    """Inverse of `to_windows` for a map of height and width `hw`."""
    rows, columns = hw[0] // size, hw[1] // size
    c = windows.shape[1]
    x = windows.view(-1, rows, columns, c, size, size).permute(0, 3, 1, 4, 2, 5)
    return x.reshape(-1, c, *hw)


class SmaStem(nn.Module):
    """A residual correction of the image before the patch embedding; zero at the start.

    Shape: (B, 3, H, W) -> (B, 3, H, W), H and W multiples of 14.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.up = nn.Conv2d(width, width, 1)
        self.attention = CrossSpatialAttention(width)
        self.down = nn.Conv2d(width, 4, 1)
        self.leave = ZeroConv2d(7, 3, 3, padding=1)

    def forward(self, pixel_values: Tensor) -> Tensor:
        x = self.up(F.gelu(self.enter(pixel_values)))
        attended = from_windows(self.attention(to_windows(x)), (x.shape[2], x.shape[3]))
        small = F.avg_pool2d(pixel_values, 2)
        change = self.leave(torch.cat((small, self.down(attended).to(small.dtype)), dim=1))
        return pixel_values + F.interpolate(change, scale_factor=2.0, mode="nearest").to(pixel_values.dtype)
