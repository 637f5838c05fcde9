"""Rows that a bench keeps as it goes, so that a killed one goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from describer.errors import OutputError


class KeptRows:
    """A JSONL file: what its rows were made with, then the rows; a line that was left unfinished goes.

    OutputError when the file was made with something else, or cannot be written.
    """

    def __init__(self, path: Path, made_with: Mapping[str, Any]) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
            whole = [line for line in lines if line.endswith(b"\n")]
            header = json.dumps({"made_with": made_with}, sort_keys=True)
            if whole and json.loads(whole[0]) != json.loads(header):
                raise OutputError(f"{path} was made with other models or settings; choose another -o.")
            path.write_bytes(b"".join(whole) or f"{header}\n".encode())
        except OSError as error:
            raise OutputError(f"{path} cannot be written ({error.strerror}); check the path.") from error

    def read(self) -> Iterator[dict[str, Any]]:
        """The rows, in the order in which they were kept."""
        with self._path.open(encoding="utf-8") as file:
            next(file)
            for line in file:
                yield json.loads(line)

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))
