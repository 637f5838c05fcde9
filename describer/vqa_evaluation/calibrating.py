"""How often answers were right at a confidence, by who gave them and to what kind of question: curves to keep.

An answer read off the scene and one of the language model mean different things by 0.5, and so do an answer to "how
many" and one to "what does it touch". One logistic regression (Platt, 1999) for each of the two has a slope that all
kinds share and an intercept for each kind, held near the others by a ridge: a kind asked of ten times is told from the
rest by as much as ten answers allow. Curves of each kind alone, of 25 to 50 answers, ranked them worse than none did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from describer.confidence import OF_ANSWERS, Calibration, Curve, answer_curve, read_calibration, write_calibration
from describer.vqa_evaluation.asking import PLAIN
from describer.vqa_evaluation.scoring import Scored

_FEWEST = 25
_RIDGE = 2.0  # of a kind's intercept, in answers: its prior deviation is about 0.7 in log odds
_EDGE = 1e-3
_STEPS = 50
_POINTS = 17


def answer_curves(found: Scored, chosen: Iterable[int]) -> dict[str, Curve]:
    """Curves of the chosen answers by their names in a calibration: one of each kind, and of who answers for others.

    Whoever gave fewer than 25 has none.
    """
    rows: dict[str, list[int]] = {}
    for i in chosen:
        if found.plain[i].confidence is not None:
            rows.setdefault(found.plain[i].by, []).append(i)
    curves = {}
    for by, own in rows.items():
        if len(own) < _FEWEST:
            continue
        said = [found.plain[i] for i in own]
        fitted = _fit(
            [answer.confidence or 0.0 for answer in said],
            [bool(found.values[i]) for i in own],
            [answer.kind or "" for answer in said],
        )
        curves[answer_curve(by)] = fitted.curve(None, len(own))
        for kind in sorted({answer.kind for answer in said if answer.kind}):
            curves[answer_curve(by, kind)] = fitted.curve(kind, sum(answer.kind == kind for answer in said))
    return curves


@dataclass(frozen=True, slots=True)
class _Logistic:
    """log odds of being right = intercept + a kind's own + slope x log odds of the confidence."""

    slope: float
    intercept: float
    kinds: Mapping[str, float]

    def curve(self, kind: str | None, n: int) -> Curve:
        """Points of the curve of a kind, or of answers of none or of a kind never seen; ``n`` answers stand for it."""
        raw = _of_odds(np.linspace(-1, 1, _POINTS) * -_odds(np.array(_EDGE)))
        right = _of_odds(self.intercept + self.kinds.get(kind or "", 0.0) + self.slope * _odds(raw))
        return Curve(tuple(np.round(raw, 5).tolist()), tuple(np.round(right, 5).tolist()), n)


def _odds(share: np.ndarray) -> np.ndarray:
    kept = np.clip(share, _EDGE, 1 - _EDGE)
    return np.log(kept / (1 - kept))


def _of_odds(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))


def _fit(sure: Sequence[float], right: Sequence[bool], kinds: Sequence[str]) -> _Logistic:
    """By Newton's method on the penalised likelihood. A slope that falls is none."""
    names = sorted(set(kinds))
    own = np.array(kinds)[:, None] == np.array(names)
    odds = _odds(np.asarray(sure, float))
    for slopes in (odds[:, None], np.zeros((len(odds), 1))):
        inputs = np.hstack([np.ones((len(odds), 1)), slopes, own])
        ridge = np.array([_EDGE, _EDGE, *[_RIDGE] * len(names)])
        weights = np.zeros(inputs.shape[1])
        for _ in range(_STEPS):
            share = _of_odds(inputs @ weights)
            gradient = inputs.T @ (share - np.asarray(right, float)) + ridge * weights
            curvature = (inputs * (share * (1 - share))[:, None]).T @ inputs + np.diag(ridge)
            step = np.linalg.solve(curvature, gradient)
            # All right, or all wrong, has no end: a ridge so faint would take its time there.
            weights = weights - np.clip(step, -1, 1)
            if np.abs(step).max() < 1e-6:
                break
        if weights[1] >= 0:
            break
    return _Logistic(float(weights[1]), float(weights[0]), dict(zip(names, weights[2:].tolist(), strict=True)))


def cross_fitted(found: Scored) -> Scored:
    """The answers with calibrated confidences, each from curves of the other half of the videos: none judges itself."""
    half = [hashlib.sha256(video.encode()).digest()[0] % 2 for video in found.videos]
    made = list(found.plain)
    for side in (0, 1):
        curves = answer_curves(found, [i for i, other in enumerate(half) if other != side])
        calibration = Calibration(curves, "the other half")
        for i, own in enumerate(half):
            said = found.plain[i]
            if own == side:
                made[i] = replace(said, confidence=calibration.of_answer(said.by, said.kind, said.confidence))
    return replace(found, said={**found.said, PLAIN: tuple(made)})


def keep_curves(folder: Path, found: Scored, split: str) -> Path | None:
    """Put the curves of all answers beside those of the model's texts; None where there are too few answers."""
    curves = answer_curves(found, range(len(found.questions)))
    if not curves:
        return None
    before = read_calibration(folder)
    kept = {} if before is None else {k: v for k, v in before.curves.items() if not k.startswith("answer")}
    made_with = {} if before is None else before.made_with
    texts = "" if before is None else before.split.split(OF_ANSWERS)[0]
    name = f"{texts}{OF_ANSWERS}{split}" if texts else split
    return write_calibration(folder, Calibration({**kept, **curves}, name, made_with))
