"""What each instrument is, does and does it to: read from the pixels around its tip.

The instrument-action-target triplets of the field (CholecT50, arXiv 2204.05235). A small language model does not learn
these from pixels by itself, so they are found here and travel in the facts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from describer.seg.heads import ConvBlock

CONTEXT = 1.8
"""How much wider than the tip's box the head looks: what is acted on lies beside the tip."""
_CELLS = 8


@dataclass(frozen=True, slots=True)
class ToolLogits:
    """Logits of instruments (..., I), verbs (..., 1 + V) and targets (..., 1 + T); id 0 of the latter two is none."""

    instrument: Tensor
    verb: Tensor
    target: Tensor


class InteractionHead(nn.Module):
    """Tip boxes of a frame -> instrument, verb and target of each.

    `enter` makes one map at stride 8 of everything the decoder knows (features, fused map, class probabilities);
    `forward` looks at it around each box, in 8 x 8 cells, beside the whole frame's mean.
    """

    def __init__(self, classes: int, width: int, instruments: int, verbs: int, targets: int) -> None:
        super().__init__()
        hidden = 3 * width // 4
        self.mix = ConvBlock(width // 2 + width + classes, hidden, kernel=1)
        self.look = nn.Sequential(ConvBlock(hidden, hidden), ConvBlock(hidden, hidden, stride=2))
        self.sizes = (instruments, verbs + 1, targets + 1)
        self.say = nn.Sequential(
            nn.Linear(3 * hidden + 4, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, sum(self.sizes))
        )

    def enter(self, features: Tensor, coarse: Tensor, logits: Tensor) -> Tensor:
        """features (B, width / 2, h, w), coarse (B, width, h', w'), logits (B, C, h, w) -> (B, hidden, h / 2, w / 2).

        Classes are read, not moved: what a thing is stays the segmentation's to learn.
        """
        half = [F.avg_pool2d(maps, 2, ceil_mode=True) for maps in (features, logits.detach().softmax(1))]
        return self.mix(torch.cat((half[0], _at(coarse, half[0]), half[1].to(features.dtype)), dim=1))

    def forward(self, maps: Tensor, boxes_xyxy: Tensor) -> ToolLogits:
        """maps as `enter` gives them; boxes (B, T, 4) as shares of width and height, NaN where there is none.

        The logits of a missing box mean nothing.
        """
        b, t = boxes_xyxy.shape[:2]
        boxes = boxes_xyxy.nan_to_num(0.5).to(maps.dtype)
        cells = F.grid_sample(maps, _grid(boxes), align_corners=False).unflatten(2, (t, _CELLS))
        seen = self.look(cells.transpose(1, 2).flatten(0, 1))
        whole = maps.mean((2, 3))[:, None].expand(b, t, -1).flatten(0, 1)
        pooled = torch.cat((seen.mean((2, 3)), seen.amax((2, 3)), whole, boxes.flatten(0, 1)), dim=1)
        return ToolLogits(*self.say(pooled).float().unflatten(0, (b, t)).split(self.sizes, dim=-1))


def _at(maps: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(maps, size=like.shape[2:], mode="bilinear", align_corners=False)


def _grid(boxes: Tensor) -> Tensor:
    """Sampling points (B, T * cells, cells, 2) in grid_sample's [-1, 1] over each box, widened by `CONTEXT`."""
    centre, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2 * CONTEXT
    steps = (torch.arange(_CELLS, device=boxes.device, dtype=boxes.dtype) + 0.5) / _CELLS * 2 - 1
    x = centre[..., 0, None] + half[..., 0, None] * steps
    y = centre[..., 1, None] + half[..., 1, None] * steps
    points = torch.stack(
        (x[:, :, None, :].expand(-1, -1, _CELLS, -1), y[:, :, :, None].expand(-1, -1, -1, _CELLS)), dim=-1
    )
    return points.flatten(1, 2) * 2 - 1
