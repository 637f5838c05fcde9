"""RUN and REF files to entries by id: annotations, captions or answers, in the layouts people have them in.

annotations   JSONL of `describer annotate` (or the folder that holds it)
captions      JSON {"id": ["text", ...]}; COCO captions {"images": [...], "annotations": [...]} and COCO results
              [{"image_id": ..., "caption": ...}]; JSONL {"id" or "image": ..., "caption" or "captions": ...}
answers       JSONL {"question": ..., "answer": ..., "type": ..., "id" or "source": ..., "confidence": ...}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from describer.errors import InputError, RecordError
from describer.records import read_records
from describer.types import Annotation, Failure

Form = Literal["annotations", "captions", "answers"]

_ID_KEYS = ("id", "image_id", "image", "file_name", "file", "source", "frame", "sample_id")
_TEXT_KEYS = ("captions", "caption", "references", "texts", "text")
_TYPE_KEYS = ("type", "question_type", "task_type")
_VIDEO_KEYS = ("video", "video_id", "sequence", "case")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a file says of one item. ``names`` are other names of it, ``line`` where it stands in the file.

    ``texts`` are captions, or the one answer to ``question``. Of an annotated frame ``record`` says all.
    """

    id: str
    names: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    video: str | None = None
    question: str | None = None
    type: str = ""
    confidence: float | None = None
    record: Annotation | Failure | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """One file: its entries by id, in the file's order."""

    path: Path
    form: Form
    entries: Mapping[str, Entry]


def read_side(path: str | Path, *, of_run: bool) -> Side:
    """The entries of a RUN or REF file.

    Several captions of one id are that item's references; a run gives one, and an id once. Raises InputError or
    RecordError, which name the file, the line where there is one, and the remedy.
    """
    path = Path(path)
    path = path / "annotations.jsonl" if path.is_dir() else path
    flag = "RUN" if of_run else "--references"
    if not path.is_file():
        raise InputError(f"{flag} {path} does not exist; give a .json or .jsonl file, or the folder of a run.")
    if path.suffix.lower() not in (".json", ".jsonl"):
        raise InputError(f"{flag} {path}: files of this type are not read; give a .json or .jsonl file.")
    form, entries = _entries(path)
    found = _by_id(path, entries, of_run or form != "captions")
    if not found:
        raise InputError(f"{flag} {path} has no entries; give a file with at least one.")
    crowded = next((e for e in found.values() if of_run and form == "captions" and len(e.texts) > 1), None)
    if crowded is not None:
        raise InputError(f"{flag} {path}: {crowded.id!r} has {len(crowded.texts)} captions; a run gives one an id.")
    return Side(path, form, found)


def _by_id(path: Path, entries: Iterator[Entry], unique: bool) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        before = found.get(entry.id)
        if before is None:
            found[entry.id] = entry
        elif unique:
            raise InputError(f"{path}: {entry.id!r} stands there twice; keep one of them, or give each its own id.")
        else:
            found[entry.id] = replace(before, texts=before.texts + entry.texts)
    return found


def _entries(path: Path) -> tuple[Form, Iterator[Entry]]:
    if path.suffix.lower() == ".jsonl":
        return _of_lines(path)
    data = _parsed(_read(path), str(path))
    if isinstance(data, dict) and isinstance(data.get("annotations"), list):
        return "captions", _coco(path, data)
    if isinstance(data, dict):
        return "captions", (_plain(path, key, value) for key, value in data.items())
    if isinstance(data, list):
        rows = ((f"{path}: entry {i}", row) for i, row in enumerate(data, start=1))
        return "captions", (_caption(where, _mapping(where, row)) for where, row in rows)
    raise InputError(f"{path} holds a bare {type(data).__name__}; give an object of ids and captions.")


def _of_lines(path: Path) -> tuple[Form, Iterator[Entry]]:
    """What the first line is, all lines are."""
    _, first = next(_objects(path), ("", {}))
    if "schema_version" in first:
        return "annotations", _annotations(path)
    if "question" in first:
        return "answers", (_answer(*found) for found in _objects(path))
    return "captions", (_caption(*found) for found in _objects(path))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; save it as UTF-8.") from error


def _parsed(text: str, where: str) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in found]
        twice = next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None
        if twice is not None:
            raise InputError(f"{where}: the key {twice!r} stands there twice; keep one of them.")
        return dict(found)

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except ValueError as error:
        raise InputError(f"{where}: not valid JSON ({error}); mend or export it again.") from error


