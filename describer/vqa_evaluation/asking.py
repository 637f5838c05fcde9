"""Puts questions to a Describer, as they are and under controls, and keeps every answer at once: a killed run goes on.

OUT/run.json           what was asked of what model
OUT/predictions.jsonl  one answer a line: id, condition, answer, confidence, abstained, region_ids
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from describer.controls import Case, other_frames, reworded, unseen_chat
from describer.errors import InputError, OutputError
from describer.frames import as_frame
from describer.messages import Chat
from describer.prompts.build import question_chat
from describer.scope import refusal
from describer.types import Answer
from describer.vlm.choosing import choose, require_chooser
from describer.vqa import Question as AskedQuestion
from describer.vqa_sets.lines import read_rows, text_of
from describer.vqa_sets.question import Question
from describer.wording import sentence_case

if TYPE_CHECKING:
    from describer.clips import OpenedClip
    from describer.pipeline import Describer
    from describer.vqa import Opened

PLAIN = "as asked"
OTHER_FRAME, BLACK, NO_IMAGE, REWORDED = "another frame's image", "black image", "no image", "reworded question"
CONTROLS = (OTHER_FRAME, BLACK, NO_IMAGE)
_TOGETHER = 32
_CLIP_FRAMES = 8


@dataclass(frozen=True, slots=True)
class Said:
    """One answer, ``by`` the scene, the language "model" or a "rule" that refused; ``error`` says why there is none."""

    answer: str
    confidence: float | None = None
    abstained: bool = False
    region_ids: tuple[int, ...] = ()
    by: str = "model"
    kind: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is put: other words under a control, and the choices where it is closed."""

    id: str
    text: str
    choices: tuple[str, ...] = ()


Answers = dict[tuple[str, str], Said]
"""By condition and question id."""

AskOn = Callable[[Sequence[np.ndarray], Sequence[Asked]], list[Said]]
"""A model: RGB uint8 images (H, W, 3), one for a frame, several for a clip, none to go without; and questions on them,
to one answer each."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Questions that share pictures: those of ``files``, a black one of ``black_wh``, or none."""

    condition: str
    asked: tuple[Asked, ...]
    files: tuple[Path, ...] = ()
    black_wh: tuple[int, int] | None = None

    def images(self) -> list[np.ndarray]:
        """RGB uint8 (H, W, 3) each; InputError when a file cannot be read."""
        if self.black_wh is not None:
            return [np.zeros((self.black_wh[1], self.black_wh[0], 3), np.uint8)]
        return [as_frame(file).image for file in self.files]


def pictures_of(question: Question, root: Path) -> tuple[Path, ...]:
    """The question's frames that are there, of a long clip 8 spread evenly; () where there is none."""
    there = [root / name for name in question.frames if (root / name).is_file()]
    few = min(len(there), _CLIP_FRAMES)
    return tuple(there[round(i * (len(there) - 1) / max(few - 1, 1))] for i in range(few))


def units(
    questions: Sequence[Question], pictures: Mapping[str, tuple[Path, ...]], closed: bool, controls: bool
) -> tuple[list[Unit], dict[str, str]]:
    """All that is to be asked, grouped by pictures, and why a control is left out.

    ``pictures`` are those of each question's id. Units with the same pictures follow each other.
    """
    grouped: dict[tuple[Path, ...], list[Asked]] = {}
    for question in questions:
        choices = question.choices if closed and len(question.choices) > 1 else ()
        grouped.setdefault(pictures[question.id], []).append(Asked(question.id, question.text, choices))
    made = [Unit(PLAIN, tuple(asked), files) for files, asked in grouped.items()]
    if not controls:
        return made, dict.fromkeys((*CONTROLS, REWORDED), "left out by --no-controls")
    videos = {pictures[question.id]: question.video for question in questions}
    by_name = {str(files): files for files in grouped}
    others = other_frames([Case(None, name, videos[files], "") for name, files in by_name.items()])
    skipped = {} if others else {OTHER_FRAME: "all questions are on one frame"}
    for name, other in others.items():
        made.append(Unit(OTHER_FRAME, tuple(grouped[by_name[name]]), by_name[other.frame]))
    by_size: dict[tuple[int, int], list[Asked]] = {}
    for files, asked in grouped.items():
        by_size.setdefault(_size_wh(files[0]), []).extend(asked)
    made += [Unit(BLACK, tuple(asked), black_wh=size) for size, asked in by_size.items()]
    made.append(Unit(NO_IMAGE, tuple(itertools.chain.from_iterable(grouped.values()))))
    made += [
        Unit(REWORDED, tuple(replace(asked, text=reworded(asked.text)) for asked in group), files)
        for files, group in grouped.items()
    ]
    return sorted(made, key=lambda unit: unit.files), skipped


