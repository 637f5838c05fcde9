"""Model cards: every number that a run measured is on its card, and nothing stands for what was not measured."""

from __future__ import annotations

from describer.cards import scene_card

PLAIN = {"n": 5, "miou": 0.5, "iou": {"liver": 0.5, "polyp": None}}
BOXES = {
    "n": 4,
    "all": None,
    "instruments": {"ap": 0.25, "ap50": 0.5, "ap75": None, "n_objects": 9},
    "any instrument": {"ap": 0.375, "ap50": 0.625, "ap75": 0.125, "n_objects": 9},
}


def test_boxes_are_on_the_card_where_they_were_scored() -> None:
    card = scene_card({"rendered, held out": PLAIN | {"boxes": BOXES}, "gae, held out": PLAIN}, "make", "data", "MIT")
    assert "| rendered, held out: instruments | 4 | 9 | 0.250 | 0.500 | - |" in card
    assert "| rendered, held out: any instrument | 4 | 9 | 0.375 | 0.625 | 0.125 |" in card
    assert "held out: all" not in card and "gae, held out: " not in card
    assert "(COCO)" not in scene_card({"rendered, held out": PLAIN}, "make", "data", "MIT")
