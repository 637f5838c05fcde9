import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from describer.eval.answers import normalise, number_of, same_answer
from describer.eval.calibration import calibration_scores
from describer.eval.counts import count_scores
from describer.eval.vqa import vqa_scores


@pytest.mark.parametrize(
    ("candidate", "reference", "same"),
    [
        ("Yes, forceps are being used", "No", False),  # n-gram scores find these two alike
        ("Yes, forceps are being used", "Yes", True),
        ("There are no forceps.", "No.", True),
        ("forceps", "Yes", False),
        ("No", "Yes, a little.", False),
        ("Yes, a lot.", "Yes, a little.", False),
        ("The liver.", "liver", True),
        ("left-top", "Left top.", True),
        ("Tissue_Manipulation", "tissue manipulation", True),
        ("Two.", "2", True),
        ("two graspers", "2", False),
        ("None.", "no", True),
        ("liver", "livers", False),
        ("", "liver", False),
    ],
)
def test_same_answer(candidate, reference, same):
    assert same_answer(candidate, reference) is same


@given(st.text(alphabet="anoyesTw1.,-_'’ é", max_size=30))
def test_normalising_twice_changes_nothing_and_an_answer_agrees_with_itself(text):
    once = normalise(text)
    assert normalise(once) == once
    if once not in ("yes", "no"):
        assert same_answer(text, text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("Two.", 2), ("There are 12 clips", 12), ("No graspers", 0), ("none", 0), ("a few", None), ("", None), ("7", 7)],
)
def test_number_of(text, number):
    assert number_of(text) == number


def test_scores_by_type():
    candidates = ["Yes.", "yes", "Yes, it is", "Liver.", "fat"]
    references = ["Yes.", "Yes.", "No.", "Liver.", "Liver."]
    scores = vqa_scores(candidates, references, ["exists"] * 3 + ["which"] * 2)
    assert (scores.exact, scores.normalised, scores.n) == pytest.approx((2 / 5, 3 / 5, 5))
    exists, which = scores.by_type["exists"], scores.by_type["which"]
    assert (exists.exact, exists.normalised, exists.balanced) == pytest.approx((1 / 3, 2 / 3, 1 / 2))
    assert (exists.n, exists.n_answers, which.n, which.n_answers) == (3, 2, 2, 1)
    assert scores.type_mean == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores.balanced == pytest.approx((1 / 2 + 1 / 2) / 2)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=20))
def test_balanced_agrees_with_scikit_learn_and_a_constant_gains_nothing(pairs):
    said, true = (["xyz"["abc".index(v)] for v in column] for column in zip(*pairs))
    covered = [s if s in true else true[0] for s in said]
    scores = vqa_scores(covered, true)
    if len(set(true)) > 1:
        assert scores.balanced == pytest.approx(balanced_accuracy_score(true, covered))
    constant = vqa_scores([true[0]] * len(true), true)
    assert constant.balanced == pytest.approx(1 / len(set(true)))


def test_nothing_asked_and_bad_input():
    assert vqa_scores([], []).n == 0 and vqa_scores([], []).balanced == 0
    with pytest.raises(ValueError, match="1 answers, 2 true answers, 2 types"):
        vqa_scores(["a"], ["a", "b"])


def test_counts():
    scores = count_scores(["Two.", "3", "five clips", "many"], ["2", "Two.", 2, 4])
    assert (scores.exact, scores.within_1, scores.n, scores.n_read) == (1 / 4, 2 / 4, 4, 3)
    assert scores.mae == pytest.approx((0 + 1 + 3) / 3)
    assert math.isnan(count_scores(["many"], [1]).mae)
    with pytest.raises(ValueError, match="'many' names no number"):
        count_scores(["1"], ["many"])
    with pytest.raises(ValueError, match="1 answers against 2"):
        count_scores(["1"], [1, 2])


CONFIDENT = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=40, deadline=None)
@given(CONFIDENT, st.randoms())
def test_calibration_agrees_with_scikit_learn_and_with_plain_loops(pairs, random):
    sure, right = (list(column) for column in zip(*pairs))
    scores = calibration_scores(sure, right)
    if len(set(right)) == 2:
        assert scores.auroc == pytest.approx(roc_auc_score(right, sure))
    else:
        assert math.isnan(scores.auroc)
    ece = 0.0
    for value in set(sure):
        inside = [r for s, r in pairs if s == value]  # each of the five values has a bin of its own
        ece += len(inside) / len(pairs) * abs(np.mean(inside) - value)
    assert scores.ece == pytest.approx(ece)
    assert scores.risk[-1] == pytest.approx(1 - np.mean(right))
    assert scores.aurc == pytest.approx(np.mean(scores.risk))
    random.shuffle(pairs)
    again = calibration_scores(*zip(*pairs))
    assert again.risk == pytest.approx(scores.risk)


def test_risk_falls_when_the_unsure_are_left_out():
    scores = calibration_scores([0.9, 0.8, 0.7, 0.6], [True, True, False, False])
    assert scores.coverage == (0.25, 0.5, 0.75, 1.0)
    assert scores.risk == pytest.approx((0, 0, 1 / 3, 1 / 2))
    assert (scores.auroc, scores.n) == (1.0, 4)
    with pytest.raises(ValueError, match="must be in"):
        calibration_scores([1.2], [True])
    with pytest.raises(ValueError, match="0 confidences"):
        calibration_scores([], [])
