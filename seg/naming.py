"""What each found instrument is: its pixels and its tip asked together.

The pixels of a long shaft say little of its kind, and the interaction head sees nothing but the tip: each alone is
right less often (of 156 found on 150 rendered frames pixels named 139, tips 141 and both 144). Pieces of one
instrument that the network had called by two names are joined when both get one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from describer.seg.interaction import ToolLogits
from describer.seg.regions import Part

_NEVER = 1e-3  # neither source is ever surer than this that an instrument is not of a kind
_BESIDE_PX = 3


def named(parts: Sequence[Part], said: ToolLogits, votes: np.ndarray, names: Sequence[str]) -> list[Part]:
    """Instruments ``parts`` called what the head said of their tips, logits (1, T, I), and ``votes`` (T, I), the mean
    probability of each of the instruments ``names`` over each part, give together."""
    tips = said.instrument[0].softmax(-1).cpu().numpy()
    of_pixels = votes / np.maximum(votes.sum(1, keepdims=True), _NEVER)
    both = np.maximum(of_pixels, _NEVER) * np.maximum(tips, _NEVER)
    both /= both.sum(1, keepdims=True)
    called: list[tuple[Part, str]] = []
    for part, vote, shares in zip(parts, votes, both, strict=True):
        best = int(shares.argmax())
        score = round(min(float(vote.sum() * shares[best]), 1.0), 4)
        new, was = replace(part, label=names[best], score=score), part.label
        whole = next((k for k, (other, before) in enumerate(called) if before != was and _one(other, new)), None)
        if whole is None:
            called.append((new, was))
        else:
            called[whole] = (_joined(called[whole][0], new), was)
    return [part for part, _ in called]


def _one(first: Part, second: Part) -> bool:
    if first.label != second.label:
        return False
    grown = cv2.dilate(first.mask.astype(np.uint8), np.ones((_BESIDE_PX, _BESIDE_PX), np.uint8)).astype(bool)
    return bool((grown & second.mask).any())


def _joined(first: Part, second: Part) -> Part:
    """Both as one, as sure and as near as its larger piece is."""
    larger = max(first, second, key=lambda part: np.count_nonzero(part.mask))
    return replace(larger, mask=first.mask | second.mask, score=max(first.score, second.score))
