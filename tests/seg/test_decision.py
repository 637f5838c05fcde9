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


@given(st.integers(0, 10_000))
def test_with_one_instrument_it_is_the_plain_winner(seed: int) -> None:
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(5), size=(3, 4)).transpose(2, 0, 1)
    assert (decide(probabilities, [2]) == probabilities.argmax(axis=0)).all()
