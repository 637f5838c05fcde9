"""Answers against true answers: exact, normalised, per question type, and balanced against the frequent answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from describer.eval.answers import normalise, same_answer
from describer.eval.registry import Inputs, MetricSpec, Scores

ANSWERS: Inputs = (("predictions", "text"), ("references", "text"))
"""One answer an item, and the true one."""


@dataclass(frozen=True, slots=True)
class TypeScores:
    """Shares in [0, 1] of ``n`` questions of one type; see VqaScores for what each is."""

    exact: float
    normalised: float
    balanced: float
    n: int
    n_answers: int


@dataclass(frozen=True, slots=True)
class VqaScores:
    """Shares of ``n`` questions in [0, 1], all 0 when there is none.

    ``exact``: letter by letter. ``normalised``: by ``answers.same_answer``, negation-aware for yes and no.
    ``type_mean``: normalised, averaged over question types. ``balanced``: within each type the normalised share is
    taken for each of its ``n_answers`` true answers and averaged, then averaged over types, so that the best
    constant answer of a type scores 1 / n_answers there however frequent it is.
    """

    exact: float
    normalised: float
    type_mean: float
    balanced: float
    n: int
    by_type: Mapping[str, TypeScores]


def vqa_scores(candidates: Sequence[str], references: Sequence[str], types: Sequence[str] | None = None) -> VqaScores:
    """Scores of one answer a question; ``types`` None takes all questions for one type.

    ValueError when the lengths differ.
    """
    types = [""] * len(references) if types is None else types
    if not len(candidates) == len(references) == len(types):
        raise ValueError(f"{len(candidates)} answers, {len(references)} true answers, {len(types)} types")
    rows: dict[str, list[tuple[bool, bool, str]]] = defaultdict(list)
    for candidate, reference, kind in zip(candidates, references, types):
        rows[kind].append((candidate == reference, same_answer(candidate, reference), normalise(reference)))
    by_type = {kind: _type_scores(rows[kind]) for kind in sorted(rows)}
    scores, n = list(by_type.values()), len(references)
    return VqaScores(
        exact=sum(s.exact * s.n for s in scores) / n if n else 0.0,
        normalised=sum(s.normalised * s.n for s in scores) / n if n else 0.0,
        type_mean=float(np.mean([s.normalised for s in scores])) if n else 0.0,
        balanced=float(np.mean([s.balanced for s in scores])) if n else 0.0,
        n=n,
        by_type=by_type,
    )


def _type_scores(rows: Sequence[tuple[bool, bool, str]]) -> TypeScores:
    by_answer: dict[str, list[bool]] = defaultdict(list)
    for _, right, answer in rows:
        by_answer[answer].append(right)
    return TypeScores(
        exact=float(np.mean([exact for exact, _, _ in rows])),
        normalised=float(np.mean([right for _, right, _ in rows])),
        balanced=float(np.mean([np.mean(rights) for rights in by_answer.values()])),
        n=len(rows),
        n_answers=len(by_answer),
    )


def _scores(predictions: Sequence[str], references: Sequence[str], types: Sequence[str] | None = None) -> Scores:
    found = vqa_scores(predictions, references, types)
    pairs = list(zip(predictions, references))
    return Scores(
        corpus={key: getattr(found, key) for key in SPEC.keys},
        n=found.n,
        items={
            "exact": tuple(float(said == true) for said, true in pairs),
            "normalised": tuple(float(same_answer(said, true)) for said, true in pairs),
        },
        details={"by_type": {} if types is None else {kind: asdict(s) for kind, s in found.by_type.items()}},
    )


SPEC = MetricSpec(
    name="vqa",
    inputs=ANSWERS,
    function=_scores,
    keys=("exact", "normalised", "type_mean", "balanced"),
    summary="answers right by letter and by meaning of words, yes and no by what is denied; given `types`, per type",
    source="normalisation after Antol et al., VQA, ICCV 2015; balanced as mean recall over true answers",
)
