"""The scene model: one DINOv2 backbone, dense classes, activity and depth, in Hugging Face's own format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Dinov2Config, Dinov2Model, PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput

from describer.errors import DescriberError
from describer.seg.adapters import add_adapter, merge_adapter
from describer.seg.config import ADAPTER_FIELDS, PATCH, SceneConfig
from describer.seg.heads import ActivityHead, DenseDecoder, DepthHead
from describer.seg.interaction import InteractionHead, ToolLogits
from describer.seg.looks import LookLogits, LooksHead, class_shares, part_shares
from describer.seg.sma import SmaStem, ZeroConv2d

NEAR, FAR = 1.0, 100.0
"""Depths that a disparity of 1 and 0 stand for; the unit is free, since depth is learned up to scale."""


@dataclass
class SceneOutput(ModelOutput):
    """What one forward gives.

    logits: (B, C, ceil(H/4), ceil(W/4)); activity_logits: (B, K); phase_logits: (B, P); disparity: (B, 1, h, w) in
    (0, 1) each, finest first, four scales in training and one otherwise; tool_maps: what `SceneModel.tools` reads at
    the boxes; tools: its answer for the boxes that were given; look_maps: what `SceneModel.looks` reads at regions,
    outside of training. What the model has no head for is None.
    """

    logits: Tensor | None = None
    activity_logits: Tensor | None = None
    phase_logits: Tensor | None = None
    disparity: tuple[Tensor, ...] | None = None
    tool_maps: Tensor | None = None
    tools: ToolLogits | None = None
    look_maps: Tensor | None = None


class SceneModel(PreTrainedModel):
    """Classes, activity and depth of endoscopic frames.

    Shape: pixel_values (B, 3, H, W) as `image.to_pixels` gives them, H and W multiples of the patch (14).
    """

    config: SceneConfig
    config_class = SceneConfig
    base_model_prefix = "scene"
    main_input_name = "pixel_values"
    _supports_sdpa = True

    def __init__(self, config: SceneConfig) -> None:
        super().__init__(config)
        if not config.class_names:
            raise DescriberError("SceneConfig.class_names is empty; give the taxonomy's class names.")
        backbone = config.backbone_config()
        self.backbone = Dinov2Model(backbone)
        self.sma = SmaStem(config.sma_width) if config.sma_width else None
        self.decoder = DenseDecoder(backbone.hidden_size, config.decoder_width)
        self.classify = nn.Conv2d(config.decoder_width // 2, len(config.class_names), 1)
        shape = (backbone.hidden_size, len(config.class_names), config.decoder_width)
        self.activity = ActivityHead(*shape, len(config.activity_names)) if config.activity_names else None
        self.phase = ActivityHead(*shape, len(config.phase_names)) if config.phase_names else None
        self.tools = (
            InteractionHead(
                *shape[1:], len(config.instrument_classes), len(config.verb_names), len(config.target_names)
            )
            if config.verb_names
            else None
        )
        self.depth = DepthHead(backbone.hidden_size, config.decoder_width) if config.depth else None
        self.looks = LooksHead(len(config.class_names)) if config.looks else None
        self.post_init()
        if config.adapter != "none":  # after post_init, whose initialisation would move a zero B
            add_adapter(self.backbone, config)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """He initialisation for this model's convolutions; the backbone initialises itself."""
        super()._init_weights(module)
        if isinstance(module, ZeroConv2d):
            init.zeros_(module.weight)
        elif isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")

    @classmethod
    def from_backbone(cls, path: str | Path, config: SceneConfig) -> SceneModel:
        """A new model around the weights of a local DINOv2 folder, whose fields replace `config.backbone`.

        Feature layers made for another depth become the ends of the backbone's four quarters.
        """
        folder = Path(path).resolve()
        if not (folder / "config.json").is_file():
            raise DescriberError(f"{folder}: no DINOv2 model there (config.json is missing); give a saved folder.")
        backbone = Dinov2Model.from_pretrained(folder, dtype=torch.float32)
        layers, deep = config.feature_layers, backbone.config.num_hidden_layers
        if deep != config.backbone_config().num_hidden_layers:
            layers = [deep * k // 4 for k in (1, 2, 3, 4)]
        own = {"backbone": _own_fields(backbone.config), "feature_layers": layers, "adapter": "none"}
        fields = config.to_dict() | own
        model = cls(SceneConfig(**fields))
        model.backbone.load_state_dict(backbone.state_dict())
        if config.adapter != "none":
            model.adapt_backbone(config)
        return model

    def adapt_backbone(self, config: SceneConfig) -> None:
        """Freeze the backbone and give it the adapter that `config`'s adapter fields name."""
        wanted = {name: getattr(config, name) for name in ADAPTER_FIELDS}
        # This model's backbone may be deeper than the one `config` was written for.
        add_adapter(self.backbone, SceneConfig(**{**self.config.to_dict(), **wanted}))
        for name, value in wanted.items():
            setattr(self.config, name, value)

    def merge_adapter(self) -> None:
        """Fold an ungated adapter into the backbone; afterwards the model is a plain one with equal outputs."""
        merge_adapter(self.backbone)
        self.config.adapter = "none"

    def forward(self, pixel_values: Tensor, tool_boxes_xyxy: Tensor | None = None) -> SceneOutput:
        """All heads on a batch; `tools` also where boxes (B, T, 4) are given as `InteractionHead` takes them."""
        levels, tokens = self._levels(pixel_values)
        features, coarse = self.decoder(levels, pixel_values)
        logits = self.classify(features)
        maps = tools = None
        if self.tools is not None:
            maps = self.tools.enter(features, coarse, logits)
            tools = None if tool_boxes_xyxy is None else self.tools(maps, tool_boxes_xyxy)
        look_maps = None
        if self.looks is not None and not self.training:
            look_maps = self.looks.enter(pixel_values, logits.softmax(1))
        return SceneOutput(
            logits=logits,
            activity_logits=None if self.activity is None else self.activity(tokens, logits, coarse),
            phase_logits=None if self.phase is None else self.phase(tokens, logits, coarse),
            disparity=None if self.depth is None else self.depth(levels, coarse, features),
            tool_maps=maps,
            tools=tools,
            look_maps=look_maps,
        )

    def see_looks(self, pixel_values: Tensor, labels: Tensor, parts: Tensor) -> LookLogits:
        """Looks by the classes of a label map (B, H, W) instead of those the model finds, of ``parts`` as `part_shares`
        takes them: what the looks head learns of, without the rest of the model."""
        if self.looks is None:
            raise DescriberError("The model has no looks head; train one with `looks` on.")
        hw = (-(-pixel_values.shape[2] // 4), -(-pixel_values.shape[3] // 4))
        shares = class_shares(labels, len(self.config.class_names), hw)
        said: LookLogits = self.looks(self.looks.enter(pixel_values, shares), part_shares(parts, hw))
        return said

    def see_depth(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """`SceneOutput.disparity` alone. Gradients reach the depth head and nothing else."""
        inputs = self.depth_inputs(pixel_values)
        assert self.depth is not None  # depth_inputs has looked
        disparity: tuple[Tensor, ...] = self.depth(*inputs)
        return disparity

    @torch.no_grad()
    def depth_inputs(self, pixel_values: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """What the depth head reads; a learner whose depth head alone moves needs it once a frame."""
        if self.depth is None:
            raise DescriberError("The model has no depth head; train one with `depth` on.")
        levels, _ = self._levels(pixel_values)
        features, coarse = self.decoder(levels, pixel_values)
        return levels, coarse, features

    def _levels(self, pixel_values: Tensor) -> tuple[list[Tensor], Tensor]:
        """Four token grids (B, C, H / 14, W / 14), shallow to deep, and the last one's tokens (B, 1 + N, C)."""
        patch = PATCH
        if pixel_values.shape[2] % patch or pixel_values.shape[3] % patch:
            raise DescriberError(
                f"Input of {pixel_values.shape[2]} x {pixel_values.shape[3]} (H x W) is not a multiple of {patch}; "
                "use image.to_pixels with image.TRAIN_HW."
            )
        grid = (pixel_values.shape[2] // patch, pixel_values.shape[3] // patch)
        seen = pixel_values if self.sma is None else self.sma(pixel_values)
        states = self.backbone(seen, output_hidden_states=True).hidden_states
        tokens = [self.backbone.layernorm(states[k]) for k in self.config.feature_layers]
        return [_as_map(t, grid) for t in tokens], tokens[-1]


def _as_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, 1 + N, C) -> (B, C, *grid): the class token is dropped, rows stay rows."""
    return tokens[:, 1:].transpose(1, 2).unflatten(2, grid)


def _own_fields(config: Dinov2Config) -> dict:
    """The backbone fields worth writing: those that differ from Dinov2Config's defaults."""
    return {k: v for k, v in config.to_diff_dict().items() if k in Dinov2Config.__annotations__} | {
        "hidden_size": config.hidden_size
    }


def interpolate(maps: Tensor, hw: tuple[int, int]) -> Tensor:
    """Resize logits or disparity (B, C, h, w) to (B, C, *hw) in float32, corners not aligned."""
    return F.interpolate(maps.float(), size=hw, mode="bilinear", align_corners=False)


def disparity_to_depth(disparity: Tensor) -> Tensor:
    """Disparity in (0, 1) -> depth from NEAR to FAR."""
    return 1 / (1 / FAR + (1 / NEAR - 1 / FAR) * disparity.float())
