"""Answers to questions: what the scene graph says exactly, what the language model says, and whether they agree.

A question that the scene answers (how many, where, which, what touches or acts on what, which is larger, how things
look, the activity and phase) gets the scene's answer: it is read off the masks and the pixels under them, and a small
language model only copies it. The model is asked all the same, shown the crop of the region that is asked about; that
it says otherwise lowers the confidence and is shown. Where the scene model has not looked, looks are for it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from describer.errors import InputError
from describer.eval.answers import normalise, number_of, same_answer
from describer.mentions import find_labels
from describer.messages import Chat
from describer.prompts.build import PromptOptions, question_chat
from describer.prompts.evidence import UNKNOWN_THING, Evidence, Noun, Query, look_up, read_question, reworded
from describer.prompts.grounding import ground
from describer.prompts.questions.offers import plain
from describer.scope import refusal
from describer.taxonomy import Taxonomy
from describer.types import Answer, Frame, FrameRef, Provenance, Scene
from describer.vlm.base import GenerationSettings, VisionLanguageModel
from describer.vlm.choosing import Chooser, choose
from describer.wording import sentence_case

_DOUBTED = 0.6
"""What a scene's answer keeps of its confidence when the language model says otherwise."""
_UNSURE_REGION = 0.5
# Answers whose every word counts; of the others it is enough that they name the same things.
_EVERY_WORD = ("does", "hop does")


class Answerer(Protocol):
    """What is needed of a Describer to answer."""

    @property
    def vlm(self) -> VisionLanguageModel: ...
    @property
    def taxonomy(self) -> Taxonomy: ...
    @property
    def prompt(self) -> PromptOptions: ...
    @property
    def generation(self) -> GenerationSettings: ...
    @property
    def abstain_below(self) -> float: ...

    def provenance(self) -> Provenance: ...


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a frame, or of one of its regions by id; ``choices`` are the answers that it allows."""

    text: str
    region: int | None = None
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise InputError("the question is empty; ask, for example, 'Which instruments are visible?'.")
        if len(self.choices) == 1 or not all(choice.strip() for choice in self.choices):
            raise InputError(f"choices {list(self.choices)} leave nothing to choose; give at least two answers.")

    @classmethod
    def of(cls, question: str | Question, region: int | None, choices: Sequence[str] | None) -> Question:
        if isinstance(question, Question):
            return question
        return cls(question, region, tuple(choices or ()))


class Opened:
    """A frame whose scene has been found: any number of questions on it cost the scene once.

    Questions asked together go through the language model together.
    """

    def __init__(self, answerer: Answerer, frame: Frame, scene: Scene) -> None:
        self.frame, self.scene, self.taxonomy = frame, scene, answerer.taxonomy
        self._answerer = answerer

    def of(self, answer: Answer) -> tuple[Frame, Scene]:
        """The frame that an answer's region ids belong to, and its scene."""
        return self.frame, self.scene

    def ask(self, question: str, region: int | None = None, choices: Sequence[str] | None = None) -> Answer:
        """The answer to one question; RecordError for a region that the scene does not have."""
        return self.ask_all([question], region, choices)[0]

    def ask_all(
        self, questions: Sequence[str | Question], region: int | None = None, choices: Sequence[str] | None = None
    ) -> list[Answer]:
        """An answer a question, in order; ``region`` and ``choices`` are those of the questions given as strings."""
        asked = [Question.of(question, region, choices) for question in questions]
        return answer_all(self._answerer, [(self.frame, self.scene, question) for question in asked])


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a question is answered: what was read out of it, what the scene says, and what the model is asked."""

    scene: Scene
    question: Question
    query: Query | None
    evidence: Evidence | None
    chat: Chat
    candidates: tuple[str, ...]


def answer_all(answerer: Answerer, asked: Sequence[tuple[Frame, Scene, Question]]) -> list[Answer]:
    """An answer a question, in order; all of them go through one batched generate.

    RecordError for a region that its scene does not have, ModelError for a question too long for the model.
    """
    refused = [refusal(question.text) for _, _, question in asked]
    plans = [_plan(answerer, *one) for one, no in zip(asked, refused) if no is None]
    said = iter(zip(plans, _said(answerer, plans)))
    made = answerer.provenance()
    answers = []
    for (_, _, question), no in zip(asked, refused):
        if no is not None:
            answers.append(Answer(question.text, no, (), None, True, made, "out of scope"))
            continue
        plan, (text, confidence) = next(said)
        answers.append(_answer(answerer, plan, text, confidence, made))
    return answers


def _plan(answerer: Answerer, frame: Frame, scene: Scene, question: Question) -> _Plan:
    query, evidence = evidence_of(scene, question, answerer.taxonomy)
    shown = question.region
    if shown is None and evidence is not None:
        shown = evidence.look_at
    text = question.text.strip()
    if answerer.prompt.taught_words and query is not None:
        text = reworded(query, answerer.taxonomy) or text
    if question.choices:
        text = f"{text} Choose one of: {', '.join(question.choices)}."
    chat = question_chat(frame, scene, text, answerer.prompt, shown, taxonomy=answerer.taxonomy)
    candidates = tuple(sentence_case(f"{choice.rstrip('.')}.") for choice in question.choices)
    return _Plan(scene, question, query, evidence, chat, candidates)


def evidence_of(scene: Scene, question: Question, taxonomy: Taxonomy) -> tuple[Query | None, Evidence | None]:
    """How a question is read, and what the scene says to it; RecordError for a region that it does not have."""
    pointed = None
    if question.region is not None:
        region = scene.region(question.region)
        pointed = Noun(region.label, region.label in taxonomy.names, region.id)
    query = read_question(question.text, taxonomy, pointed)
    return query, None if query is None else look_up(query, scene, taxonomy)


def _said(answerer: Answerer, plans: Sequence[_Plan]) -> list[tuple[str, float | None]]:
    """What the language model says to each plan's chat, with its confidence."""
    vlm = answerer.vlm
    weighs = isinstance(vlm, Chooser)
    closed = [i for i, plan in enumerate(plans) if plan.candidates and weighs]
    open_ = [i for i in range(len(plans)) if i not in closed]
    said: dict[int, tuple[str, float | None]] = {}
    for i, generated in zip(open_, vlm.generate([plans[i].chat for i in open_], answerer.generation)):
        said[i] = (generated.text, generated.confidence)
    if closed:
        chosen = choose(vlm, [plans[i].chat for i in closed], [plans[i].candidates for i in closed])
        for i, choice in zip(closed, chosen):
            said[i] = (plans[i].question.choices[choice.index], choice.confidence)
    return [said[i] for i in range(len(plans))]


