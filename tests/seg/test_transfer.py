"""Weights that mean the same survive a change of words; heads of other words start anew."""

from __future__ import annotations

from typing import Any

import torch

from describer.seg.config import SceneConfig
from describer.seg.model import SceneModel
from describer.seg.transfer import average, transfer

TINY = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 56}


def config(**fields: Any) -> SceneConfig:
    words = {"class_names": ["background", "hook", "liver"], "activity_names": ["x", "y"], "verb_names": ["cut"]}
    return SceneConfig(backbone=TINY, feature_layers=[1, 2, 3, 4], decoder_width=16, **(words | fields))


def source(**fields: Any) -> SceneModel:
    torch.manual_seed(1)
    return SceneModel(config(**fields)).eval()


def test_the_same_words_give_the_same_model() -> None:
    old = source()
    new = transfer(old, config()).eval()
    pixels = torch.randn(1, 3, 56, 56)
    assert torch.equal(old(pixels).logits, new(pixels).logits)
    assert torch.equal(old(pixels).activity_logits, new(pixels).activity_logits)


def test_classes_follow_their_names_and_other_heads_start_anew() -> None:
    old = source()
    new = transfer(old, config(class_names=["background", "stomach", "hook"], activity_names=["y", "z"]))
    assert torch.equal(new.classify.weight[2], old.classify.weight[1])
    assert torch.equal(new.classify.bias[0], old.classify.bias[0])
    assert not torch.equal(new.classify.weight[1], old.classify.weight[2])
    assert torch.equal(new.decoder.narrow.weight, old.decoder.narrow.weight)
    assert not torch.equal(new.activity.mlp[2].weight, old.activity.mlp[2].weight)
    assert not torch.equal(new.tools.say[2].weight, old.tools.say[2].weight)


def test_an_adapter_stays_behind_and_the_backbone_under_it_is_kept() -> None:
    old = source(adapter="tesla")
    new = transfer(old, config())
    assert new.config.adapter == "none"
    below = old.state_dict()["backbone.encoder.layer.0.mlp.fc1.base.weight"]
    assert torch.equal(new.state_dict()["backbone.encoder.layer.0.mlp.fc1.weight"], below)


def test_the_average_lies_halfway_and_keeps_what_only_one_has() -> None:
    torch.manual_seed(1)
    first = SceneModel(config(verb_names=[]))
    second = source()
    tools, weight = second.tools.say[0].weight.clone(), second.classify.weight.clone()
    made = average(first, second)
    assert torch.allclose(made.classify.weight, (first.classify.weight + weight) / 2)
    assert torch.equal(made.tools.say[0].weight, tools)
