"""Kvasir-VQA: findings, instruments and landmarks of gastrointestinal endoscopy (Gautam et al., 2024).

ROOT/metadata.csv with the columns file_name or img_id, question, answer (the imagefolder of the hub), or a JSONL of
image_id, question, answer; pictures in ROOT/images. There is no official split: a picture is a group of its own.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from describer.errors import InputError
from describer.vqa_sets.lines import Pictures, read_rows, text_of
from describer.vqa_sets.question import Question, QuestionSet

_MARK = "metadata.csv | *kvasir*vqa*.jsonl | text/kvasir_vqa*.jsonl"
_TYPES = (
    ("how many", "count"),
    ("where in", "location"),
    ("what color", "colour"),
    ("what is the size", "size"),
    ("what type of", "kind"),
    ("are there any", "which"),
)
_YES_NO = ("have all", "is there", "is this", "does this")
_CHOICES = {"existence": ("yes", "no")}
_NO_QUESTION = ("none", "nan", "")


def _read(root: Path, reading: str) -> Iterator[Question]:
    pictures = Pictures(root)
    seen: dict[tuple[str, str], int] = {}
    for where, row in _rows(root):
        asked = str(row.get("question", "")).strip()
        answer = str(row.get("answer", "")).strip()
        if asked.lower() in _NO_QUESTION or answer.lower() in ("nan", ""):
            continue
        name = text_of(row, next((key for key in ("file_name", "image_id", "img_id") if row.get(key)), "img_id"), where)
        stem = Path(name).stem
        again = seen[stem, asked] = seen.get((stem, asked), 0) + 1
        kind = _type(asked)
        yield Question(
            id=f"{stem}/{asked}" + (f"/{again}" if again > 1 else ""),
            frames=(pictures.first(f"images/{stem}.jpg", f"{stem}.jpg", f"images/{stem}.png"),),
            video=stem,
            text=asked,
            answers=(re.sub(r"\brigth\b", "right", answer).replace(";", "; ").replace("  ", " "),),
            type=kind,
            choices=_CHOICES.get(kind, ()),
        )


def _rows(root: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    table = root / "metadata.csv"
    if table.is_file():
        with table.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            lacking = [name for name in ("question", "answer") if name not in (reader.fieldnames or ())]
            if lacking:
                raise InputError(f"{table} has no column {' and '.join(lacking)}; get the file of Kvasir-VQA again.")
            for number, row in enumerate(reader, start=2):
                yield f"{table}:{number}", row
        return
    for path in sorted({found for glob in _MARK.split(" | ")[1:] for found in root.glob(glob)}):
        yield from read_rows(path)


def _type(question: str) -> str:
    asked = question.lower()
    if asked.startswith(_YES_NO):
        return "existence"
    return next((kind for start, kind in _TYPES if asked.startswith(start)), "other")


DATASET = QuestionSet(
    name="kvasir-vqa",
    title="Kvasir-VQA: gastrointestinal endoscopy",
    layout="metadata.csv (file_name or img_id, question, answer) and images/",
    marks=(_MARK,),
    read=_read,
    splits="none is official; a picture is a group of its own",
    licence="CC BY-NC 4.0",
    notes="Answers with several parts are divided by ';' and right in any order.",
    core={"polyp": "polyp", "polyp snare": "snare", "biopsy forceps": "grasper"},
)
