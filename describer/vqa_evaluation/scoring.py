"""Answers to a set's questions as a report: right or wrong, per type, against controls, and how sure they were."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from describer import __version__
from describer.abstention import Threshold, pick_threshold
from describer.controls import ControlReport, control_report
from describer.errors import InputError
from describer.eval.answers import normalise, number_of
from describer.eval.calibration import calibration_scores
from describer.eval.counts import count_scores
from describer.eval.intervals import Interval, mean_interval
from describer.eval.reports.report import Case, Cases, Curve, ItemScores, Number, Report, Skip
from describer.eval.vqa import vqa_scores
from describer.evaluate.cases import packed_picture
from describer.evaluate.findings import of_whole
from describer.frames import as_frame
from describer.vqa_evaluation.asking import CONTROLS, PLAIN, REWORDED, Answers, Said
from describer.vqa_evaluation.matching import Wordings, accepts
from describer.vqa_sets.question import Question

_CONSTANTS_TRIED = 10
_WORST = 5
_MOST_PICTURES = 2
_COVERAGE = 0.8
RIGHT = (
    "equal to a true answer, the same number, or naming the same of the question's choices; yes and no by what is said"
)


@dataclass(frozen=True, slots=True)
class Scored:
    """Questions that were answered, and per condition one answer each and whether it is right (1 or 0)."""

    questions: tuple[Question, ...]
    said: Mapping[str, tuple[Said, ...]]
    right: Mapping[str, tuple[float, ...]]
    wordings: Wordings

    @property
    def videos(self) -> list[str]:
        return [question.video for question in self.questions]

    @property
    def plain(self) -> tuple[Said, ...]:
        return self.said[PLAIN]

    @property
    def values(self) -> np.ndarray:
        return np.asarray(self.right[PLAIN])


def scored(questions: Sequence[Question], answers: Answers, wordings: Wordings) -> tuple[Scored, list[Skip]]:
    """The questions with an answer, and what was not answered; a condition counts when it answers all of them.

    InputError when none is answered.
    """
    failed = [q.id for q in questions if (said := answers.get((PLAIN, q.id))) is not None and said.error]
    missing = [q.id for q in questions if (PLAIN, q.id) not in answers]
    left_out = {*failed, *missing}
    kept = tuple(question for question in questions if question.id not in left_out)
    if not kept:
        raise InputError("none of the questions has an answer; check that their pictures are there.")
    skips = [
        Skip(what, len(ids), "not scored", tuple(ids[:3]))
        for what, ids in (("questions whose picture cannot be read", failed), ("questions without an answer", missing))
        if ids
    ]
    by_condition: dict[str, tuple[Said, ...]] = {}
    right: dict[str, tuple[float, ...]] = {}
    for condition in (PLAIN, *CONTROLS, REWORDED):
        ones = [answers.get((condition, question.id)) for question in kept]
        whole = tuple(one for one in ones if one is not None and not one.error)
        if len(whole) == len(kept):
            by_condition[condition] = whole
            right[condition] = tuple(float(accepts(one.answer, q, wordings)) for one, q in zip(whole, kept))
    return Scored(kept, by_condition, right, wordings), skips


def numbers_of(found: Scored) -> list[Number]:
    """All numbers of the answers themselves, over all questions and per type."""
    everything = np.arange(len(found.questions))
    made = [
        _mean(found, "right", "answers", everything),
        _whole(found, "type_mean", everything),
        _whole(found, "balanced", everything),
        Number("vqa", "held back", "answers", mean_interval([float(s.abstained) for s in found.plain], found.videos),
               "questions", lower_is_better=True),
    ]  # fmt: skip
    given = np.flatnonzero([not said.abstained for said in found.plain])
    if 0 < len(given) < len(everything):
        made.append(_mean(found, "right", "answers that were given", given))
    for by, about in (("scene", "answers read off the scene"), ("model", "answers of the language model alone")):
        chosen = np.flatnonzero([said.by == by for said in found.plain])
        if 0 < len(chosen) < len(everything):
            made.append(_mean(found, "right", about, chosen))
    return [*made, *_per_type(found), *_counts(found)]


def _per_type(found: Scored) -> list[Number]:
    constants = np.asarray(constant_answers(found)[1])
    made = []
    types = sorted({question.type for question in found.questions})
    for kind in types if len(types) > 1 else ():
        chosen = np.flatnonzero([question.type == kind for question in found.questions])
        about = f"answers: {kind or 'no type'}"
        made.append(_mean(found, "right", about, chosen))
        made.append(_whole(found, "balanced", chosen, about))
        videos = [found.videos[i] for i in chosen]
        made.append(Number("vqa", "best constant answer", about, mean_interval(constants[chosen], videos), "questions"))
    return made


def _mean(found: Scored, key: str, about: str, chosen: np.ndarray) -> Number:
    videos = [found.videos[i] for i in chosen]
    return Number("vqa", key, about, mean_interval(found.values[chosen], videos), "questions")


def _whole(found: Scored, key: str, chosen: np.ndarray, about: str = "answers") -> Number:
    """A score that only a whole set has: ``vqa_scores`` on the true answer where ours is right, on none where not."""

    def value(some: np.ndarray) -> float:
        questions = [found.questions[chosen[i]] for i in some]
        said = [q.answers[0] if found.values[chosen[i]] else "" for q, i in zip(questions, some)]
        scores = vqa_scores(said, [q.answers[0] for q in questions], [q.type for q in questions])
        return float(getattr(scores, key))

    return Number("vqa", key, about, _share(value, [found.videos[i] for i in chosen]), "questions")


def _share(statistic: Callable[[np.ndarray], float], videos: Sequence[str]) -> Interval:
    """A share that only a whole set has, with its interval by video, which ends where shares do."""
    found = of_whole(statistic, videos)
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))


def _counts(found: Scored) -> list[Number]:
    chosen = [i for i, q in enumerate(found.questions) if normalise(q.answers[0]).isdecimal()]
    if not chosen:
        return []

    def of(key: str) -> Callable[[np.ndarray], float]:
        def value(some: np.ndarray) -> float:
            picked = [chosen[i] for i in some]
            said = [str(number_of(found.plain[i].answer) or 0) for i in picked]
            return float(getattr(count_scores(said, [found.questions[i].answers[0] for i in picked]), key))

        return value

    videos = [found.videos[i] for i in chosen]
    within, mae = _share(of("within_1"), videos), of_whole(of("mae"), videos)
    return [
        Number("counts", "within_1", "counts", within, "questions"),
        Number("counts", "mae", "counts", mae, "questions", lower_is_better=True),
    ]


def constant_answers(found: Scored) -> tuple[list[str], list[float]]:
    """For each question the one text that is right most often for its type, of its ten most frequent true answers.

    It is chosen on the very questions that it is scored on, so that no other constant does better.
    """
    by_type: dict[str, list[int]] = defaultdict(list)
    for i, question in enumerate(found.questions):
        by_type[question.type].append(i)
    texts, values = [""] * len(found.questions), [0.0] * len(found.questions)
    for chosen in by_type.values():
        tried = Counter(found.questions[i].answers[0] for i in chosen).most_common(_CONSTANTS_TRIED)
        scores = {text: [float(accepts(text, found.questions[i], found.wordings)) for i in chosen] for text, _ in tried}
        best = max(scores, key=lambda text: sum(scores[text]))
        for i, value in zip(chosen, scores[best]):
            texts[i], values[i] = best, value
    return texts, values


def controls_of(found: Scored, skipped: Mapping[str, str]) -> ControlReport:
    """The controls that were asked, beside the best constant answer of each type."""
    texts = {name: [said.answer for said in found.said[name]] for name in CONTROLS if name in found.said}
    other = [said.answer for said in found.said[REWORDED]] if REWORDED in found.said else None
    texts["constant answer"] = constant_answers(found)[0]

    def score(said: Sequence[str]) -> list[float]:
        return [float(accepts(text, question, found.wordings)) for text, question in zip(said, found.questions)]

    return control_report([said.answer for said in found.plain], texts, other, score, found.videos, skipped)


def control_numbers(report: ControlReport) -> list[Number]:
    made = [Number("control", c.name, "controls", c.score, "questions") for c in report.controls]
    margin = report.best.margin.difference
    made.append(Number("margin", "over the best control", "controls", margin, "questions"))
    if report.reworded is not None:
        made.append(Number("vqa", "right", "reworded questions", report.reworded.score, "questions"))
    return made


def confidence_findings(
    found: Scored, risk: float | None, name: str
) -> tuple[list[Number], tuple[Curve, ...], Threshold | None]:
    """What confidences are worth, and the threshold for a risk where one is asked for; nothing where there are none."""
    chosen = np.flatnonzero([said.confidence is not None for said in found.plain])
    if not len(chosen):
        if risk is not None:
            raise InputError("--risk needs confidences, and these answers have none; use a model that gives them.")
        return [], (), None
    sure = np.array([found.plain[i].confidence for i in chosen], np.float64)
    right = found.values[chosen] == 1
    videos = [found.videos[i] for i in chosen]

    def of(key: str) -> Callable[[np.ndarray], float]:
        return lambda some: float(getattr(calibration_scores(sure[some].tolist(), right[some].tolist()), key))

    def risk_at(coverage: float) -> Callable[[np.ndarray], float]:
        def value(some: np.ndarray) -> float:
            risks = calibration_scores(sure[some].tolist(), right[some].tolist()).risk
            return risks[max(round(coverage * len(risks)), 1) - 1]

        return value

    about = "confidences"
    made = [
        Number("calibration", key, about, _share(of(key), videos), "questions", key != "auroc")
        for key in ("aurc", "auroc", "ece")
    ]
    whole, part = risk_at(1.0), risk_at(_COVERAGE)

    def drop(some: np.ndarray) -> float:
        return 1 - part(some) / whole(some) if whole(some) else 0.0

    at_part = f"at {_COVERAGE:.0%} coverage"
    for key, statistic in (("at full coverage", whole), (at_part, part)):
        made.append(Number("risk", key, about, _share(statistic, videos), "questions", lower_is_better=True))
    made.append(Number("risk", "drop between, as a share", about, of_whole(drop, videos), "questions"))
    scores = calibration_scores(sure.tolist(), right.tolist())
    curve = Curve("confidence of answers", RIGHT, scores.coverage, scores.risk, scores.n, "answers")
    picked = None if risk is None else pick_threshold(sure.tolist(), right.tolist(), risk, name)
    return made, (curve,), picked


def worst_cases(found: Scored, pictures: Mapping[str, tuple[Path, ...]]) -> Cases | None:
    """The five answers that are wrong and surest, each with its frame (of a clip the first and the last)."""
    wrong = [i for i, value in enumerate(found.values) if not value]
    order = sorted(wrong, key=lambda i: (-(found.plain[i].confidence or 0.0), found.questions[i].id))[:_WORST]
    if not order:
        return None
    cases = [_case(found.questions[i], found.plain[i], pictures.get(found.questions[i].id, ())) for i in order]
    return Cases("confidence, of the answers that are wrong", tuple(cases), ())


def _case(question: Question, said: Said, files: tuple[Path, ...]) -> Case:
    shown = files if len(files) <= _MOST_PICTURES else (files[0], files[-1])
    return Case(
        id=question.id,
        scores={} if said.confidence is None else {"confidence": said.confidence},
        said=(said.answer,),
        true=question.answers[:1],
        question=question.text,
        pictures=tuple(packed_picture(file.name, as_frame(file).image) for file in shown),
    )


def report_of(
    found: Scored,
    *,
    run: str,
    references: str,
    split: str,
    numbers: Sequence[Number],
    curves: Sequence[Curve],
    cases: Cases | None,
    skips: Sequence[Skip],
    rules: Sequence[str],
) -> Report:
    ids = tuple(question.id for question in found.questions)
    item = ItemScores("vqa", "right", "answers", ids, tuple(found.videos), tuple(map(float, found.values)))
    return Report(
        run=run,
        references=references,
        split=split,
        version=__version__,
        matched={"id": len(ids)},
        n_videos=len(set(found.videos)),
        numbers=tuple(numbers),
        items=(item,),
        curves=tuple(curves),
        cases=cases,
        skips=tuple(skips),
        rules=tuple(rules),
    )
