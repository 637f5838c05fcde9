"""The interaction head reads what lies at a box, ignores missing boxes, and learns; its losses by hand."""

from __future__ import annotations

import pytest
import torch

from describer.seg.config import SceneConfig
from describer.seg.interaction import InteractionHead, ToolLogits
from describer.seg.losses import box_evidence, interaction_loss
from describer.seg.model import SceneModel

CLASSES, WIDTH = 6, 16
NONE = [float("nan")] * 4


def head() -> InteractionHead:
    torch.manual_seed(0)
    return InteractionHead(CLASSES, WIDTH, instruments=3, verbs=2, targets=4).eval()


def test_shapes_and_the_place_of_a_box() -> None:
    tools = head()
    maps = torch.zeros(1, 12, 16, 20)
    maps[0, :, 2:6, 2:6] = torch.randn(12, 4, 4)
    boxes = torch.tensor([[[0.1, 0.12, 0.3, 0.38], [0.7, 0.6, 0.9, 0.9], NONE]])
    first = tools(maps, boxes)
    assert [t.shape for t in (first.instrument, first.verb, first.target)] == [(1, 3, 3), (1, 3, 3), (1, 3, 5)]
    alone = tools(maps, boxes[:, :1])
    assert torch.allclose(alone.verb[0, 0], first.verb[0, 0], atol=1e-5)  # boxes do not disturb each other


def test_missing_boxes_and_unknown_labels_cost_nothing() -> None:
    logits = ToolLogits(torch.randn(1, 2, 2), torch.randn(1, 2, 3), torch.randn(1, 2, 5))
    boxes = torch.tensor([[[0.1, 0.1, 0.2, 0.2], NONE]])
    labels = torch.tensor([[[4, 1, -1], [3, 2, 2]]])
    by_hand = -logits.instrument[0, 0].log_softmax(0)[1] - logits.verb[0, 0].log_softmax(0)[1]
    assert interaction_loss(logits, labels, boxes, [3, 4]).item() == pytest.approx(by_hand.item(), abs=1e-6)
    nothing = interaction_loss(logits, labels, torch.full((1, 2, 4), float("nan")), [3, 4])
    assert nothing.item() == 0


def test_box_evidence_is_low_where_the_class_is_seen_in_its_box() -> None:
    logits = torch.zeros(1, CLASSES, 16, 16)
    logits[0, 2, 4:12, 4:12] = 12.0
    box = torch.tensor([[[0.25, 0.25, 0.75, 0.75]]])
    seen = box_evidence(logits, box, torch.tensor([[2]]))
    missed = box_evidence(logits, torch.tensor([[[0.8, 0.8, 1.0, 1.0]]]), torch.tensor([[2]]))
    wrong = box_evidence(logits, box, torch.tensor([[3]]))
    assert seen.item() < 0.01 and missed.item() > 1 and wrong.item() > 1
    assert box_evidence(logits, box, torch.tensor([[-1]])).item() == 0


def test_a_scene_model_learns_what_a_tool_does() -> None:
    torch.manual_seed(0)
    tiny = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 56}
    config = SceneConfig(
        backbone=tiny,
        feature_layers=[1, 2, 3, 4],
        decoder_width=16,
        class_names=["background", "hook", "liver"],
        instrument_classes=[1],
        verb_names=["cut", "grasp"],
        target_names=["liver"],
    )
    model = SceneModel(config).train()
    pixels = torch.randn(4, 3, 56, 56) * 0.1
    pixels[::2, 0, 20:40, 20:40] += 2.0  # red at the tip: cutting
    boxes = torch.tensor([0.35, 0.35, 0.7, 0.7]).expand(4, 1, 4)
    labels = torch.tensor([[1, 1, 1], [1, 2, 0]] * 2)[:, None]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        loss = interaction_loss(model(pixels, boxes).tools, labels, boxes, [1])
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2
    assert model(pixels).tools is None  # no boxes, no answer
