"""Names of instruments from pixels and tips, and pieces that turn out to be one instrument."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from describer.seg.interaction import ToolLogits
from describer.seg.naming import named
from describer.seg.regions import Part

NAMES = ("hook", "grasper")
NONE = torch.zeros(1, 1, 3)


def part(x0: int, x1: int, label: str = "hook", shaft: int | None = 0) -> Part:
    mask = np.zeros((80, 100), bool)
    mask[30:36, x0:x1] = True
    return Part(mask, label, "instrument", 0.9, float(x1), shaft)


def said(*tips: tuple[float, float]) -> ToolLogits:
    return ToolLogits(torch.tensor([tips]), NONE, NONE)


@pytest.mark.parametrize(
    ("votes", "tip", "called", "score"),
    [
        ((0.4, 0.3), (0.0, 0.0), "hook", 0.4),  # a tip that says nothing leaves the pixels' word and its score
        ((0.4, 0.3), (0.0, 3.0), "grasper", 0.656),  # one that is sure overrules an undecided shaft
        ((0.7, 0.01), (0.0, 3.0), "hook", 0.552),  # but not pixels that are surer still
    ],
)
def test_an_instrument_is_called_what_its_pixels_and_its_tip_say_together(votes, tip, called, score) -> None:
    found = named([part(0, 50)], said(tip), np.array([votes], np.float32), NAMES)
    assert [each.label for each in found] == [called] and found[0].mask.sum() == 6 * 50
    assert found[0].score == pytest.approx(score, abs=2e-3)


def test_pieces_of_a_shaft_that_had_two_names_and_get_one_are_one_instrument() -> None:
    votes = np.array([[0.5, 0.4], [0.1, 0.8]], np.float32)
    pieces = [part(0, 50, "hook"), part(50, 80, "grasper")]
    whole = named(pieces, said((0.0, 3.0), (0.0, 3.0)), votes, NAMES)
    assert len(whole) == 1 and whole[0].label == "grasper" and whole[0].mask.sum() == 6 * 80
    assert whole[0].disparity == 50.0, "as near as its larger piece"
    two = named(pieces, said((3.0, 0.0), (0.0, 3.0)), votes, NAMES)
    assert [each.label for each in two] == ["hook", "grasper"]


def test_instruments_with_shafts_of_their_own_stay_two() -> None:
    votes = np.array([[0.1, 0.8], [0.1, 0.8]], np.float32)
    crossing = [part(0, 50, "hook", shaft=0), part(50, 80, "grasper", shaft=1)]
    drawn = [part(0, 50, "grasper", shaft=None), part(50, 80, "grasper", shaft=None)]
    for pieces in (crossing, drawn):
        assert len(named(pieces, said((0.0, 3.0), (0.0, 3.0)), votes, NAMES)) == 2
