"""A random scene model of a few thousand weights, saved the way trained ones are."""

from __future__ import annotations

from pathlib import Path

import torch

from describer.seg.config import SceneConfig
from describer.seg.model import SceneModel
from describer.seg.synth import CORE_NAMES
from describer.taxonomy import load_taxonomy

BACKBONE = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "mlp_ratio": 2,
    "image_size": 56,
    "patch_size": 14,
}


def tiny_scene_model() -> SceneModel:
    """Random weights, the core classes and activities; logits steep enough to give several regions a frame."""
    torch.manual_seed(3)
    model = SceneModel(
        SceneConfig(
            backbone=BACKBONE,
            feature_layers=[1, 2, 3, 4],
            class_names=CORE_NAMES,
            activity_names=load_taxonomy("core").activities,
            decoder_width=16,
        )
    )
    with torch.no_grad():
        model.classify.weight.mul_(6)
    return model.eval()


def save_tiny_scene_model(folder: Path) -> Path:
    tiny_scene_model().save_pretrained(folder)
    return folder