def _objects(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """("file:line", object) of every line that is not blank."""
    for number, line in enumerate(_read(path).splitlines(), start=1):
        if line.strip():
            where = f"{path}:{number}"
            yield where, _mapping(where, _parsed(line, where))


def _mapping(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected a JSON object, got {type(value).__name__}.")
    return value


def _annotations(path: Path) -> Iterator[Entry]:
    taxonomies: set[str] = set()
    for record in read_records(path):
        if isinstance(record, Failure):
            yield Entry(record.source, record=record)
            continue
        taxonomies.add(record.provenance.taxonomy)
        if len(taxonomies) > 1:
            raise RecordError(
                f"{path}: records of two taxonomies ({', '.join(sorted(taxonomies))}); evaluate them one by one."
            )
        texts = tuple(d.text for d in record.descriptions if d.region_id is None)[:1]
        yield Entry(record.frame.source, texts=texts, record=record)


def _plain(path: Path, key: str, value: Any) -> Entry:
    return Entry(key, texts=_texts(f"{path}: {key!r}", value))


def _texts(where: str, value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list) and all(isinstance(text, dict) and "caption" in text for text in texts):
        texts = [text["caption"] for text in texts]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{where}: expected a caption or a list of captions, got {json.dumps(value)[:60]}.")
    return tuple(texts)


def _names(where: str, row: Mapping[str, Any]) -> list[str]:
    found = [row[key] for key in _ID_KEYS if key in row]
    # A record's own frame, for question files that carry it whole.
    names = [str(name["source"]) if isinstance(name, dict) and "source" in name else name for name in found]
    if not all(isinstance(name, str | int) for name in names):
        raise InputError(f"{where}: an id must be text or a number, got {json.dumps(names)[:60]}.")
    return [str(name) for name in names]


def _first(row: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((str(row[key]) for key in keys if row.get(key) is not None), None)


def _caption(where: str, row: Mapping[str, Any]) -> Entry:
    names = _names(where, row)
    key = next((key for key in _TEXT_KEYS if key in row), None)
    if not names or key is None:
        raise InputError(
            f"{where}: needs an id ({', '.join(_ID_KEYS[:4])} ...) and a caption or captions; it has {', '.join(row)}."
        )
    texts = _texts(where, row[key])
    return Entry(names[0], tuple(names[1:]), texts, _first(row, _VIDEO_KEYS))


def _answer(where: str, row: Mapping[str, Any]) -> Entry:
    names = _names(where, row)
    question, answer = row.get("question"), row.get("answer")
    if not isinstance(question, str) or not isinstance(answer, str) or not names:
        raise InputError(f"{where}: needs an id or source, a question and an answer, each a text; it has {list(row)}.")
    confidence = row.get("confidence")
    if confidence is not None and not (isinstance(confidence, int | float) and 0 <= confidence <= 1):
        raise InputError(f"{where}: a confidence must be a number in [0, 1], got {confidence!r}.")
    # The same frame is asked many things: a question is known by an id of its own, or by frame and words.
    asked = [f"{name} | {question}" for name in names]
    ids = [str(row["id"]), *asked] if "id" in row else asked
    kind = _first(row, _TYPE_KEYS) or ""
    return Entry(ids[0], tuple(ids[1:]), (answer,), _first(row, _VIDEO_KEYS), question, kind, confidence)


def _coco(path: Path, data: Mapping[str, Any]) -> Iterator[Entry]:
    """One entry a caption; images without any come as entries without texts."""
    names: dict[str, tuple[str, ...]] = {}
    for row in data.get("images", ()):
        image = _mapping(f"{path}: an image", row)
        if "id" not in image:
            raise InputError(f"{path}: an image has no id; it has {', '.join(image)}.")
        name = image.get("file_name")
        names[str(image["id"])] = () if name is None else (str(name),)
        yield Entry(str(image["id"]), names[str(image["id"])], (), _first(image, _VIDEO_KEYS))
    for row in data["annotations"]:
        caption = _mapping(f"{path}: an annotation", row)
        if "image_id" not in caption or not isinstance(caption.get("caption"), str):
            raise InputError(f"{path}: an annotation needs image_id and caption; it has {', '.join(caption)}.")
        yield Entry(str(caption["image_id"]), names.get(str(caption["image_id"]), ()), (caption["caption"],))
