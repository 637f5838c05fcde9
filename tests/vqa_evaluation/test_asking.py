import json

import numpy as np
import pytest

from describer.errors import InputError, ModelError, OutputError
from describer.vqa_evaluation import asking
from describer.vqa_evaluation.asking import (
    BLACK,
    CONTROLS,
    NO_IMAGE,
    OTHER_FRAME,
    PLAIN,
    REWORDED,
    Asked,
    Book,
    Said,
    ask_units,
    asks_of,
    pictures_of,
    read_predictions,
    units,
)
from describer.vqa_sets import Question, read_questions
from tests.vqa_evaluation.made import Blind, Choosing, Seeing, questions


@pytest.fixture
def asked(tmp_path):
    found = read_questions(questions(tmp_path))[1]
    return found, {question.id: pictures_of(question, tmp_path) for question in found}


def recorder(calls):
    def ask(images, some):
        calls.append((len(images), [one.text for one in some]))
        return [Said(one.text, 0.5) for one in some]

    return ask


def test_every_question_is_asked_under_every_condition(asked):
    found, pictures = asked
    made, skipped = units(found, pictures, closed=False, controls=True)
    assert not skipped
    for condition in (PLAIN, *CONTROLS, REWORDED):
        ids = [one.id for unit in made if unit.condition == condition for one in unit.asked]
        assert sorted(ids) == sorted(question.id for question in found)
    assert all(unit.asked[0].text != "What colour is it?" for unit in made if unit.condition == REWORDED)


def test_another_frame_is_of_another_video(asked):
    found, pictures = asked
    video = {pictures[question.id]: question.video for question in found}
    own = {question.id: question.video for question in found}
    others = [unit for unit in units(found, pictures, False, True)[0] if unit.condition == OTHER_FRAME]
    assert all(video[unit.files] != own[one.id] for unit in others for one in unit.asked)


def test_the_same_words_on_the_same_picture_are_asked_once(asked):
    found, pictures = asked
    calls, book = [], Book(None, {})
    ask_units(units(found, pictures, False, True)[0], recorder(calls), book)
    assert [texts for count, texts in calls if count == 0] == [["What colour is it?", "Is there a square?"]]
    black = next(unit for unit in units(found, pictures, False, True)[0] if unit.condition == BLACK)
    assert black.images()[0].shape == (16, 20, 3) and not black.images()[0].any()
    assert len(book.answers) == 5 * len(found)


def test_one_frame_has_no_other(tmp_path):
    found = read_questions(questions(tmp_path, videos=1, frames=1))[1]
    made, skipped = units(found, {q.id: pictures_of(q, tmp_path) for q in found}, False, True)
    assert skipped == {OTHER_FRAME: "all questions are on one frame"}
    assert OTHER_FRAME not in {unit.condition for unit in made}


def test_without_controls_only_the_questions(asked):
    made, skipped = units(*asked, False, False)
    assert {unit.condition for unit in made} == {PLAIN} and len(skipped) == 4


def test_a_stopped_run_goes_on_and_asks_nothing_twice(asked, tmp_path):
    found, pictures = asked
    made = units(found, pictures, False, True)[0]
    calls = []

    def failing(images, some):
        if len(calls) == 7:
            raise RuntimeError("killed")
        return recorder(calls)(images, some)

    with pytest.raises(RuntimeError):
        ask_units(made, failing, Book(tmp_path / "out", {"a": 1}))
    path = tmp_path / "out/predictions.jsonl"
    path.write_text(path.read_text() + '{"id": "torn')
    more = []
    ask_units(made, recorder(more), Book(tmp_path / "out", {"a": 1}))
    straight = []
    ask_units(made, recorder(straight), Book(tmp_path / "whole", {"a": 1}))
    assert calls + more == straight
    rows = [path.read_text().splitlines() for path in (path, tmp_path / "whole/predictions.jsonl")]
    assert rows[0] == rows[1]


def test_other_settings_do_not_mix(tmp_path, asked):
    Book(tmp_path / "out", {"a": (1, 2)}).add(PLAIN, [("1", Said("Yes."))])
    assert Book(tmp_path / "out", {"a": (1, 2)}).answers == {(PLAIN, "1"): Said("Yes.")}
    with pytest.raises(OutputError, match="another model or other options"):
        Book(tmp_path / "out", {"a": (1, 3)})


