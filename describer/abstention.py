"""When an answer is held back: the confidence that held-out questions ask for at a stated risk, beside the model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from describer.beside import write_beside
from describer.errors import InputError, ModelError

FILE = "abstention.json"
_FEWEST = 10


@dataclass(frozen=True, slots=True)
class Threshold:
    """Answers at least as sure as ``confidence`` are given, others are held back.

    Of the ``n`` held-out ``questions`` it was picked on that gave the share ``coverage``, of which the share ``risk``
    was wrong; ``wanted`` is the risk that was asked for.
    """

    confidence: float
    wanted: float
    risk: float
    coverage: float
    n: int
    questions: str

    def __str__(self) -> str:
        return (
            f"confidence {self.confidence:.4f}: {self.coverage:.1%} of {self.n} questions answered, "
            f"{self.risk:.1%} of those wrong (wanted: at most {self.wanted:.1%})"
        )


def pick_threshold(
    confidences: Sequence[float], correct: Sequence[bool], wanted: float, questions: str
) -> Threshold | None:
    """The threshold that answers most while at most the share ``wanted`` of the given answers is wrong.

    None when no threshold that still gives 10 answers (or all, of fewer) reaches that. After selective classification,
    Geifman and El-Yaniv, NeurIPS 2017, with the risk as it is on the questions, without their bound. InputError for a
    risk outside of (0, 1); ValueError when the lengths differ or nothing is given.
    """
    if not 0 < wanted < 1:
        raise InputError(
            f"--risk {wanted:g} must be between 0 and 1, such as 0.2: the share of wrong answers you accept."
        )
    if len(confidences) != len(correct) or not len(confidences):
        raise ValueError(f"{len(confidences)} confidences against {len(correct)} answers; give one an answer")
    sure, wrong = np.asarray(confidences, np.float64), ~np.asarray(correct, bool)
    order = np.argsort(-sure, kind="stable")
    kept = np.arange(1, len(order) + 1)
    risks = np.cumsum(wrong[order]) / kept
    # A threshold takes all of a tie or nothing of it.
    ends = np.append(sure[order][1:] != sure[order][:-1], True)
    good = np.flatnonzero(ends & (risks <= wanted) & (kept >= min(_FEWEST, len(order))))
    if not len(good):
        return None
    last = int(good[-1])
    return Threshold(
        float(sure[order][last]), wanted, float(risks[last]), float(kept[last] / len(order)), len(order), questions
    )


def write_threshold(folder: Path, threshold: Threshold) -> Path:
    """Keep it in the folder of a model or adapter, where a Describer finds it; OutputError when it cannot be."""
    return write_beside(folder, FILE, asdict(threshold))


def read_threshold(*folders: str | Path | None) -> Threshold | None:
    """The first ``abstention.json`` of the folders, an adapter's before its base's; ModelError for a damaged one."""
    for folder in folders:
        path = Path(folder) / FILE if folder else None
        if path is None or not path.is_file():
            continue
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            found = Threshold(**{field.name: data[field.name] for field in fields(Threshold)})
            if not 0 <= found.confidence <= 1:
                raise ValueError
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is no threshold of describer; remove it or write it again.") from error
        return found
    return None
