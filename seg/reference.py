"""The public EndoARSS reference design (arXiv 2506.06830), for the benchmark only: what ours is measured against.

It differs from the paper's drawing as its public code does. The last feature level (N tokens, hidden) is read as N
channels on an "image" of the hidden dimensions, 256 x (16, 48) at ViT-B and 224 x 224 px, which scrambles space. Stem,
segmentation and activity head all have the reference's widths. Where its training script is weaker than its paper, this
variant follows the paper: the stem is trained (the script leaves it frozen at its random start), and so is TESLA's
second phase.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import Dinov2Model, PreTrainedModel

from describer.errors import DescriberError
from describer.seg.adapters import add_adapter
from describer.seg.config import PATCH, SceneConfig
from describer.seg.heads import ConvBlock
from describer.seg.model import SceneModel, SceneOutput, interpolate
from describer.seg.sma import WINDOW, CrossSpatialAttention

STEM_WIDTH = 512
HEAD_WIDTH = 256
ASPP_RATES = (12, 24, 36)
DROPOUT = 0.5


class ReferenceStem(nn.Module):
    """SMA at width 512 on every pixel; its output replaces the image.

    The attention runs over all windows at once: the 49 places in a window are its channels, windows and width the two
    axes of its map. Shape: (B, 3, H, W) -> (B, 3, H, W), H and W multiples of 7.
    """

    def __init__(self, width: int = STEM_WIDTH) -> None:
        super().__init__()
        places = WINDOW * WINDOW
        self.near = nn.Conv2d(3, 3, 3, padding=1)
        self.up = nn.Conv2d(3, width, 1)
        self.attention = CrossSpatialAttention(places, groups=places)
        self.down = nn.Conv2d(width, 3, 1)
        self.leave = nn.Conv2d(6, 3, 3, padding=1)

    def forward(self, pixel_values: Tensor) -> Tensor:
        b, _, h, w = pixel_values.shape
        grid = (h // WINDOW, w // WINDOW)
        x = self.up(self.near(pixel_values)).unflatten(3, (grid[1], WINDOW)).unflatten(2, (grid[0], WINDOW))
        windows = x.permute(0, 3, 5, 2, 4, 1).reshape(b, WINDOW * WINDOW, grid[0] * grid[1], -1)
        x = self.attention(windows).reshape(b, WINDOW, WINDOW, *grid, -1).permute(0, 5, 3, 1, 4, 2)
        return self.leave(torch.cat((pixel_values, self.down(x.reshape(b, -1, h, w))), dim=1))


class ReferencePyramid(nn.Module):
    """ASPP at the reference's rates, then a 3x3 convolution and the classes. Shape: (B, N, h, w) -> (B, C, h, w)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                ConvBlock(channels, HEAD_WIDTH, kernel=1),
                *(ConvBlock(channels, HEAD_WIDTH, rate=rate) for rate in ASPP_RATES),
            ]
        )
        self.pooled = nn.Sequential(nn.Conv2d(channels, HEAD_WIDTH, 1), nn.ReLU())
        self.project = ConvBlock(HEAD_WIDTH * (len(self.branches) + 1), HEAD_WIDTH, kernel=1)
        self.classify = nn.Sequential(
            nn.Dropout(DROPOUT), ConvBlock(HEAD_WIDTH, HEAD_WIDTH), nn.Conv2d(HEAD_WIDTH, classes, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        whole = self.pooled(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        logits: Tensor = self.classify(self.project(torch.cat([*(branch(x) for branch in self.branches), whole], 1)))
        return logits


class ReferenceActivity(nn.Module):
    """Activity from the pooled last feature. Shape: (B, N, h, w) -> (B, K)."""

    def __init__(self, channels: int, activities: int) -> None:
        super().__init__()
        self.mix = ConvBlock(channels, HEAD_WIDTH)
        self.say = nn.Linear(HEAD_WIDTH, activities)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.say(self.mix(x).mean((2, 3)))
        return logits


def hidden_image(hidden: int, grid_rows: int) -> tuple[int, int]:
    """Height and width that `hidden` numbers are laid out in: as many rows as the token grid has, or the next fewer.

    768 and 16 rows give the reference's (16, 48).
    """
    rows = next(r for r in range(min(grid_rows, hidden), 0, -1) if hidden % r == 0)
    return rows, hidden // rows


class ReferenceModel(SceneModel):
    """The reference with `SceneModel`'s forward, so that one trainer, one set of losses and one scoring serve both.

    Shape: pixel_values (B, 3, *config.input_hw) and no other size, because the tokens are its channels. It has no heads
    but classes and activities; of the adapter fields use "tesla" with vectors and without gate, as its script runs it.
    `sma_width`, `feature_layers` and `decoder_width` mean nothing here.
    """

    def __init__(self, config: SceneConfig) -> None:
        PreTrainedModel.__init__(self, config)  # not SceneModel's, which builds the heads that this one does without
        backbone = config.backbone_config()
        grid = (config.input_hw[0] // PATCH, config.input_hw[1] // PATCH)
        self.layout = hidden_image(backbone.hidden_size, grid[0])
        channels = grid[0] * grid[1]
        self.backbone = Dinov2Model(backbone)
        self.sma = ReferenceStem()  # type: ignore[assignment]  # another stem in the same place
        self.segment = ReferencePyramid(channels, len(config.class_names))
        self.say_activity = ReferenceActivity(channels, len(config.activity_names)) if config.activity_names else None
        self.post_init()
        if config.adapter != "none":
            add_adapter(self.backbone, config)

    def forward(self, pixel_values: Tensor, tool_boxes_xyxy: Tensor | None = None) -> SceneOutput:
        """Classes at stride 4, upsampled from the hidden "image", and activities; boxes are not looked at."""
        height, width = pixel_values.shape[2:]
        if [height, width] != list(self.config.input_hw):
            raise DescriberError(f"The reference takes frames of {self.config.input_hw}, got {[height, width]}.")
        seen = self.sma(pixel_values)  # type: ignore[misc]  # never None here
        tokens = self.backbone(seen).last_hidden_state[:, 1:]
        image = tokens.unflatten(2, self.layout)
        return SceneOutput(
            logits=interpolate(self.segment(image), (-(-height // 4), -(-width // 4))),
            activity_logits=None if self.say_activity is None else self.say_activity(image),
        )