def test_an_unreadable_picture_is_an_error_a_question_and_the_rest_goes_on(asked, tmp_path):
    found, pictures = asked
    (tmp_path / "v0/0.png").write_text("no picture")
    book = Book(None, {})
    ask_units(units(found, pictures, False, False)[0], recorder([]), book)
    errors = [name for (_, name), said in book.answers.items() if said.error]
    assert len(errors) == 2 and all(name.startswith("v0/0.png") for name in errors)


class TestDescriber:
    def test_answers_are_those_of_the_describer(self):
        ask = asks_of(Seeing(), closed=False)
        image = np.zeros((8, 8, 3), np.uint8)
        image[..., 1] = 9
        colour, square = ask([image], [Asked("1", "What colour is it?"), Asked("2", "Is there a square?")])
        assert (colour.answer, colour.confidence, colour.by) == ("It is green.", 0.9, "model")
        assert square.answer == "Yes, there is."

    def test_a_picture_is_opened_once_whatever_the_conditions(self, asked):
        describer, (found, pictures) = Seeing(), asked
        ask_units(units(found, pictures, False, True)[0], asks_of(describer, False), Book(None, {}))
        assert describer.opened == len(set(pictures.values())) + 1, "every frame, and one black picture"

    def test_without_a_picture_the_model_gets_the_question_alone(self):
        vlm = Blind()
        ask = asks_of(Seeing(vlm), closed=False)
        said = ask([], [Asked("1", "How old is the patient?"), Asked("2", "What colour is it?")])
        assert said[0].abstained and said[0].by == "rule" and "who anybody is" in said[0].answer
        assert said[1].answer == "Red."
        assert len(vlm.asked) == 1 and "What colour is it?" in vlm.asked[0]

    def test_closed_questions_are_chosen(self):
        ask = asks_of(Seeing(Choosing()), closed=True)
        said = ask([], [Asked("1", "What colour is it?", ("red", "green")), Asked("2", "What is it?")])
        assert [one.answer for one in said] == ["green", "Red."]

    def test_a_model_that_cannot_choose_says_so_before_anything_is_asked(self):
        with pytest.raises(ModelError, match="leave out --choices"):
            asks_of(Seeing(Blind()), closed=True)


def test_of_a_long_clip_some_frames_spread_evenly(tmp_path):
    names = [f"{i:02d}.png" for i in range(30)]
    for name in names[:20]:
        (tmp_path / name).write_bytes(b"")
    clip = Question("1", tuple(names), "v", "What?", ("x",), "t")
    found = [path.name for path in pictures_of(clip, tmp_path)]
    assert len(found) == asking._CLIP_FRAMES and (found[0], found[-1]) == ("00.png", "19.png")
    assert pictures_of(clip, tmp_path / "nowhere") == ()


class TestPredictions:
    def write(self, tmp_path, *rows):
        path = tmp_path / "answers.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def test_by_id_or_by_picture_and_words(self, tmp_path, asked):
        found = asked[0]
        rows = ({"id": found[0].id, "answer": "Red.", "confidence": 0.5}, {
            "image": found[1].frames[0], "question": found[1].text, "answer": "Yes.",
        }, {"id": "of another set", "answer": "?"})  # fmt: skip
        answers = read_predictions(self.write(tmp_path, *rows), found)
        assert answers == {(PLAIN, found[0].id): Said("Red.", 0.5), (PLAIN, found[1].id): Said("Yes.")}

    def test_a_run_of_our_own_comes_with_its_controls(self, tmp_path, asked):
        found = asked[0]
        book = Book(tmp_path / "out", {})
        for condition in (PLAIN, NO_IMAGE):
            book.add(condition, [(question.id, Said("Red.", 0.5, False, (1,))) for question in found])
        assert read_predictions(tmp_path / "out/predictions.jsonl", found) == book.answers

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ({"id": "1"}, "needs 'answer' as text"),
            ({"answer": "Yes"}, "needs 'question' as text"),
            ({"id": "1", "answer": "Yes", "confidence": 3}, r"a number in \[0, 1\], got 3"),
            ({"id": "of another set", "answer": "Yes"}, "answers none of these questions"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path, asked, row, message):
        with pytest.raises(InputError, match=message):
            read_predictions(self.write(tmp_path, row), asked[0])
