"""Anybody's questions: a JSONL of question, answer and image, as this project writes them too.

A line is {"question": ..., "answer": ... or "answers": [...], "image": path (or "images": [...], or a
record's "frame"), "type", "video", "split", "choices": optional}; pictures are looked for beside the file. Without
"video" the picture's folder is it, but in a folder of `describer synth` every picture is a scene of its own. Lines that
point at a region ("about") are left out: its id is that of the true scene, which an asked model does not see.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from describer.errors import InputError
from describer.vqa_sets.lines import read_rows, text_of
from describer.vqa_sets.question import Question, QuestionSet

_IMAGES = ("images", "frames", "image", "frame", "source", "file")


def _read(path: Path, reading: str) -> Iterator[Question]:
    seen: dict[str, int] = {}
    single = (path.parent / "synth.json").is_file()
    for where, row in read_rows(path):
        if row.get("about") is not None:
            continue
        asked = text_of(row, "question", where)
        frames = _frames(row, where)
        name = str(row["id"]) if "id" in row else f"{frames[0] if frames else where} | {asked}"
        again = seen[name] = seen.get(name, 0) + 1
        if again > 1:
            if "id" in row:
                raise InputError(f"{where}: the id {name!r} stands there twice; give each question its own.")
            name = f"{name} | {again}"
        yield Question(
            id=name,
            frames=frames,
            video=str(row.get("video") or _video(frames, single)),
            text=asked,
            answers=_texts(row, ("answers", "references", "answer"), where),
            type=str(row.get("type") or row.get("question_type") or row.get("kind") or ""),
            split=str(row["split"]) if row.get("split") else None,
            choices=tuple(map(str, row.get("choices") or ())),
        )


def _frames(row: Mapping[str, Any], where: str) -> tuple[str, ...]:
    value = next((row[key] for key in _IMAGES if row.get(key)), None)
    if isinstance(value, dict):
        value = value.get("source")
    names = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"{where}: an image must be a path, got {str(value)[:60]}.")
    return tuple(names)


def _video(frames: tuple[str, ...], single: bool) -> str:
    if not frames:
        return "."
    return frames[0] if single else Path(frames[0]).parent.as_posix()


def _texts(row: Mapping[str, Any], keys: tuple[str, ...], where: str) -> tuple[str, ...]:
    found: list[str] = []
    for key in keys:
        value = row.get(key, [])
        found += [value] if isinstance(value, str) else [text for text in value if isinstance(text, str)]
    if not found:
        raise InputError(f"{where}: needs an answer (or answers) as text; it has {', '.join(row)}.")
    # The short answer comes first: it is the one that is shown and that a constant answer is made of.
    return tuple(dict.fromkeys([row["answer"], *found] if isinstance(row.get("answer"), str) else found))


DATASET = QuestionSet(
    name="jsonl",
    title="your own questions: a JSONL of question, answer and image",
    layout='a file of {"question", "answer", "image", "type", "video", "split", "choices"}',
    marks=(),
    read=_read,
    splits="what the lines say",
)
