"""What one visitor has before them: a frame, its annotation as corrected so far, and the talk about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from describer.types import Annotation, Frame


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """Lives in the visitor's own session and nowhere else.

    ``by_hand`` are the ids of texts a person wrote (None = the scene's), ``notes`` remarks by region id,
    ``turns`` the talk so far as the page shows it, ``questions`` some that fit the frame, ``key`` names its picture.
    """

    frame: Frame
    annotation: Annotation
    notes: Mapping[int | None, str] = field(default_factory=dict)
    by_hand: frozenset[int | None] = frozenset()
    turns: tuple[Mapping[str, Any], ...] = ()
    questions: tuple[str, ...] = ()
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