def _size_wh(file: Path) -> tuple[int, int]:
    """(width, height) from the file's head; one that cannot be read is asked about in a common size."""
    try:
        with Image.open(file) as picture:
            return picture.size
    except OSError:
        return 640, 480


def ask_units(made: Sequence[Unit], ask: AskOn, book: Book, progress: Callable[[int], object] | None = None) -> None:
    """Ask what the book does not have yet; a picture that cannot be read becomes an error a question."""
    shown: tuple[Unit, list[np.ndarray]] | None = None
    for unit in made:
        missing = [asked for asked in unit.asked if (unit.condition, asked.id) not in book.answers]
        if progress and len(missing) < len(unit.asked):
            progress(len(unit.asked) - len(missing))
        # The same words on the same picture are asked once.
        distinct: dict[tuple[str, tuple[str, ...]], list[Asked]] = {}
        for asked in missing:
            distinct.setdefault((asked.text, asked.choices), []).append(asked)
        groups = list(distinct.values())
        for start in range(0, len(groups), _TOGETHER):
            chunk = groups[start : start + _TOGETHER]
            try:
                if shown is None or (shown[0].files, shown[0].black_wh) != (unit.files, unit.black_wh):
                    shown = unit, unit.images()
                said = ask(shown[1], [group[0] for group in chunk])
            except InputError as error:
                said = [Said("", error=str(error))] * len(chunk)
            book.add(unit.condition, [(asked.id, one) for group, one in zip(chunk, said) for asked in group])
            if progress:
                progress(sum(map(len, chunk)))


class Book:
    """The answers of a run, on disk as they come; ``folder`` None keeps them in memory.

    OutputError when the folder holds answers of other settings, or cannot be written.
    """

    def __init__(self, folder: Path | None, settings: Mapping[str, Any]) -> None:
        self.answers: Answers = {}
        self._path = None if folder is None else folder / "predictions.jsonl"
        if folder is None or self._path is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            told, plain = folder / "run.json", json.loads(json.dumps(settings))
            if told.is_file() and self._path.is_file() and json.loads(told.read_text(encoding="utf-8")) != plain:
                raise OutputError(f"{folder} holds answers of another model or other options; choose another -o.")
            told.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
            if self._path.is_file():
                self.answers = dict(_whole_rows(self._path))
        except (OSError, ValueError) as error:
            raise OutputError(f"{folder} cannot be used for answers ({error}); choose another -o.") from error

    def add(self, condition: str, said: Sequence[tuple[str, Said]]) -> None:
        lines = []
        for name, one in said:
            self.answers[condition, name] = one
            row = {"id": name, "condition": condition, **asdict(one)}
            lines.append(
                json.dumps({key: value for key, value in row.items() if value is not None}, ensure_ascii=False)
            )
        if self._path is not None and lines:
            try:
                with self._path.open("a", encoding="utf-8") as out:
                    out.write("\n".join(lines) + "\n")
            except OSError as error:
                raise OutputError(f"{self._path} cannot be written ({error.strerror}); free some room.") from error


def _whole_rows(path: Path) -> Iterator[tuple[tuple[str, str], Said]]:
    """What a run has written so far; a line that a kill cut short is taken out of the file."""
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    for line in whole.splitlines():
        yield _answer(json.loads(line))


