"""What a set of questions is to the rest of the project: where its files lie, and one frozen value a question."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Question:
    """One question with its true answers.

    ``frames`` are paths below the set's root, in order of time: several for a clip, none where the set has no pictures.
    ``answers`` all count as right; the first is the one that is shown, in plain words, with ";" between the parts of an
    answer that is a list. ``boxes_xyxy_px`` are half-open, in pixels of the original frame. ``choices`` are the answers
    of this type of question, () where the set is open.
    """

    id: str
    frames: tuple[str, ...]
    video: str
    text: str
    answers: tuple[str, ...]
    type: str
    split: str | None = None
    boxes_xyxy_px: tuple[Box, ...] = ()
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """One dataset's layout and reader.

    ``marks`` are glob patterns below the root, all of which its layout has (" | " between alternatives). ``read`` takes
    the root and one of ``readings``, the first being the dataset's own. ``words`` maps the labels in the files to plain
    words, ``core`` those words to labels of the core taxonomy where it has them; either way of saying it is right.
    ``splits`` says which videos are which; ``notes`` what one must know before one reads a score.
    """

    name: str
    title: str
    layout: str
    marks: tuple[str, ...]
    read: Callable[[Path, str], Iterator[Question]]
    splits: str
    licence: str | None = None
    notes: str = ""
    readings: tuple[str, ...] = ("published",)
    words: Mapping[str, str] = field(default_factory=dict)
    core: Mapping[str, str] = field(default_factory=dict)

    def missing_marks(self, root: Path) -> list[str]:
        """What the folder lacks of this layout."""
        return [mark for mark in self.marks if not any(any(root.glob(glob)) for glob in mark.split(" | "))]
