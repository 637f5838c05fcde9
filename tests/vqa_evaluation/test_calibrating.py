import numpy as np
import pytest

from describer.confidence import Calibration, read_calibration, write_calibration
from describer.eval.calibration import calibration_scores
from describer.vqa_evaluation.asking import PLAIN, Said
from describer.vqa_evaluation.calibrating import answer_curves, cross_fitted, keep_curves
from describer.vqa_evaluation.scoring import scored
from describer.vqa_sets import Question


@pytest.fixture(scope="module")
def rows():
    """The scene says 0.4 and is mostly right, the model says 0.9 and is mostly wrong, but not of colours."""
    rng, questions, answers = np.random.default_rng(0), [], {}
    for i in range(900):
        by, kind, sure, share = (
            ("scene", "count", 0.4, 0.9),
            ("model", None, 0.9, 0.3),
            ("model", "colour", 0.8, 0.95),
        )[i % 3]
        question = Question(str(i), (), f"v{i // 9}", "What?", ("right",), "t")
        questions.append(question)
        said = "right" if rng.random() < share else "wrong"
        answers[PLAIN, question.id] = Said(said, sure + rng.random() / 20, by=by, kind=kind)
    return scored(questions, answers, {})[0]


def risks(found):
    scores = calibration_scores([said.confidence for said in found.plain], [value == 1 for value in found.values])
    return scores.risk[-1], scores.risk[int(0.8 * scores.n) - 1], scores.ece


def test_each_source_gets_what_it_is_worth_from_the_other_half(rows):
    before, after = risks(rows), risks(cross_fitted(rows))
    assert before[0] == pytest.approx(after[0]), "nothing is answered otherwise"
    assert before[1] > before[0] and after[1] < 0.7 * after[0]
    assert after[2] < 0.06 < before[2]


def test_a_kind_has_its_own_curve_where_its_source_gave_enough(rows):
    assert set(answer_curves(rows, range(900))) == {
        "answer of the scene", "answer of the scene to count", "answer of the model", "answer of the model to colour",
    }  # fmt: skip
    assert set(answer_curves(rows, range(60))) == {"answer of the model", "answer of the model to colour"}
    assert answer_curves(rows, range(9)) == {}


def test_few_answers_of_a_kind_move_its_curve_less_than_many():
    """Half of all are right at 0.5, none of "rare"."""
    curves = {}
    for few in (3, 60):
        questions, answers = [], {}
        for i in range(200 + few):
            question = Question(str(i), (), f"v{i}", "What?", ("right",), "t")
            questions.append(question)
            said = "wrong" if i >= 200 or i % 2 else "right"
            answers[PLAIN, question.id] = Said(said, 0.5, by="scene", kind="rare" if i >= 200 else "count")
        curves[few] = answer_curves(scored(questions, answers, {})[0], range(200 + few))
    few, many = (curves[n]["answer of the scene to rare"](0.5) for n in (3, 60))
    assert many < 0.15 < few < curves[3]["answer of the scene to count"](0.5) == pytest.approx(0.5, abs=0.03)


def test_a_confidence_that_misleads_is_not_turned_round():
    questions = [Question(str(i), (), f"v{i}", "What?", ("right",), "t") for i in range(80)]
    answers = {
        (PLAIN, q.id): Said("right" if i % 2 else "wrong", 0.2 if i % 2 else 0.9, by="scene", kind="count")
        for i, q in enumerate(questions)
    }
    curve = answer_curves(scored(questions, answers, {})[0], range(80))["answer of the scene"]
    assert curve(0.2) == curve(0.9) == pytest.approx(0.5, abs=0.01)


def test_an_unknown_kind_is_judged_by_who_answers_and_an_unknown_source_not_at_all(rows):
    calibration = Calibration(answer_curves(rows, range(900)), "made")
    assert calibration.of_answer("scene", "place", 0.41) == calibration.of_answer("scene", None, 0.41) > 0.8
    assert calibration.of_answer("model", "colour", 0.81) > 0.85
    assert calibration.of_answer("rule", None, 0.5) == 0.5
    assert calibration.of_answer("model", None, None) is None


def test_curves_of_texts_stay_and_those_of_answers_are_replaced(rows, tmp_path):
    curves = answer_curves(rows, range(900))
    texts = {"scene": curves["answer of the model"], "answer of the rule": curves["answer of the scene"]}
    write_calibration(tmp_path, Calibration(texts, "frames", {"vlm": "x"}))
    keep_curves(tmp_path, rows, "made")
    kept = read_calibration(tmp_path)
    assert set(kept.curves) == {"scene", *curves}
    assert (kept.split, kept.made_with) == ("frames; answers: made", {"vlm": "x"})
    assert keep_curves(tmp_path / "none", scored(rows.questions[:9], {
        (PLAIN, q.id): said for q, said in zip(rows.questions[:9], rows.plain)
    }, {})[0], "few") is None  # fmt: skip
