"""What a token probability is worth: how often descriptions of that probability were right on held-out frames.

A language model's own probability says how sure it is of its words, not how often they are true. Isotonic regression
(pool adjacent violators; Zadrozny and Elkan, KDD 2002) turns one into the other, for each kind of text on its own. The
curves lie beside the model or adapter that they were measured with, in ``confidence.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from describer.beside import write_beside
from describer.errors import ModelError

FILE = "confidence.json"
OF_ANSWERS = "; answers: "  # between the split of descriptions and that of answers
KINDS = ("instrument", "tissue", "scene")
"""Kinds of text: about an instrument, about anything else in view, about the whole scene."""
_BIN = 25


@dataclass(frozen=True, slots=True)
class Curve:
    """Rising points: a text of token probability ``raw[i]`` was right ``right[i]`` of the time; of ``n`` texts."""

    raw: tuple[float, ...]
    right: tuple[float, ...]
    n: int

    def __post_init__(self) -> None:
        for values in (self.raw, self.right):
            rising = all(a <= b for a, b in pairwise(values))
            if not (values and rising and values[0] >= 0 and values[-1] <= 1) or len(self.raw) != len(self.right):
                raise ValueError("points of a confidence curve must rise from 0 to 1, as many raw as right")

    def __call__(self, raw: float) -> float:
        """The share of right texts at a token probability, between points along a line."""
        return round(float(np.interp(raw, self.raw, self.right)), 4)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The curves by kind of text, the ``split`` of frames they are from and the models they were measured with.

    ``name`` is what provenance calls them: the same curves have the same name.
    """

    curves: Mapping[str, Curve]
    split: str
    made_with: Mapping[str, Any] = field(default_factory=dict)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        curves = {kind: asdict(curve) for kind, curve in self.curves.items()}
        digest = hashlib.sha256(json.dumps(curves, sort_keys=True).encode()).hexdigest()[:8]
        object.__setattr__(self, "name", f"calibrated@{digest}")

    def __call__(self, kind: str, raw: float | None) -> float | None:
        """The calibrated confidence; the raw one for a kind without a curve, None where there is none."""
        curve = self.curves.get(kind)
        return raw if raw is None or curve is None else curve(raw)

    def of_answer(self, by: str, kind: str | None, raw: float | None) -> float | None:
        """The calibrated confidence of an answer, by the curve of its kind of question, or else of who gave it."""
        name = answer_curve(by, kind)
        return self(name if name in self.curves else answer_curve(by), raw)


def answer_curve(by: str, kind: str | None = None) -> str:
    """The name of the curve of answers that the "scene" or the "model" gave to a kind of question."""
    return f"answer of the {by}" if kind is None else f"answer of the {by} to {kind}"


def fit_curve(raw: Sequence[float], right: Sequence[bool]) -> Curve:
    """The isotonic curve of texts with token probabilities ``raw``, each right or not.

    Texts go in by bins of like probability, at least 25 in each (or all, of fewer), so that no point rests on a
    handful; no point says more than its texts can, 0 or 1 least of all. ValueError when lengths differ or are 0.
    """
    if len(raw) != len(right) or not len(raw):
        raise ValueError(f"{len(raw)} probabilities against {len(right)} texts; give one a text")
    order = np.argsort(np.asarray(raw, float), kind="stable")
    sure, good = np.asarray(raw, float)[order], np.asarray(right, float)[order]
    bins = np.array_split(np.arange(len(sure)), max(1, len(sure) // _BIN))
    at = np.array([sure[i].mean() for i in bins])
    share = isotonic(np.array([good[i].mean() for i in bins]), np.array([len(i) for i in bins], float))
    edge = 1 / (len(sure) + 2)
    kept = np.clip(share, edge, 1 - edge)
    return Curve(tuple(np.round(at, 5).tolist()), tuple(np.round(kept, 5).tolist()), len(sure))


def isotonic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The rising sequence nearest to ``values`` (n,) in weighted squares, by pooling adjacent violators."""
    blocks: list[list[float]] = []  # [mean, weight, length]
    for value, weight in zip(values.tolist(), weights.tolist()):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            mean, total, length = blocks.pop()
            before = blocks[-1]
            before[0] = (before[0] * before[1] + mean * total) / (before[1] + total)
            before[1] += total
            before[2] += length
    return np.repeat([mean for mean, _, _ in blocks], [int(length) for _, _, length in blocks])


def beside_answers(calibration: Calibration, folder: Path) -> Calibration:
    """The curves of descriptions with those of answers that the folder holds already, and both splits."""
    before = read_calibration(folder)
    answers = {} if before is None else {k: v for k, v in before.curves.items() if k.startswith("answer")}
    if before is None or not answers:
        return calibration
    split = OF_ANSWERS.join((calibration.split, before.split.split(OF_ANSWERS)[-1]))
    return replace(calibration, split=split, curves={**calibration.curves, **answers})


def write_calibration(folder: Path, calibration: Calibration) -> Path:
    """Keep it in the folder of a model or adapter, where a Describer finds it; OutputError when it cannot be."""
    told = {name: value for name, value in asdict(calibration).items() if name != "name"}
    return write_beside(folder, FILE, told)


def read_calibration(folder: str | Path) -> Calibration | None:
    """The ``confidence.json`` of a folder, None without one; ModelError for a damaged one."""
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        curves = {
            str(kind): Curve(tuple(curve["raw"]), tuple(curve["right"]), int(curve["n"]))
            for kind, curve in data["curves"].items()
        }
        return Calibration(curves, str(data["split"]), dict(data["made_with"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} holds no confidence curves of describer; remove it or write it again.") from error
