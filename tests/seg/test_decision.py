"""Instruments compete with tissues together."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from describer.seg.decision import decide


def test_instruments_that_share_their_probability_win_together() -> None:
    probabilities = np.array([0.0, 0.25, 0.30, 0.45]).reshape(4, 1, 1)
    assert decide(probabilities, [1, 2])[0, 0] == 2
    assert decide(probabilities, [])[0, 0] == 3


def test_instruments_must_outweigh_everything_else_together() -> None:
    probabilities = np.array([0.28, 0.20, 0.22, 0.30]).reshape(4, 1, 1)
    assert decide(probabilities, [1, 2])[0, 0] == 3


@given(st.integers(0, 10_000))
def test_without_instruments_or_with_one_of_two_classes_it_is_the_plain_winner(seed: int) -> None:
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(5), size=(3, 4)).transpose(2, 0, 1)
    assert (decide(probabilities, []) == probabilities.argmax(axis=0)).all()
    two = np.stack([probabilities[0], 1 - probabilities[0]])
    assert (decide(two, [1]) == two.argmax(axis=0)).all()
