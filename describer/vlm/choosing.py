"""Which of several given answers a model finds likeliest: closed questions answered without decoding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from describer.errors import ModelError
from describer.messages import Chat


@dataclass(frozen=True, slots=True)
class Choice:
    """``index`` of the likeliest candidate, and the ``probabilities`` of all, which sum to 1.

    A candidate's weight is the geometric mean of its tokens' probabilities, its end among them, so that long answers
    are not held against short ones.
    """

    index: int
    probabilities: tuple[float, ...]

    @classmethod
    def of(cls, mean_logs: Sequence[float]) -> Choice:
        """From each candidate's mean log-likelihood a token; of equals the first."""
        most = max(mean_logs)
        weights = [math.exp(log - most) for log in mean_logs]
        shares = tuple(weight / sum(weights) for weight in weights)
        return cls(shares.index(max(shares)), shares)

    @property
    def confidence(self) -> float:
        return self.probabilities[self.index]


@runtime_checkable
class Chooser(Protocol):
    """A backend that can weigh texts it did not write."""

    def choose(self, chats: Sequence[Chat], candidates: Sequence[Sequence[str]]) -> list[Choice]:
        """One choice a chat among its own candidates, in order."""
        ...


def require_chooser(vlm: Any) -> None:
    """ModelError for a backend that gives no log-probabilities of given texts, such as a server."""
    if not isinstance(vlm, Chooser):
        raise ModelError(
            f"{vlm.name} gives no log-probabilities of given answers, so it cannot choose among them; "
            "leave out --choices, or use a local model."
        )


def choose(vlm: Any, chats: Sequence[Chat], candidates: Sequence[Sequence[str]]) -> list[Choice]:
    """The likeliest of each chat's candidates under ``vlm``.

    ModelError for a backend that gives no log-probabilities of given texts, and for a chat without candidates.
    """
    require_chooser(vlm)
    if len(chats) != len(candidates) or not all(candidates):
        raise ModelError("A closed question has no candidates; give at least one answer to choose from.")
    chooser: Chooser = vlm
    return chooser.choose(chats, candidates)
