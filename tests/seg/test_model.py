"""The scene model: shapes, files, adapters, stem, and its configuration's refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Dinov2Config, Dinov2Model

from describer.errors import DescriberError
from describer.seg.config import SceneConfig
from describer.seg.heads import DenseDecoder
from describer.seg.model import SceneModel, SceneOutput, disparity_to_depth, interpolate
from describer.seg.sma import SmaStem, from_windows, to_windows
from tests.tiny import BACKBONE as TINY


def config(**fields: Any) -> SceneConfig:
    base: dict[str, Any] = {
        "backbone": TINY,
        "feature_layers": [1, 2, 3, 4],
        "class_names": ["background", "grasper", "liver", "fat"],
        "activity_names": ["cutting", "suction"],
        "decoder_width": 16,
    }
    return SceneConfig(**(base | fields))


def model(**fields: Any) -> SceneModel:
    torch.manual_seed(0)
    return SceneModel(config(**fields)).eval()


def run(net: SceneModel, h: int = 56, w: int = 84) -> SceneOutput:
    torch.manual_seed(1)
    with torch.no_grad():
        return net(torch.randn(2, 3, h, w))


@pytest.mark.parametrize("h, w", [(56, 56), (42, 98), (98, 42), (28, 140)])
def test_any_multiple_of_the_patch(h: int, w: int) -> None:
    output = run(model(sma_width=8), h, w)
    quarter = (-(-h // 4), -(-w // 4))
    assert output.logits is not None and output.disparity is not None
    assert output.activity_logits is not None
    assert output.logits.shape == (2, 4, *quarter)
    assert output.activity_logits.shape == (2, 2)
    assert [d.shape for d in output.disparity] == [(2, 1, *quarter)]
    assert interpolate(output.logits, (h + 3, w)).shape == (2, 4, h + 3, w)


@pytest.mark.parametrize("h, w", [(56, 70), (42, 98)])
def test_decoder_meets_at_strides_4_and_16(h: int, w: int) -> None:
    levels = [torch.randn(2, 32, h // 14, w // 14) for _ in range(4)]
    features, coarse = DenseDecoder(32, 16).eval()(levels, torch.randn(2, 3, h, w))
    assert features.shape == (2, 8, -(-h // 4), -(-w // 4)) and coarse.shape == (2, 16, -(-h // 16), -(-w // 16))


def test_four_disparity_scales_in_training() -> None:
    output = run(model().train(), 56, 112)
    assert output.disparity is not None
    assert [tuple(d.shape[2:]) for d in output.disparity] == [(14, 28), (7, 14), (4, 7), (2, 4)]
    assert all(((d > 0) & (d < 1)).all() for d in output.disparity)


def test_a_frame_does_not_depend_on_its_batch() -> None:
    net, x = model(sma_width=8), torch.randn(3, 3, 56, 70)
    with torch.no_grad():
        assert torch.allclose(net(x).logits[1:2], net(x[1:2]).logits, atol=1e-5)


def test_heads_that_are_off_give_none() -> None:
    output = run(model(depth=False, activity_names=[]))
    assert output.activity_logits is None and output.disparity is None


def test_level_order_and_space_are_kept() -> None:
    """A change in one corner of the image moves the logits there more than in the opposite corner."""
    net, x = model(), torch.zeros(1, 3, 56, 112)
    y = x.clone()
    y[..., :14, :14] = 2.0
    with torch.no_grad():
        moved = (net(y).logits - net(x).logits).abs().sum(1)[0]
    assert moved[:4, :4].mean() > 2 * moved[-4:, -4:].mean()


@pytest.mark.parametrize("gate", [False, True])
@pytest.mark.parametrize("fields", [{}, {"adapter": "tesla", "sma_width": 8}])
def test_save_and_load_are_equal(tmp_path: Path, fields: dict[str, Any], gate: bool) -> None:
    net = model(**fields, adapter_gate=gate)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    net.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    again = SceneModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert again.config.class_names == net.config.class_names
    kept = again.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in net.state_dict().items())
    # Memory-mapped weights may be aligned otherwise, which changes the last bits of a product.
    for first, second in zip(run(net).to_tuple()[:2], run(again).to_tuple()[:2], strict=True):
        assert torch.allclose(first, second, atol=1e-5)


def test_from_backbone_takes_the_weights(tmp_path: Path) -> None:
    torch.manual_seed(5)
    backbone = Dinov2Model(Dinov2Config(**(TINY | {"num_hidden_layers": 5}))).eval()
    backbone.save_pretrained(tmp_path)
    wanted = config(backbone=TINY | {"num_hidden_layers": 5}, adapter="tesla", sma_width=8, feature_layers=[1, 2, 3, 5])
    net = SceneModel.from_backbone(tmp_path, wanted).eval()
    x = torch.randn(1, 3, 56, 56)
    with torch.no_grad():
        expected = backbone(x).last_hidden_state
        assert torch.allclose(net.backbone(net.sma(x)).last_hidden_state, expected, atol=1e-5)
    assert net.config.adapter == "tesla" and net.config.backbone_config().num_hidden_layers == 5
    net.save_pretrained(tmp_path / "scene")
    again = SceneModel.from_pretrained(tmp_path / "scene", dtype=torch.float32).eval()
    assert torch.allclose(run(net).logits, run(again).logits, atol=1e-5)
    with pytest.raises(DescriberError, match="no DINOv2 model"):
        SceneModel.from_backbone(tmp_path / "absent", config())


def test_merged_model_is_a_plain_one(tmp_path: Path) -> None:
    net = model(adapter="tesla")
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith(".B"):
                parameter.normal_(std=0.1)
    before = run(net)
    net.merge_adapter()
    net.save_pretrained(tmp_path)
    again = SceneModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert again.config.adapter == "none"
    assert torch.allclose(run(again).logits, before.logits, atol=1e-5)


def test_stem_starts_as_the_identity_and_learns() -> None:
    x = torch.randn(2, 3, 42, 70)
    stem = SmaStem(8)
    assert torch.equal(stem(x), x)
    torch.nn.init.normal_(stem.leave.weight)
    changed = stem(x)
    changed.square().sum().backward()
    assert not torch.equal(changed, x)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in stem.named_parameters() if "mix" in n)


def test_windows_round_trip() -> None:
    x = torch.arange(2 * 3 * 14 * 21).float().view(2, 3, 14, 21)
    windows = to_windows(x)
    assert windows.shape == (12, 3, 7, 7)
    assert torch.equal(windows[1], x[0, :, :7, 7:14])
    assert torch.equal(from_windows(windows, (14, 21)), x)


@pytest.mark.parametrize(
    "fields, word",
    [
        ({"adapter": "lora9"}, "lora9"),
        ({"feature_layers": [1, 2, 3]}, "feature_layers"),
        ({"feature_layers": [1, 2, 3, 9]}, "feature_layers"),
        ({"adapter_rank": 0}, "adapter_rank"),
        ({"decoder_width": 20}, "decoder_width"),
        ({"sma_width": 6}, "sma_width"),
    ],
)
def test_bad_configurations_are_refused(fields: dict[str, Any], word: str) -> None:
    with pytest.raises(DescriberError, match=word):
        config(**fields)


def test_bad_input_size_names_the_remedy() -> None:
    with pytest.raises(DescriberError, match="multiple of 14"):
        run(model(), 56, 60)


def test_embedded_preset_size() -> None:
    names = [str(k) for k in range(22)]
    net = SceneModel(SceneConfig(class_names=names, activity_names=names[:13], sma_width=8))
    assert 3.5e6 < sum(p.numel() for p in net.parameters()) < 7e6


def test_depth_alone_is_the_same_and_moves_its_head_alone() -> None:
    net, pixels = model(), torch.randn(2, 3, 56, 84)
    seen = net.see_depth(pixels)[0]
    assert torch.equal(seen, net(pixels).disparity[0])
    seen.sum().backward()
    moved = {name.split(".")[0] for name, p in net.named_parameters() if p.grad is not None}
    assert moved == {"depth"}


def test_depth_is_read_from_the_whole_view() -> None:
    net, pixels = model(), torch.randn(1, 3, 56, 84)
    torch.nn.init.normal_(net.depth.out[0].weight)  # which starts at zero: a flat depth
    levels, coarse, features = net.depth_inputs(pixels)
    before = net.depth(levels, coarse, features)[0]
    levels[0][..., 0, 0] += 1.0  # one corner's token says something else
    assert not torch.allclose(net.depth(levels, coarse, features)[0][..., -1, -1], before[..., -1, -1], atol=1e-6)


def test_no_depth_is_told() -> None:
    net = model(depth=False)
    with pytest.raises(DescriberError, match="no depth head"):
        net.see_depth(torch.zeros(1, 3, 56, 56))


def test_disparity_runs_from_far_to_near() -> None:
    depth = disparity_to_depth(torch.tensor([0.0, 0.5, 1.0]))
    assert depth[0] > depth[1] > depth[2]
    assert torch.allclose(depth[[0, 2]], torch.tensor([100.0, 1.0]))
