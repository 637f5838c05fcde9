"""Controls: what a model scores without seeing, against which what it scores with seeing has to be read.

A question answered right from a black picture was guessed from the question; a caption that scores as well under
another frame's picture was made from habit. ``run_controls`` asks a model the same questions

- with a black image of the same size,
- with another frame's image (of another video where no video holds more than half of the frames),
- with no image at all,

and adds the best constant answer of each kind of question, chosen on the very references that it is scored on, so
that no other constant beats it. The headline is the margin over the best of these four. Reworded questions are
reported beside them, not among them: a model that understands scores there what it scores always.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from describer.errors import InputError
from describer.eval.answers import same_answer
from describer.eval.intervals import Interval, PairedTest, mean_interval, paired_test
from describer.frames import as_frame
from describer.messages import Chat
from describer.prompts.build import question_chat, scene_chat
from describer.types import Scene

if TYPE_CHECKING:
    # The runner works for any callable: only those who have a Describer load torch.
    from describer.pipeline import Describer

Respond = Callable[[np.ndarray | None, str], str]
"""A model: an RGB uint8 image (H, W, 3), or None for no image, and a question, to a text."""

Score = Callable[[Sequence[str], Sequence[str]], Sequence[float]]
"""Texts and true texts to one value each, more being better."""

_CONSTANTS_TRIED = 10


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One question, or one description (``question`` ""), with its true text.

    ``image`` is whatever ``as_frame`` reads and is read when needed; ``frame`` and ``video`` say which frame of
    which video it is, ``kind`` the type of the question.
    """

    image: Any
    frame: str
    video: str
    reference: str
    question: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """A control's score, the model's ``margin`` over it, and the share of its texts equal to the model's."""

    name: str
    score: Interval
    margin: PairedTest
    same_text: float


@dataclass(frozen=True, slots=True)
class ControlReport:
    """The model's score beside its controls'; ``skipped`` says why a control was not run."""

    model: Interval
    controls: tuple[Control, ...]
    reworded: Control | None
    skipped: Mapping[str, str]

    @property
    def best(self) -> Control:
        """The control that scores highest."""
        return max(self.controls, key=lambda control: control.score.value)

    def headline(self) -> str:
        """One sentence: the margin over the best control, with its interval, p and n."""
        best = self.best
        return (
            f"{best.margin.difference} above the best control, {best.name} ({best.score.value:.3f}); "
            f"p = {best.margin.p_value:.3g} by video; the model itself scores {self.model}."
        )


def right_answers(candidates: Sequence[str], references: Sequence[str]) -> list[float]:
    """1 for an answer that agrees with the true one, else 0; see ``answers.same_answer``."""
    return [float(same_answer(said, true)) for said, true in zip(candidates, references)]


def run_controls(
    respond: Respond,
    cases: Sequence[Case],
    score: Score = right_answers,
    reword: Callable[[str], str] | None = None,
    seed: int = 0,
) -> ControlReport:
    """Ask ``respond`` every case as it is and under every control, and score all of them.

    ``score`` for descriptions is a caption metric's values an item, such as
    ``lambda said, true: metric("entities").function(said, true).items["f1"]``. ``reword`` None takes ``reworded``.
    A control that makes no sense here (another frame's image when there is one frame, other words for descriptions)
    is skipped and named. InputError without a case, or naming the image that cannot be read.
    """
    if not cases:
        raise InputError("there is no question or description to run controls on; give at least one case.")
    answers = {
        "black image": _ask(respond, cases, lambda case: np.zeros_like(_image(case))),
        "no image": _ask(respond, cases, lambda _: None),
        "constant answer": _constants(cases, score),
    }
    skipped = {}
    others = other_frames(cases, seed)
    if others:
        answers["another frame's image"] = _ask(respond, cases, lambda case: _image(others[case.frame]))
    else:
        skipped["another frame's image"] = "all cases are of one frame"
    references = [case.reference for case in cases]
    other_words = None
    if all(case.question for case in cases):
        asked = [replace(case, question=(reword or reworded)(case.question)) for case in cases]
        other_words = _ask(respond, asked, _image)
    else:
        skipped["reworded question"] = "descriptions answer no question"
    said, videos = _ask(respond, cases, _image), [case.video for case in cases]
    return control_report(said, answers, other_words, lambda texts: score(texts, references), videos, skipped)


