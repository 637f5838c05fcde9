"""SurgVU 2025, category 2: questions on clips of da Vinci training, each with several accepted wordings.

A JSONL of case, question, answer, references and frames (*surgvu*.jsonl, at ROOT or in ROOT/text), and the frames in
ROOT/CASE or ROOT/surgvu25/CASE; of a clip the frames that are there are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from describer.errors import InputError
from describer.vqa_sets.lines import read_rows, text_of
from describer.vqa_sets.question import Question, QuestionSet

_MARK = "*surgvu*.jsonl | text/*surgvu*.jsonl"
_YES_NO = ("yes", "no")


def _read(root: Path, reading: str) -> Iterator[Question]:
    for path in sorted({found for glob in _MARK.split(" | ") for found in root.glob(glob)}):
        for where, row in read_rows(path):
            case, asked, answer = (text_of(row, key, where) for key in ("case", "question", "answer"))
            references, names = row.get("references", []), row.get("frames", [])
            if not isinstance(references, list) or not isinstance(names, list):
                raise InputError(f"{where}: 'references' and 'frames' must be lists; copy the file again.")
            yes_no = answer.lower() in _YES_NO
            yield Question(
                id=f"{case}/{asked}",
                frames=_frames(root, case, [str(name) for name in names]),
                video=case,
                text=asked,
                answers=tuple(dict.fromkeys((answer, *map(str, references)))),
                type="yes/no" if yes_no else "what",
                choices=_YES_NO if yes_no else (),
            )


def _frames(root: Path, case: str, names: list[str]) -> tuple[str, ...]:
    for top in ("", "surgvu25/"):
        there = tuple(f"{top}{case}/{name}" for name in names if (root / f"{top}{case}/{name}").is_file())
        if there:
            return there
    return tuple(f"{case}/{name}" for name in names)


DATASET = QuestionSet(
    name="surgvu",
    title="SurgVU 2025 category 2: clips of robotic training",
    layout="*surgvu*.jsonl (case, question, answer, references, frames) and CASE/frame_*.jpg",
    marks=(_MARK,),
    read=_read,
    splits="none in the public sample",
    licence="CC BY-NC-SA 4.0",
    notes="The interface strip at the bottom of a frame names the tools.",
    core={"cadiere forceps": "grasper", "large needle driver": "needle driver", "forceps": "grasper"},
)
