"""`describer evaluate --task vqa`: a set of questions, a model or its answers, one report."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from describer.abstention import Threshold
from describer.errors import InputError
from describer.eval.reports.report import Report, Skip
from describer.vqa_evaluation.asking import Book, ask_units, asks_of, pictures_of, read_predictions, units
from describer.vqa_evaluation.calibrating import cross_fitted
from describer.vqa_evaluation.matching import wordings_of
from describer.vqa_evaluation.scoring import (
    RIGHT,
    Scored,
    confidence_findings,
    control_numbers,
    controls_of,
    numbers_of,
    report_of,
    scored,
    worst_cases,
)
from describer.vqa_sets import Question, QuestionSet, read_questions

if TYPE_CHECKING:
    from describer.pipeline import Describer

_RULES = (
    f"An answer is right when it is {RIGHT}. What the core label set has under one name counts as one.",
    "Balanced: the share right of each true answer of a type, averaged, then over types, so that a constant answer "
    "earns little. Type mean: the share right of each type, averaged.",
    "Controls: the same questions with another frame's image (of another video where there is one), with a black "
    "image, to the language model without any image, and the best constant answer of each type, chosen on these very "
    "answers.",
    "Held back: answers less sure than the model's threshold, and refusals; they count as they are, right or wrong.",
    "Intervals (95 %) are over videos, never over frames. With one video there is none.",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which questions: the set at ``path``, told by its layout unless named, and of it a reading, split, videos, some.

    ``frames`` is where the pictures are, when not below ``path``; ``limit`` takes about that many questions, whole
    frames of them, the same ones every time.
    """

    path: Path
    name: str | None = None
    reading: str | None = None
    split: str | None = None
    videos: tuple[str, ...] = ()
    limit: int | None = None
    frames: Path | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """``threshold`` is None where none was asked for, or none reaches the risk; ``rows`` are the answers as given."""

    report: Report
    threshold: Threshold | None
    headline: str
    rows: Scored | None = None


