"""From class probabilities to one class a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def decide(probabilities: np.ndarray, instruments: Sequence[int]) -> np.ndarray:
    """The class of each pixel, ``(C, h, w)`` probabilities -> ``(h, w)`` int64.

    Instruments compete together: where a network is sure of an instrument but not of its type, the types share
    its probability, and each alone would lose to a tissue that is less likely than they are together. They win where
    they are likelier than everything else together; against the best tissue alone they win too often on real frames.
    """
    if not len(instruments):
        return probabilities.argmax(axis=0)
    tools = list(instruments)
    others = np.delete(np.arange(len(probabilities)), tools)
    of_tools = np.asarray(tools)[probabilities[tools].argmax(axis=0)]
    of_others = others[probabilities[others].argmax(axis=0)]
    return np.where(probabilities[tools].sum(axis=0) > probabilities[others].sum(axis=0), of_tools, of_others)
