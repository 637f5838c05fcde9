"""CSV tables that a run grows row by row, on disk and, if asked, in TensorBoard."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from describer.errors import InputError


class Table:
    """Rows of numbers by step; rows that a killed run wrote beyond its checkpoint are dropped on opening."""

    def __init__(self, path: Path, columns: Sequence[str], done: int, board: Any = None) -> None:
        kept: list[dict[str, str]] = []
        if done and path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= done]
        self._board, self._name = board, path.stem
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, ["step", *columns], restval="")
        self._writer.writeheader()
        self._writer.writerows(kept)

    def add(self, step: int, numbers: Mapping[str, float | None]) -> None:
        """One row; None and absent columns stay empty."""
        known = {name: value for name, value in numbers.items() if value is not None}
        self._writer.writerow({"step": step, **{name: f"{value:.6g}" for name, value in known.items()}})
        if self._board is not None:
            for name, value in known.items():
                self._board.add_scalar(f"{self._name}/{name}", value, step)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def open_board(folder: Path) -> Any:
    """TensorBoard's writer for a run; InputError with the remedy where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError(
            "--tensorboard needs the tensorboard package; pip install 'describer[tensorboard]', or read log.csv."
        ) from error
    return SummaryWriter(str(folder))
