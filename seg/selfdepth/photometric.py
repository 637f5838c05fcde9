"""What a synthesised frame is compared by: multi-scale SSIM and L1, the least over the neighbours, what stands still
left out, and smooth disparity.

0.9 (1 - MS-SSIM) + 0.1 L1 is DARES' (arXiv 2408.17433); least over neighbours, the static mask and mean-normalised
smoothness are Monodepth2's (arXiv 1806.01260); MS-SSIM is Wang, Simoncelli and Bovik's (Asilomar 2003), kept as a map
so that neighbours can be compared pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_C1, _C2 = 0.01**2, 0.03**2
_LEAST = 1e-3  # structure below it counts as none: a fractional power has no slope at 0
_MS_SSIM, _L1 = 0.9, 0.1


def _mean3(maps: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(maps, (1, 1, 1, 1), mode="replicate"), 3, 1)


def _similarity(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure terms of SSIM in 3x3 windows. Shape: (B, C, H, W) each."""
    mean_x, mean_y = _mean3(x), _mean3(y)
    product = mean_x * mean_y
    squares = mean_x.square() + mean_y.square()
    covariance = _mean3(x * y) - product
    variances = (_mean3(x.square() + y.square()) - squares).clamp(min=0)
    return (2 * product + _C1) / (squares + _C1), (2 * covariance + _C2) / (variances + _C2)


def ms_ssim(x: Tensor, y: Tensor, weights: Sequence[float] = MS_SSIM_WEIGHTS) -> Tensor:
    """Multi-scale SSIM around every pixel, from near 0 to 1 for equal pictures.

    Shape: two batches (B, C, H, W) in [0, 1] -> (B, 1, H, W), the mean over the channels.
    """
    hw = x.shape[2:]
    total = x.new_ones(())
    for level, weight in enumerate(weights):
        if level:
            x, y = F.avg_pool2d(x, 2, ceil_mode=True), F.avg_pool2d(y, 2, ceil_mode=True)
        luminance, structure = _similarity(x, y)
        term = structure * luminance if level == len(weights) - 1 else structure
        term = term.clamp(min=_LEAST) ** weight
        total = total * (F.interpolate(term, size=hw, mode="bilinear", align_corners=False) if level else term)
    return total.mean(1, keepdim=True)


def photometric_error(x: Tensor, y: Tensor) -> Tensor:
    """How unlike two pictures (B, C, H, W) in [0, 1] are around every pixel: (B, 1, H, W), 0 where equal."""
    return _MS_SSIM * (1 - ms_ssim(x, y)) + _L1 * (x - y).abs().mean(1, keepdim=True)


def least_error(errors: Sequence[Tensor], seen: Sequence[Tensor]) -> Tensor:
    """The error against the neighbour that shows a pixel best, infinite where none does.

    Shape: one (B, 1, H, W) error and bool mask a neighbour -> (B, 1, H, W).
    """
    pairs = [error.masked_fill(~there, torch.inf) for error, there in zip(errors, seen, strict=True)]
    return torch.stack(pairs).amin(0)


def moving(error: Tensor, still: Tensor) -> Tensor:
    """The pixels that synthesis explains better than no motion does: (B, 1, H, W) bool.

    `error` and `still` (B, 1, H, W) are the least errors of the synthesised and of the unmoved neighbours. What does
    not move relative to the camera (a still view, the dark surround, an instrument held along) is left out.
    """
    return error.detach() < still.detach()


def smoothness(disparity: Tensor, image: Tensor) -> Tensor:
    """Mean slope of the mean-normalised disparity (B, 1, H, W), less where the picture (B, C, H, W) has an edge."""
    relative = disparity / disparity.mean((2, 3), keepdim=True).clamp(min=1e-6)
    slopes = []
    for axis in (2, 3):
        edge = image.diff(dim=axis).abs().mean(1, keepdim=True)
        slopes.append((relative.diff(dim=axis).abs() * (-edge).exp()).mean())
    return slopes[0] + slopes[1]
