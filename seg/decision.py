"""From class probabilities to one class a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def decide(probabilities: np.ndarray, instruments: Sequence[int]) -> np.ndarray:
    """The class of each pixel, ``(C, h, w)`` probabilities -> ``(h, w)`` int64.

    Instruments compete together: where a network is sure of an instrument but not of its type, the types share
    its probability, and each alone would lose to a tissue that is less likely than they are together.
    """
    winner = probabilities.argmax(axis=0)
    if not len(instruments):
        return winner
    tools = list(instruments)
    together = probabilities[tools].sum(axis=0)
    rest = np.delete(probabilities, tools, axis=0).max(axis=0)
    of_tools = np.asarray(tools)[probabilities[tools].argmax(axis=0)]
    return np.where(together > rest, of_tools, winner)