def evaluate_questions(
    wanted: Wanted,
    load: Callable[[], Describer],
    *,
    predictions: Path | None = None,
    choices: bool = False,
    controls: bool = True,
    risk: float | None = None,
    calibrate: bool = False,
    label: str | None = None,
    out: Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Evaluated:
    """Ask a Describer the questions (or read ``predictions`` of any model), with controls, and score all of it.

    ``load`` gives the Describer, when there is something to ask. ``choices`` has it choose among the answers of each
    question's type by likelihood; questions without such a list are left out. ``risk`` picks the threshold below which
    answers should be held back. Answers are kept in ``out`` as they come, and a run that was stopped goes on there.
    ``calibrate`` asks for the confidences as they come, without the model's curves for answers, and reports those that
    curves of the other half of the videos make of them. ``label`` names the split in the report. Raises DescriberError,
    which names the remedy.
    """
    found, questions = read_questions(wanted.path, wanted.name, wanted.reading, wanted.split, wanted.videos)
    questions, skips = _usable(questions, choices)
    root = wanted.frames or (wanted.path if wanted.path.is_dir() else wanted.path.parent)
    pictures = {question.id: pictures_of(question, root) for question in questions}
    if predictions is None:
        questions, lost = _with_pictures(questions, pictures, root)
        skips += lost
        questions = sampled(questions, wanted.limit)
        loaded = load()
        if calibrate and getattr(loaded.vlm, "calibration", None) is not None:
            loaded.vlm.calibration = None  # type: ignore[attr-defined]
        asked, skipped = units(questions, pictures, choices, controls)
        settings = {"describer": loaded.settings(), "questions": _fingerprint(questions), "choices": choices}
        book = Book(out, settings)
        total = sum(len(unit.asked) for unit in asked)
        ask_units(asked, asks_of(loaded, choices), book, None if progress is None else lambda n: progress(n, total))
        answers, run = book.answers, _name_of(loaded)
    else:
        questions = sampled(questions, wanted.limit)
        answers, run = read_predictions(predictions, questions), str(predictions)
        skipped = {}
    rows, unanswered = scored(questions, answers, wordings_of(found))
    name = label or _label(found, wanted)
    made = _evaluated(
        cross_fitted(rows) if calibrate else rows,
        found,
        name,
        run,
        wanted,
        pictures,
        [*skips, *unanswered],
        skipped,
        choices,
        risk,
    )
    return replace(made, rows=rows)


def _evaluated(
    rows: Scored,
    found: QuestionSet,
    name: str,
    run: str,
    wanted: Wanted,
    pictures: dict[str, tuple[Path, ...]],
    skips: Sequence[Skip],
    skipped: dict[str, str],
    choices: bool,
    risk: float | None,
) -> Evaluated:
    control = controls_of(rows, skipped)
    sure, curves, threshold = confidence_findings(rows, risk, name)
    rules = [*_RULES]
    if choices:
        rules.append("Closed: the answer is the choice of its type with the highest mean log-likelihood of its tokens.")
    rules += [note for note in (found.notes, f"Splits: {found.splits}.") if note]
    rules += [f"Control left out: {which}, {why}." for which, why in skipped.items()]
    if risk is not None:
        rules.append(f"Threshold for a risk of {risk:.1%}: {threshold or 'none reaches it on these questions'}.")
    report = report_of(
        rows,
        run=run,
        references=f"{wanted.path} ({found.name})",
        split=name,
        numbers=[*numbers_of(rows), *control_numbers(control), *sure],
        curves=curves,
        cases=worst_cases(rows, pictures),
        skips=skips,
        rules=rules,
    )
    return Evaluated(report, threshold, control.headline())


def sampled(questions: Sequence[Question], limit: int | None) -> list[Question]:
    """About ``limit`` of the questions, all that go with a frame together, spread over the set, in their order."""
    if limit is None or len(questions) <= limit:
        return list(questions)
    by_frames: dict[tuple[str, ...], list[Question]] = {}
    for question in questions:
        by_frames.setdefault(question.frames or (question.id,), []).append(question)
    order = sorted(by_frames, key=lambda frames: hashlib.sha256(frames[0].encode()).digest())
    kept: set[str] = set()
    for frames in order:
        if len(kept) >= limit:
            break
        kept.update(question.id for question in by_frames[frames])
    return [question for question in questions if question.id in kept]


def _usable(questions: Sequence[Question], choices: bool) -> tuple[list[Question], list[Skip]]:
    if not choices:
        return list(questions), []
    closed = [question for question in questions if len(question.choices) > 1]
    if not closed:
        raise InputError("--choices: these questions have no closed answers; leave it out.")
    types = sorted({question.type for question in questions if len(question.choices) < 2})
    lost = len(questions) - len(closed)
    skips = [Skip("questions without a choice of answers", lost, "not asked with --choices", tuple(types[:3]))]
    return closed, skips if lost else []


def _with_pictures(
    questions: Sequence[Question], pictures: dict[str, tuple[Path, ...]], root: Path
) -> tuple[list[Question], list[Skip]]:
    there = [question for question in questions if pictures[question.id]]
    lost = [question for question in questions if not pictures[question.id]]
    if not there:
        example = lost[0].frames[0] if lost and lost[0].frames else "a picture"
        raise InputError(
            f"{root} has no picture of these questions, such as {example}; name their folder with --frames."
        )
    names = tuple(question.frames[0] if question.frames else question.id for question in lost[:3])
    return there, [Skip("questions whose picture is not there", len(lost), "not asked", names)] if lost else []


def _label(found: QuestionSet, wanted: Wanted) -> str:
    parts = [found.name, wanted.reading if wanted.reading not in (None, found.readings[0]) else None]
    parts += [wanted.split or "all splits", " ".join(wanted.videos) or None]
    return ", ".join(part for part in parts if part)


def _name_of(describer: Describer) -> str:
    made = describer.provenance()
    return f"{made.vlm}{f' + {made.adapter}' if made.adapter else ''} on scenes of {made.scene_model}"


def _fingerprint(questions: Sequence[Question]) -> str:
    text = "\n".join(f"{question.id}|{question.text}" for question in questions)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
