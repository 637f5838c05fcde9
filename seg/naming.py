"""What each found instrument is: its pixels and its tip asked together.

The pixels of a long shaft say little of its kind, and the interaction head sees nothing but the tip: each alone is
right less often (of 156 found on 150 rendered frames pixels named 139, tips 141 and both 144). Pieces on one
shaft that the network had called by two names are one instrument when both get the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from describer.seg.interaction import ToolLogits
from describer.seg.regions import Part

_NEVER = 1e-3  # neither source is ever surer than this that an instrument is not of a kind


def named(parts: Sequence[Part], said: ToolLogits, votes: np.ndarray, names: Sequence[str]) -> list[Part]:
    """Instruments ``parts`` called what the head said of their tips, logits (1, T, I), and ``votes`` (T, I), the mean
    probability of each of the instruments ``names`` over each part, give together."""
    tips = said.instrument[0].softmax(-1).cpu().numpy()
    of_pixels = votes / np.maximum(votes.sum(1, keepdims=True), _NEVER)
    both = np.maximum(of_pixels, _NEVER) * np.maximum(tips, _NEVER)
    both /= both.sum(1, keepdims=True)
    called: list[Part] = []
    for part, vote, shares in zip(parts, votes, both, strict=True):
        best = int(shares.argmax())
        new = replace(part, label=names[best], score=round(min(float(vote.sum() * shares[best]), 1.0), 4))
        own = [k for k, other in enumerate(called) if new.shaft is not None and _key(other) == _key(new)]
        if own:
            called[own[0]] = _joined(called[own[0]], new)
        else:
            called.append(new)
    return called


def _key(part: Part) -> tuple[int | None, str]:
    return part.shaft, part.label


def _joined(first: Part, second: Part) -> Part:
    """Both as one: as near as the larger piece, as sure as the surer."""
    larger = max(first, second, key=lambda part: np.count_nonzero(part.mask))
    return replace(larger, mask=first.mask | second.mask, score=max(first.score, second.score))
