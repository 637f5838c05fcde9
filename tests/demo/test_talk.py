"""Questions that fit the scene, and answers as the page shows them."""

from __future__ import annotations

import numpy as np
import pytest

from describer.demo.look import look_at
from describer.demo.talk import ask_aloud, example_questions, turn_of
from describer.errors import ModelError
from describer.scope import refusal
from describer.taxonomy import load_taxonomy
from describer.types import Answer, Scene
from tests.demo.fake import FakeDescriber, scene_for
from tests.scenes import random_scene

IMAGE = np.zeros((128, 160, 3), np.uint8)


@pytest.mark.parametrize("seed", range(6))
def test_example_questions_name_only_what_is_there_and_none_is_out_of_scope(seed):
    scene = random_scene(np.random.default_rng(seed))
    asked = example_questions(scene)
    assert 1 <= len(asked) <= 5 and len(set(asked)) == len(asked)
    absent = {label.name for label in load_taxonomy("core").labels} - {region.label for region in scene.regions}
    assert not [
        question for question in asked for name in absent if f"the {name} " in question or f"the {name}?" in question
    ]
    assert [refusal(question) for question in asked] == [None] * len(asked)


def test_an_empty_scene_has_questions_too():
    assert example_questions(Scene((160, 128)))


def turn(describer: FakeDescriber) -> dict:
    visit = look_at(describer, IMAGE, "a.png")
    *_, answer = ask_aloud(describer, visit, "What is held?")
    return turn_of(answer, visit, describer.taxonomy)


def test_an_answer_shows_its_regions_its_words_and_how_sure():
    shown = turn(FakeDescriber())
    assert shown["regions"] == [1, 2] and shown["sure"] == "fairly sure, 83 %"
    assert [part["region"] for part in shown["parts"] if "region" in part] == [1, 2]


def test_what_is_not_sure_enough_says_that_it_cannot_tell():
    shown = turn(FakeDescriber(abstains=True, confidence=0.1))
    assert shown["parts"][0]["text"].startswith("I cannot tell.") and shown["abstained"]


def test_a_refusal_is_shown_as_it_is():
    shown = turn(
        FakeDescriber(answer="No picture tells who anybody is.", abstains=True, confidence=None, kind="out of scope")
    )
    assert shown["parts"] == [{"text": "No picture tells who anybody is."}] and shown["sure"] == ""


def test_markup_in_an_answer_stays_text():
    text = "<img src=x onerror=alert(1)> a liver"
    assert "".join(part["text"] for part in turn(FakeDescriber(answer=text))["parts"]) == text


def test_errors_of_the_model_come_out_of_the_listening_thread():
    class Broken(FakeDescriber):
        def open(self, frame, scene):
            raise ModelError("too long; shorten the question.")

    describer = Broken()
    with pytest.raises(ModelError, match="shorten"):
        list(ask_aloud(describer, look_at(describer, IMAGE, "a.png"), "?"))


def test_what_the_model_says_is_heard_before_the_answer(monkeypatch):
    from describer.vlm import streaming

    class Speaking(FakeDescriber):
        def open(self, frame, scene):
            for words in ("A", "A grasper"):
                streaming._listener.get()(words)
            return super().open(frame, scene)

    describer = Speaking()
    heard = list(ask_aloud(describer, look_at(describer, IMAGE, "a.png"), "?"))
    assert heard[:2] == ["A", "A grasper"] and isinstance(heard[2], Answer)


def test_the_fake_scene_is_what_these_tests_think():
    assert [region.label for region in scene_for((160, 128)).regions] == ["grasper", "liver", "fat"]
