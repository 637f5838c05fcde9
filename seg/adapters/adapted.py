"""What every kind of adapter makes of a projection, as one value that saving, training and merging read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

MATRICES = ("A", "B")
VECTORS = ("u", "v")


@dataclass(frozen=True, slots=True)
class Adapted:
    """One adapted projection of a backbone.

    name: where it sits; parts: what is trained, by "A", "B" and for TESLA's vectors "u", "v"; base: the frozen layer
    below; merged: makes that layer a plain one with equal outputs, DescriberError where the update is not linear.
    """

    name: str
    parts: dict[str, nn.Parameter]
    base: nn.Linear
    merged: Callable[[], nn.Linear]
