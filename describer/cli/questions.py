"""What `describer data` says of sets of questions, which nothing is trained on but models are asked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from describer.seg.datasets.catalogue import DATASETS
from describer.vqa_sets import SETS, find, read_questions
from describer.vqa_sets.question import Question


def entries() -> list[dict[str, str]]:
    """The sets as `data list` shows them."""
    return [
        {
            "name": found.name,
            "title": found.title,
            "layout": found.layout,
            "grouping": found.splits,
            "classes": "questions, for describer evaluate --task vqa",
            "licence": found.licence or "not known to us",
            "notes": found.notes,
        }
        for found in SETS
    ]


def holds_questions(folder: Path, name: str | None) -> bool:
    """Whether a path is one of questions: it is named so, is a JSONL, or has the layout of a question set alone."""
    if name is not None:
        return name in {found.name for found in SETS}
    if folder.is_file():
        return folder.suffix == ".jsonl"
    if any(dataset.recognise(folder) for dataset in DATASETS):
        return False
    return any(found.marks and not found.missing_marks(folder) for found in SETS)


def check_questions(folder: Path, name: str | None) -> dict[str, object]:
    """Counts of a set's questions by split, type and video, and how many have their pictures; InputError as `find`."""
    found, questions = read_questions(folder, find(folder, name).name)
    root = folder if folder.is_dir() else folder.parent
    return {
        "root": str(folder),
        "set": found.name,
        "title": found.title,
        "licence": found.licence or "not known to us",
        "questions": len(questions),
        "splits": dict(Counter(question.split or "no split" for question in questions)),
        "types": dict(Counter(question.type or "no type" for question in questions)),
        "videos": len({question.video for question in questions}),
        "with_picture": sum(_has_picture(question, root) for question in questions),
        "notes": found.notes,
    }


def _has_picture(question: Question, root: Path) -> bool:
    return any((root / frame).is_file() for frame in question.frames)


def lines(report: dict[str, object]) -> list[str]:
    """The report for a terminal."""
    made = [
        f"{report['root']} is {report['set']}: {report['title']}",
        f"{report['questions']} questions on {report['videos']} videos; licence {report['licence']}",
    ]
    for key in ("splits", "types"):
        counts = report[key]
        assert isinstance(counts, dict)
        made.append(f"{key}: " + ", ".join(f"{word} {count}" for word, count in counts.items()))
    made.append(f"pictures: {report['with_picture']} of the questions have theirs")
    return [*made, f"note: {report['notes']}"] if report["notes"] else made
