"""The reference variant: what it reads as what, and that it trains and scores through our own code."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from describer.errors import DescriberError
from describer.seg.config import SceneConfig
from describer.seg.data import BatchLoader, CachedDataset, Source
from describer.seg.reference import ReferenceModel, ReferenceStem, hidden_image
from describer.seg.scoring import evaluate_scene
from describer.seg.sma import CrossSpatialAttention
from describer.seg.trainer import Trainer, TrainSettings

HW = (42, 56)
TINY = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 56}


def config(**fields: object) -> SceneConfig:
    named = {"class_names": list("abcd"), "activity_names": ["x", "y"], "depth": False, "input_hw": HW}
    return SceneConfig(backbone=TINY, feature_layers=[1, 1, 2, 2], **(named | fields))


@pytest.mark.parametrize(
    ("hidden", "rows", "expected"),
    [
        (768, 16, (16, 48)),
        (192, 16, (16, 12)),
        (384, 16, (16, 24)),
        (192, 10, (8, 24)),
        (768, 20, (16, 48)),
        (7, 5, (1, 7)),
    ],
)
def test_hidden_dimensions_as_an_image(hidden: int, rows: int, expected: tuple[int, int]) -> None:
    assert hidden_image(hidden, rows) == expected


def test_tokens_are_channels() -> None:
    torch.manual_seed(0)
    model = ReferenceModel(config()).eval()
    seen = []
    model.segment.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        pixels = torch.randn(2, 3, *HW)
        output = model(pixels)
        tokens = model.backbone(model.sma(pixels)).last_hidden_state[:, 1:]
    assert output.logits.shape == (2, 4, math.ceil(HW[0] / 4), math.ceil(HW[1] / 4))
    assert output.activity_logits.shape == (2, 2) and output.disparity is None and output.tools is None
    assert seen[0].shape == (2, 3 * 4, 3, 8)
    assert torch.equal(seen[0].flatten(2), tokens)
    with pytest.raises(DescriberError, match="42, 56"):
        model(torch.randn(1, 3, 56, 56))


def test_stem_puts_every_pixel_back() -> None:
    """With an attention that changes nothing the windows must undo themselves."""
    stem = ReferenceStem(8)
    pixels = torch.randn(2, 3, 14, 21)
    stem.attention = torch.nn.Identity()  # type: ignore[assignment]
    whole = stem(pixels)
    plain = stem.leave(torch.cat((pixels, stem.down(stem.up(stem.near(pixels)))), dim=1))
    assert torch.allclose(whole, plain, atol=1e-6)


def test_stem_attends_across_windows() -> None:
    seen: list[torch.Tensor] = []
    stem = ReferenceStem(8)
    stem.attention.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    stem(torch.randn(2, 3, 14, 21))
    assert isinstance(stem.attention, CrossSpatialAttention) and seen[0].shape == (2, 49, 6, 8)


def test_it_trains_with_its_adapter_and_is_scored(tiny_frames: Path) -> None:
    torch.manual_seed(0)
    model = ReferenceModel(config(adapter="tesla"))
    data = CachedDataset(tiny_frames)
    settings = TrainSettings(steps=4, stage="adapter", batch_size=4, hw=HW, warmup_steps=1, phase1_share=0.5)
    trainer = Trainer(model, settings)
    loader = BatchLoader([Source(data)], 4, hw=HW)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    told = [trainer.step(next(loader))[1] for _ in range(4)]
    loader.close()
    assert set(told[0]) == {"segmentation", "activity"}
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert {"sma.leave.weight", "segment.classify.2.weight", "say_activity.say.weight"} <= moved
    assert {name.rsplit(".", 1)[1] for name in moved if name.startswith("backbone.")} == {"A", "B", "u", "v"}
    scores = evaluate_scene(model, data)
    assert scores["n"] == 8 and scores["miou"] is not None and scores["depth_abs_rel"] is None


def test_round_trip_and_backbone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first = ReferenceModel(config(adapter="tesla")).eval()
    first.save_pretrained(tmp_path / "whole")
    again = ReferenceModel.from_pretrained(tmp_path / "whole").eval()
    pixels = torch.randn(1, 3, *HW)
    with torch.no_grad():
        assert torch.equal(first(pixels).logits, again(pixels).logits)
    plain = ReferenceModel(config())
    plain.backbone.save_pretrained(tmp_path / "backbone")
    started = ReferenceModel.from_backbone(tmp_path / "backbone", config(adapter="tesla"))
    name = "embeddings.position_embeddings"
    assert torch.equal(started.backbone.state_dict()[name], plain.backbone.state_dict()[name])
    assert started.config.adapter == "tesla" and any("fc1.A" in key for key in started.state_dict())
