"""What several readers need: question files with one ``question|answer|...`` a line, JSONL, and where a frame lies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from describer.errors import InputError


def read_lines(path: Path, fields: int, skip: int = 0) -> Iterator[tuple[int, list[str]]]:
    """(line number, parts between "|") of every line that is not blank, after ``skip`` such lines.

    InputError, naming file and line, for a file that cannot be read and a line with fewer than ``fields`` parts.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; copy it again.") from error
    full = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    for number, line in full[skip:]:
        parts = [part.strip() for part in line.split("|")]
        if len(parts) < fields:
            wanted = "|".join(("question", "answer", "more", "more")[:fields])
            raise InputError(f"{path}:{number}: expected {wanted}, got {line[:60]!r}; copy the file again.")
        yield number, parts


def read_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """("file:line", object) of every line of a JSONL file that is not blank; InputError names what is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as UTF-8 text; check the path, or copy it again.") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}:{number}: not valid JSON ({error}); copy the file again.") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number}: expected a JSON object, got {type(row).__name__}.")
        yield f"{path}:{number}", row


def text_of(row: Mapping[str, Any], key: str, where: str) -> str:
    """A field that must be there and be text; InputError names it."""
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where}: needs {key!r} as text; it has {', '.join(row)}.")
    return value.strip()


class Pictures:
    """Which pictures lie below a root: datasets are copied under many names. Each folder is listed once."""

    def __init__(self, root: Path) -> None:
        self._root, self._names = root, dict[str, frozenset[str]]()

    def first(self, *names: str) -> str:
        """The first of these paths below the root that exists, or else the first."""
        return next((name for name in names if self._has(name)), names[0])

    def _has(self, name: str) -> bool:
        folder, _, file = name.rpartition("/")
        if folder not in self._names:
            path = self._root / folder
            self._names[folder] = frozenset(entry.name for entry in path.iterdir()) if path.is_dir() else frozenset()
        return file in self._names[folder]


def plain(label: str) -> str:
    """A label as one says it: "Tissue_Manipulation" is "tissue manipulation"."""
    return " ".join(label.replace("_", " ").split()).lower()


def answers_of(label: str, words: Mapping[str, str]) -> tuple[str, ...]:
    """The label in plain words, then as the file has it, where that is something else."""
    said = words.get(label, plain(label))
    return (said,) if said == label else (said, label)
