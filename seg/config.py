"""The scene model's configuration: everything that decides its shape, and the words its outputs stand for."""

from __future__ import annotations

from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import Dinov2Config, PreTrainedConfig

from describer.errors import DescriberError
from describer.seg.image import TRAIN_HW
from describer.seg.vocabulary import Vocabulary

ADAPTERS = ("none", "tesla", "lora", "vector-lora")
ADAPTER_FIELDS = ("adapter", "adapter_rank", "adapter_alpha", "adapter_vectors", "adapter_gate")
PATCH = 14
INSTRUMENT_CLASSES = tuple(range(1, 10))
"""Ids of the instrument classes in the core taxonomy, what `SOME_INSTRUMENT` pixels may be."""


def embedded_backbone() -> dict[str, Any]:
    """The DINOv2 layout of the packaged model: 3.7 M parameters, patch 14, three heads of 64."""
    return {
        "hidden_size": 192,
        "num_hidden_layers": 8,
        "num_attention_heads": 3,
        "mlp_ratio": 4,
        "patch_size": 14,
        "image_size": 224,
        "use_mask_token": False,
        # LayerScale at 1 is for fine-tuning; from scratch a small start trains faster and never diverges.
        "layerscale_value": 0.1,
    }


@strict
class SceneConfig(PreTrainedConfig):
    r"""
    backbone (`dict`):
        Fields of a `Dinov2Config`; empty means `embedded_backbone()`.
    feature_layers (`list[int]`):
        Four 1-based depths of the backbone read by the dense heads, shallow to deep.
    adapter (`str`):
        "none", "tesla", "lora" or "vector-lora". `adapter_rank` and `adapter_alpha` belong to "tesla" and "lora",
        `adapter_vectors` and `adapter_gate` to "tesla"; the ranks of "vector-lora" follow from the backbone's depth.
    sma_width (`int`):
        Width of the multi-scale attention stem, 0 to leave it out.
    decoder_width (`int`):
        Channels of the fused token grid; the stride-4 path has half of them.
    class_names (`list[str]`), activity_names (`list[str]`), phase_names (`list[str]`):
        What the channels of the logits stand for; no activities or phases means no such head.
    verb_names (`list[str]`), target_names (`list[str]`):
        What an instrument may do and to what, ids from 1 on; no verbs means no interaction head.
    instrument_classes (`list[int]`):
        Class ids that are instruments.
    taxonomy (`str`):
        Id of the taxonomy that `class_names` come from.
    depth (`bool`):
        Whether the model has a depth head.
    looks (`bool`):
        Whether it has a head that tells how regions and the view look.
    input_hw (`list[int]`):
        Height and width that frames are brought to, multiples of 14: what the model is trained at.
    """

    model_type = "describer_scene"

    backbone: dict | None = None
    feature_layers: list[int] | tuple[int, ...] = (2, 4, 6, 8)
    adapter: str = "none"
    adapter_rank: int = 4
    adapter_alpha: float | int = 4
    adapter_vectors: bool = True
    adapter_gate: bool = False
    sma_width: int = 0
    decoder_width: int = 64
    class_names: list[str] | tuple[str, ...] = ()
    activity_names: list[str] | tuple[str, ...] = ()
    phase_names: list[str] | tuple[str, ...] = ()
    verb_names: list[str] | tuple[str, ...] = ()
    target_names: list[str] | tuple[str, ...] = ()
    instrument_classes: list[int] | tuple[int, ...] = INSTRUMENT_CLASSES
    taxonomy: str = "core"
    depth: bool = True
    looks: bool = False
    input_hw: list[int] | tuple[int, ...] = TRAIN_HW

    def __post_init__(self, **kwargs: Any) -> None:
        self.backbone = dict(self.backbone) if self.backbone else embedded_backbone()
        self.feature_layers = [int(layer) for layer in self.feature_layers]
        self.input_hw = [int(side) for side in self.input_hw]
        for field in ("class_names", "activity_names", "phase_names", "verb_names", "target_names"):
            setattr(self, field, list(getattr(self, field)))
        # Ids beyond the label list would index past the logits: a shorter taxonomy simply has fewer.
        self.instrument_classes = [c for c in self.instrument_classes if c < len(self.class_names)]
        self._check()
        super().__post_init__(**kwargs)

    def _check(self) -> None:
        depth = self.backbone_config().num_hidden_layers
        if len(self.feature_layers) != 4 or not all(1 <= k <= depth for k in self.feature_layers):
            raise DescriberError(
                f"feature_layers must be four depths from 1 to {depth}, got {self.feature_layers}; "
                "give one for each quarter of the backbone."
            )
        if self.backbone_config().patch_size != PATCH:
            raise DescriberError(f"The backbone's patch_size must be {PATCH}; take a DINOv2 model.")
        if self.adapter not in ADAPTERS:
            raise DescriberError(f"adapter '{self.adapter}' is unknown; choose one of {', '.join(ADAPTERS)}.")
        if self.adapter_rank < 1:
            raise DescriberError(f"adapter_rank must be at least 1, got {self.adapter_rank}.")
        if self.decoder_width < 16 or self.decoder_width % 16:
            raise DescriberError(f"decoder_width must be a multiple of 16, got {self.decoder_width}.")
        if len(self.input_hw) != 2 or any(side < PATCH or side % PATCH for side in self.input_hw):
            raise DescriberError(f"input_hw must be two multiples of {PATCH}, got {self.input_hw}.")
        if self.sma_width < 0 or self.sma_width % 4:
            raise DescriberError(f"sma_width must be 0 or a multiple of 4, got {self.sma_width}.")

    @property
    def vocabulary(self) -> Vocabulary:
        """The words of every head."""
        return Vocabulary(
            tuple(self.class_names),
            tuple(self.activity_names),
            tuple(self.phase_names),
            tuple(self.verb_names),
            tuple(self.target_names),
        )

    def backbone_config(self) -> Dinov2Config:
        """The backbone's own configuration object."""
        return Dinov2Config(**(self.backbone or {}))
