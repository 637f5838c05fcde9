"""Answers from scene and model together, with a language model whose words the test sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from describer.confidence import Calibration, Curve
from describer.errors import InputError, RecordError
from describer.messages import prompt_text
from describer.prompts.build import PromptOptions
from describer.taxonomy import load_taxonomy
from describer.types import Provenance
from describer.vlm.base import Generated, GenerationSettings
from describer.vlm.choosing import Choice
from describer.vqa import Opened, Question, answer_all, answer_to_dict, same_meaning
from tests.prompts.test_facts import hook_at_work
from tests.scenes import frame_of

CORE = load_taxonomy("core")
SCENE = hook_at_work()  # 1 liver, 2 hook, 3 grasper, 4 gallbladder
FRAME = frame_of(SCENE)


@dataclass
class Parrot:
    """Says what it is told to, and remembers what it was asked."""

    text: str = "Yes."
    confidence: float | None = 0.8
    name: str = "parrot"
    adapter: None = None
    prompt_options: None = None
    batches: list[list[Any]] = field(default_factory=list)

    def generate(self, chats: Sequence[Any], settings: GenerationSettings | None = None) -> list[Generated]:
        self.batches.append(list(chats))
        return [Generated(self.text, self.confidence) for _ in chats]


class Chooser(Parrot):
    def choose(self, chats: Sequence[Any], candidates: Sequence[Sequence[str]]) -> list[Choice]:
        self.batches.append([*zip(chats, candidates)])
        return [Choice.of([float(i) for i in range(len(given))]) for given in candidates]


class Asked:
    """Enough of a Describer."""

    taxonomy, prompt, generation, abstain_below = CORE, PromptOptions(), GenerationSettings(), 0.35

    def __init__(self, vlm: Parrot) -> None:
        self.vlm = vlm

    def provenance(self) -> Provenance:
        return Provenance("scene", self.vlm.name, None, "core")


def opened(said: str = "Yes.", confidence: float | None = 0.8, kind: type[Parrot] = Parrot) -> tuple[Opened, Parrot]:
    vlm = kind(said, confidence)
    return Opened(Asked(vlm), FRAME, SCENE), vlm


def test_an_exact_answer_is_the_scene_s_and_surer_when_the_model_agrees():
    agreed = opened("two")[0].ask("How many instruments are there?")
    doubted = opened("Three.")[0].ask("How many instruments are there?")
    for answer in (agreed, doubted):
        assert (answer.text, answer.scene_answer, answer.kind) == ("Two.", "Two.", "count")
        assert set(answer.region_ids) == {2, 3}
    assert agreed.agrees is True and doubted.agrees is False and doubted.model_answer == "Three."
    assert doubted.confidence < 0.9 < agreed.confidence <= 1


def test_looks_are_the_model_s_and_it_is_shown_the_region():
    page, vlm = opened("Silver.")
    answer = page.ask("What colour is the hook?")
    assert (answer.text, answer.scene_answer, answer.agrees) == ("Silver.", None, None)
    assert answer.region_ids == (2,)
    (chat,) = vlm.batches[0]
    assert '"id":2' in prompt_text(chat) and "Region 2: What colour is the hook?" in prompt_text(chat)
    # The hook was found with a score of 0.9: the model may have looked at nothing.
    assert answer.confidence == pytest.approx(0.8 * 0.95)


def test_a_question_of_a_kind_nobody_knows_is_the_model_s_with_what_it_names():
    answer = opened("The liver hides it.")[0].ask("Why so?")
    assert answer.text == "The liver hides it." and answer.region_ids == (1,) and answer.kind is None


def test_what_is_not_there_is_said_whatever_the_model_says():
    answer = opened("In the center.")[0].ask("Where is the clip applier?")
    assert answer.text == "There is no clip applier in view." and answer.region_ids == () and answer.agrees is False


def test_all_questions_go_through_one_generate_in_order():
    page, vlm = opened()
    questions = ["Is there a hook?", "Is there smoke?", "Who is the patient?", "Where is the liver?"]
    answers = page.ask_all(questions)
    assert [answer.question for answer in answers] == questions
    assert [len(batch) for batch in vlm.batches] == [3]
    assert answers[3].text == "In the center right." and answers[0].text == "Yes."
    together = answer_all(Asked(vlm), [(FRAME, SCENE, Question(question)) for question in questions])
    assert together == answers


def test_out_of_scope_is_refused_without_asking_the_model():
    page, vlm = opened()
    answer = page.ask("Will the patient survive?")
    assert answer.abstained and answer.kind == "out of scope" and answer.region_ids == () and answer.text
    assert vlm.batches in ([], [[]])


def test_choices_are_the_only_answers():
    page, _ = opened("nonsense", kind=Chooser)
    looked = page.ask("Is there smoke?", choices=["none", "light", "heavy"])
    assert looked.text == "heavy" and looked.scene_answer is None
    exact = page.ask("How many hooks are there?", choices=["0", "1", "2"])
    assert exact.text == "1" == exact.scene_answer and exact.agrees is False
    placed = page.ask("Where is the hook?", choices=["upper left", "center right"])
    assert placed.text == "center right" == placed.model_answer and placed.agrees is True
    # What the scene says is none of the choices: the model's choice stands.
    assert page.ask("Where is the hook?", choices=["upper left", "center left"]).text == "center left"


def test_options_in_the_words_of_a_question_are_kept_to():
    page, _ = opened("Three.")
    assert page.ask("How many hooks are there? Options: 0, 1, 2.").text == "1."
    assert page.ask("Where is the hook? Choose one of: center right, upper left.").text == "Center right."


def test_a_region_that_is_asked_of():
    page, vlm = opened("The grasper.")
    answer = page.ask("What is this?", region=3)
    assert (answer.text, answer.region_ids, answer.agrees) == ("A grasper.", (3,), True)
    assert "Region 3: What is this?" in prompt_text(vlm.batches[0][0])
    with pytest.raises(RecordError, match="no region 9"):
        page.ask("What is this?", region=9)


@pytest.mark.parametrize(("text", "choices"), [("  ", ()), ("What?", ("one",)), ("What?", ("", "b"))])
def test_questions_that_cannot_be_asked(text, choices):
    with pytest.raises(InputError):
        opened()[0].ask(text, choices=choices)


def test_unsure_answers_are_held_back_and_a_model_without_confidence_is_not():
    assert opened("Yes.", 0.1)[0].ask("Is there smoke?").abstained
    silent = opened("Yes.", None)[0].ask("Is there smoke?")
    assert silent.confidence is None and not silent.abstained
    assert opened("Yes.", None)[0].ask("Is there a hook?").confidence == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("said", "exact", "kind", "same"),
    [
        ("Yes, I can see one.", "Yes.", "exists", True),
        ("No.", "Yes: the liver.", "touches", False),
        ("There are 2.", "Two.", "count", True),
        ("zero", "None.", "count", True),
        ("A hook and the liver", "The liver and a hook.", "touches", True),
        ("the liver", "The liver and a hook.", "touches", False),
        ("upper left", "In the upper left.", "place", True),
        ("Cutting the liver.", "Retracting the liver.", "does", False),
        ("retracting liver", "Retracting the liver.", "does", True),
    ],
)
def test_meanings(said, exact, kind, same):
    assert same_meaning(said, exact, CORE, kind) is same


def test_an_answer_as_json():
    made = answer_to_dict(opened("two")[0].ask("How many instruments are there?"))
    assert json.loads(json.dumps(made)) == made
    assert made["answer"] == "Two." and made["region_ids"] == [2, 3] and "frames" not in made


def test_a_model_s_curves_say_what_answers_are_worth_by_who_gives_them():
    always = {
        "answer of the scene": Curve((0.0, 1.0), (0.97, 0.97), 50),
        "answer of the model": Curve((0.5,), (0.2,), 50),
    }

    class Calibrated(Asked):
        calibration = Calibration(always, "made")

    frame = Opened(Calibrated(Parrot("Red.", 0.9)), FRAME, SCENE)
    exact, looked = frame.ask("How many instruments are there?"), frame.ask("What colour is the liver?")
    assert (exact.confidence, exact.abstained) == (0.97, False)
    assert (looked.confidence, looked.abstained) == (0.2, True)