def _answer(answerer: Answerer, plan: _Plan, said: str, sure: float | None, made: Provenance) -> Answer:
    evidence, taxonomy = plan.evidence, answerer.taxonomy
    exact = None if evidence is None or evidence.text is None else _offered(evidence.text, plan)
    agrees: bool | None
    if exact is None or evidence is None:
        text, agrees, confidence = said, None, _looked(sure, evidence)
    elif evidence.kind == UNKNOWN_THING:
        text, agrees, confidence = exact, None, evidence.confidence
    else:
        text, agrees = exact, same_meaning(said, exact, taxonomy, evidence.kind)
        confidence = _combined(evidence.confidence, sure, agrees)
    curves = getattr(answerer, "calibration", None)
    if curves is not None:
        by, kind = "model" if exact is None else "scene", None if evidence is None else evidence.kind
        confidence = curves.of_answer(by, kind, confidence)
    return Answer(
        question=plan.question.text,
        text=text,
        region_ids=_ids(answerer, plan, text, exact),
        confidence=confidence,
        abstained=confidence is not None and confidence < answerer.abstain_below,
        provenance=made,
        kind=None if evidence is None else evidence.kind,
        scene_answer=exact,
        model_answer=said,
        agrees=agrees,
    )


def _offered(text: str, plan: _Plan) -> str | None:
    """The scene's answer among the answers that the question allows; None where it is none of them."""
    if plan.question.choices:
        return next((choice for choice in plan.question.choices if _same_words(choice, text)), None)
    options = plan.query.options if plan.query is not None else ()
    if not options:
        return text
    fitting = next((option for option in options if _same_words(option, text)), None)
    return None if fitting is None else sentence_case(f"{fitting}.")


def _same_words(one: str, other: str) -> bool:
    a, b = normalise(plain(one)), normalise(plain(other))
    return a == b or {a, b} in ({"0", "none"}, {"0", "no"}, {"none", "nothing"})


def _ids(answerer: Answerer, plan: _Plan, text: str, exact: str | None) -> tuple[int, ...]:
    """The regions an answer rests on: the scene's own, and those that the model's words name."""
    evidence, region = plan.evidence, plan.question.region
    known = evidence.region_ids if evidence is not None else ()
    if exact is None and not known:
        grounded = ground(text, plan.scene, answerer.taxonomy, region, 0.0)
        known = tuple(dict.fromkeys(region_id for _, _, region_id in grounded.mentions))
    return known or (() if region is None else (region,))


def _combined(scene: float, model: float | None, agrees: bool) -> float:
    """Two that agree are surer than the scene alone; a scene that is contradicted is less so."""
    if not agrees:
        return round(_DOUBTED * scene, 4)
    return round(scene + (1 - scene) * 0.5 * (model or 0.0), 4)


def _looked(model: float | None, evidence: Evidence | None) -> float | None:
    """The model's confidence; less where the region that it looked at may be none."""
    if model is None or evidence is None or not evidence.region_ids:
        return model
    return round(model * (_UNSURE_REGION + (1 - _UNSURE_REGION) * evidence.confidence), 4)


def same_meaning(said: str, exact: str, taxonomy: Taxonomy, kind: str | None = None) -> bool:
    """Whether a model's free words say what the scene says: the same yes or no, number, or named things."""
    if same_answer(said, exact) or _same_words(said, exact):
        return True
    if exact.startswith(("Yes", "No.")):
        return same_answer(said, exact.split(":", maxsplit=1)[0].rstrip("."))
    number = number_of(plain(exact))
    if number is not None and normalise(plain(exact)).isdecimal():
        return number_of(said) == number
    named = {found.label for found in find_labels(exact, taxonomy)}
    return bool(named) and kind not in _EVERY_WORD and named == {f.label for f in find_labels(said, taxonomy)}


def answer_to_dict(answer: Answer) -> dict[str, Any]:
    """An answer as plain JSON values, without its provenance."""
    made: dict[str, Any] = {
        "question": answer.question,
        "answer": answer.text,
        "region_ids": list(answer.region_ids),
        "confidence": answer.confidence,
        "abstained": answer.abstained,
        "kind": answer.kind,
        "scene_answer": answer.scene_answer,
        "model_answer": answer.model_answer,
        "agrees": answer.agrees,
    }
    if answer.frames:
        made["frames"] = [_frame_to_dict(ref) for ref in answer.frames]
    return made


def _frame_to_dict(ref: FrameRef) -> dict[str, Any]:
    return {"source": ref.source, "index": ref.index, "time_s": ref.time_s}
