"""Every set of questions that can be read. A new one is a module with a `QuestionSet`, its test and a line here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from describer.errors import InputError
from describer.vqa_sets import (
    cholec80_vqa,
    cholect50_triplets,
    endovis18_vqa,
    endovis_vqla,
    kvasir_vqa,
    own,
    pitvqa,
    psi_ava_vqa,
    real_colon_vqa,
    ssg_vqa,
    surgvu,
)
from describer.vqa_sets.question import Question, QuestionSet

SETS: tuple[QuestionSet, ...] = (
    endovis18_vqa.CLASSIFICATION,
    endovis18_vqa.SENTENCE,
    endovis_vqla.ENDOVIS18,
    endovis_vqla.ENDOVIS17,
    cholec80_vqa.CLASSIFICATION,
    cholec80_vqa.SENTENCE,
    ssg_vqa.DATASET,
    pitvqa.DATASET,
    psi_ava_vqa.DATASET,
    real_colon_vqa.DATASET,
    surgvu.DATASET,
    cholect50_triplets.DATASET,
    kvasir_vqa.DATASET,
    own.DATASET,
)


def named(name: str) -> QuestionSet:
    """The set of that name; InputError lists the known ones."""
    for found in SETS:
        if found.name == name:
            return found
    raise InputError(f"question set {name!r} is unknown; use one of {', '.join(found.name for found in SETS)}.")


def find(path: Path, name: str | None = None) -> QuestionSet:
    """The set that lies at a path, told by its layout unless it is named; a file is a JSONL of one's own.

    InputError when there is nothing, when the layout is not that of the named set, or when it is that of several sets
    or of none.
    """
    if path.is_file() and (name is None or named(name) is own.DATASET):
        return own.DATASET
    if not path.is_dir():
        raise InputError(
            f"{path} is no folder of questions and no JSONL file; give what the dataset was unpacked into."
        )
    if name is not None:
        return _checked(path, named(name))
    fitting = [found for found in SETS if found.marks and not found.missing_marks(path)]
    if len(fitting) > 1:
        raise InputError(
            f"{path} holds several question sets; choose one: --set {' or '.join(s.name for s in fitting)}."
        )
    if not fitting:
        known = ", ".join(found.name for found in SETS if found.marks)
        raise InputError(f"{path} has no layout of a question set ({known}); see describer data list for the layouts.")
    return fitting[0]


def _checked(path: Path, found: QuestionSet) -> QuestionSet:
    missing = found.missing_marks(path)
    if not found.marks or missing:
        lacks = f"has no {' and no '.join(missing)}" if missing else "is a folder, not a file"
        raise InputError(f"{path} {lacks}: {found.name} is {found.layout}.")
    return found


def read_questions(
    path: Path,
    name: str | None = None,
    reading: str | None = None,
    split: str | None = None,
    videos: Sequence[str] | None = None,
) -> tuple[QuestionSet, list[Question]]:
    """The set at a path and its questions, of one split and of some videos where they are named.

    InputError for an unknown reading, split or video, which names the known ones, and for a set without questions.
    """
    found = find(path, name)
    reading = reading or found.readings[0]
    if reading not in found.readings:
        raise InputError(f"--reading {reading!r}: {found.name} has {', '.join(found.readings)}.")
    questions = list(found.read(path, reading))
    if not questions:
        raise InputError(f"{path} holds no question of {found.name}; check that its files are not empty.")
    if split is not None:
        known = sorted({question.split for question in questions if question.split})
        if split not in known:
            raise InputError(f"--split {split!r}: these questions have {', '.join(known) or 'no splits'}.")
        questions = [question for question in questions if question.split == split]
    for video in videos or ():
        there = sorted({question.video for question in questions})
        if video not in there:
            raise InputError(f"--videos {video}: there is none of that name, but {', '.join(there[:8])}.")
    return found, [question for question in questions if not videos or question.video in videos]
