"""What one visitor has before them: a frame with its annotation as corrected so far, and the talk about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from describer.types import Annotation, Frame


@dataclass(frozen=True, slots=True)
class Talk:
    """Questions and answers so far as the page shows them, and questions that fit the frame.

    Kept apart from the visit: an answer takes a while, and what is corrected meanwhile must not be lost.
    """

    turns: tuple[Mapping[str, Any], ...] = ()
    questions: tuple[str, ...] = ()

    def shown(self, *more: Mapping[str, Any]) -> dict[str, Any]:
        """For the page, with turns that are not over yet."""
        return {"turns": [*self.turns, *more], "examples": list(self.questions)}


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """Lives in the visitor's own session and nowhere else.

    ``by_hand`` are the ids of texts a person wrote (None = the scene's), ``notes`` remarks by region id, ``key`` names
    the frame's picture on the page.
    """

    frame: Frame
    annotation: Annotation
    notes: Mapping[int | None, str] = field(default_factory=dict)
    by_hand: frozenset[int | None] = frozenset()
    key: str = ""

    @property
    def corrections(self) -> tuple[str, ...]:
        """What was done to the annotation, in order."""
        return tuple(self.annotation.provenance.generation.get("corrections", ()))

    def corrected(self, annotation: Annotation, what: str) -> Visit:
        """With another annotation, and ``what`` was done noted in its provenance."""
        made = annotation.provenance
        generation = {**made.generation, "corrections": [*self.corrections, what]}
        return replace(self, annotation=replace(annotation, provenance=replace(made, generation=generation)))