def _answer(row: Mapping[str, Any]) -> tuple[tuple[str, str], Said]:
    said = Said(
        str(row.get("answer", "")),
        row.get("confidence"),
        bool(row.get("abstained", False)),
        tuple(row.get("region_ids", ())),
        str(row.get("by", "model")),
        row.get("kind"),
        row.get("error"),
    )
    return (str(row.get("condition", PLAIN)), str(row["id"])), said


def read_predictions(path: Path, questions: Sequence[Question]) -> Answers:
    """Answers of any model from a JSONL of id (or image and question), answer and, where known, confidence.

    InputError names the line that lacks something, and says when no line answers any of the questions.
    """
    known = {question.id for question in questions}
    by_words = {(frame, question.text): question.id for question in questions for frame in question.frames}
    found: Answers = {}
    for where, row in read_rows(path):
        name = row.get("id")
        if name is None:
            asked = text_of(row, "question", where)
            name = by_words.get((str(row.get("image", "")), asked))
        if not isinstance(row.get("answer"), str) and "error" not in row:
            raise InputError(f"{where}: needs 'answer' as text; it has {', '.join(row)}.")
        confidence = row.get("confidence")
        if confidence is not None and not (isinstance(confidence, int | float) and 0 <= confidence <= 1):
            raise InputError(f"{where}: a confidence must be a number in [0, 1], got {confidence!r}.")
        if name is not None and str(name) in known:
            key, said = _answer({**row, "id": name})
            found[key] = said
    if not any(condition == PLAIN for condition, _ in found):
        raise InputError(f"{path} answers none of these questions; its lines need their id, or image and question.")
    return found


def asks_of(describer: Describer, closed: bool) -> AskOn:
    """A Describer as a model of this module; ``closed`` has it choose where there are choices.

    Without a picture its language model gets the question alone. ModelError when ``closed`` and it cannot choose.
    """
    if closed:
        require_chooser(describer.vlm)
    last: list[tuple[Sequence[np.ndarray], Opened | OpenedClip]] = []

    def ask(images: Sequence[np.ndarray], asked: Sequence[Asked]) -> list[Said]:
        if not images:
            return _unseen(describer, asked)
        # The same pictures again, under another condition: their scenes are found once.
        if not last or last[0][0] is not images:
            last[:] = [(images, describer.open(images[0]) if len(images) == 1 else describer.open_clip(images))]
        opened = last[0][1]
        answers = opened.ask_all([AskedQuestion(one.text, choices=one.choices) for one in asked])
        return [_said(answer) for answer in answers]

    return ask


def _said(answer: Answer) -> Said:
    by = "rule" if answer.confidence is None and answer.abstained else "scene" if answer.scene_answer else "model"
    return Said(answer.text, answer.confidence, answer.abstained, answer.region_ids, by, answer.kind)


def _unseen(describer: Describer, asked: Sequence[Asked]) -> list[Said]:
    """What the language model says to the questions alone; one that is out of scope is refused all the same."""
    refused = {one: refusal(one.text) for one in asked}
    kept = [one for one in asked if refused[one] is None]
    said = iter(_blind(describer, kept))
    return [next(said) if (why := refused[one]) is None else Said(why, None, True, (), "rule") for one in asked]


def _blind(describer: Describer, asked: Sequence[Asked]) -> list[Said]:
    chats = {one: _unseen_question(describer, one) for one in asked}
    open_, closed = [one for one in asked if not one.choices], [one for one in asked if one.choices]
    made = describer.vlm.generate([chats[one] for one in open_], describer.generation)
    found = {one: (answer.text, answer.confidence) for one, answer in zip(open_, made)}
    if closed:
        given = [[sentence_case(f"{choice}.") for choice in one.choices] for one in closed]
        for one, choice in zip(closed, choose(describer.vlm, [chats[one] for one in closed], given)):
            found[one] = (one.choices[choice.index], choice.confidence)
    below = describer.abstain_below
    return [Said(text, sure, sure is not None and sure < below) for text, sure in (found[one] for one in asked)]


def _unseen_question(describer: Describer, asked: Asked) -> Chat:
    text = f"{asked.text} Choose one of: {', '.join(asked.choices)}." if asked.choices else asked.text
    return unseen_chat(describer, lambda frame, scene, bare: question_chat(frame, scene, text, bare))