def control_report(
    said: Sequence[str],
    answers: Mapping[str, Sequence[str]],
    other_words: Sequence[str] | None,
    score: Callable[[Sequence[str]], Sequence[float]],
    videos: Sequence[str],
    skipped: Mapping[str, str],
) -> ControlReport:
    """What a model ``said`` beside its ``answers`` under each control and to the questions in ``other_words``.

    All lists go together, one entry a case; ``score`` takes one text a case.
    """
    values = score(said)

    def control(name: str, texts: Sequence[str]) -> Control:
        theirs = score(texts)
        same = float(np.mean([a == b for a, b in zip(texts, said)]))
        return Control(name, mean_interval(theirs, videos), paired_test(values, theirs, videos), same)

    controls = tuple(control(name, texts) for name, texts in answers.items())
    other = None if other_words is None else control("reworded question", other_words)
    return ControlReport(mean_interval(values, videos), controls, other, skipped)


def other_frames(cases: Sequence[Case], seed: int = 0) -> dict[str, Case]:
    """For each frame a case of another one: a permutation that leaves no frame in place, {} of a single frame.

    The other frame is of another video wherever no video has more than half of the frames: neighbours in a video
    look alike and would be no control.
    """
    frames = {case.frame: case for case in cases}
    if len(frames) < 2:
        return {}
    distinct = list(frames.values())
    by_video: dict[str, list[Case]] = defaultdict(list)
    for i in np.random.default_rng(seed).permutation(len(distinct)):
        by_video[distinct[i].video].append(distinct[i])
    # With videos in blocks, a step as long as the longest block leaves every block that can be left.
    row = [case for block in by_video.values() for case in block]
    longest = max(len(block) for block in by_video.values())
    step = longest if longest < len(row) else len(row) // 2
    return {case.frame: row[(i + step) % len(row)] for i, case in enumerate(row)}


_REWORDINGS = (
    (r"(?:is|are) there (.+)", "Can you see {}?"),
    (r"how many (.+?) (?:are|is|can|do) .+", "What is the number of {}?"),
    (r"where (?:is|are) (?:the )?(.+?)(?: located)?", "What is the position of the {}?"),
    (r"what colou?r (?:is|are) (?:the )?(.+)", "Name the colour of the {}."),
)


def reworded(question: str) -> str:
    """The same question in other words: common forms turned round, any other led in by "In this picture"."""
    plain = question.strip().rstrip("?. ")
    for pattern, wording in _REWORDINGS:
        match = re.fullmatch(pattern, plain, re.IGNORECASE)
        if match:
            return wording.format(match.group(1))
    return f"In this picture, {plain[:1].lower()}{plain[1:]}?"


def answers_of(describer: Describer) -> Respond:
    """A Describer's answers to questions; without an image its language model gets the question alone."""

    def respond(image: np.ndarray | None, question: str) -> str:
        if image is not None:
            return describer.ask(image, question).text
        return _blind(describer, lambda frame, scene, bare: question_chat(frame, scene, question, bare))

    return respond


def summaries_of(describer: Describer) -> Respond:
    """A Describer's descriptions of whole frames; without an image its language model is only asked for one."""

    def respond(image: np.ndarray | None, question: str) -> str:
        if image is not None:
            said = describer.annotate_frames([as_frame(image)])[0].descriptions
            return next(d.text for d in said if d.region_id is None)
        return _blind(describer, scene_chat)

    return respond


def unseen_chat(describer: Describer, chat: Callable[..., Chat]) -> Chat:
    """A chat of ``prompts.build`` without pictures, and without facts, which come from pictures too.

    ``chat`` takes a frame, a scene and prompt options.
    """
    bare = replace(describer.prompt.without_facts(), frame=False, overlay=False, crop=False)
    unseen = as_frame(np.zeros((64, 64, 3), np.uint8))
    return chat(unseen, Scene(unseen.ref.size_wh), bare)


def _blind(describer: Describer, chat: Callable[..., Chat]) -> str:
    return describer.vlm.generate([unseen_chat(describer, chat)], describer.generation)[0].text


def _image(case: Case) -> np.ndarray:
    return as_frame(case.image).image


def _ask(respond: Respond, cases: Sequence[Case], image: Callable[[Case], np.ndarray | None]) -> list[str]:
    return [respond(image(case), case.question) for case in cases]


def _constants(cases: Sequence[Case], score: Score) -> list[str]:
    """For each case the one text that scores best on all cases of its kind, of the ten most frequent true ones."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        by_kind[case.kind].append(case.reference)

    def best(references: list[str]) -> str:
        tried = [text for text, _ in Counter(references).most_common(_CONSTANTS_TRIED)]
        return max(tried, key=lambda text: float(np.mean(score([text] * len(references), references))))

    chosen = {kind: best(references) for kind, references in by_kind.items()}
    return [chosen[case.kind] for case in cases]
