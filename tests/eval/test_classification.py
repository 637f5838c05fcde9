import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from describer.eval.classification import class_scores, confusion

NAMES = ["cutting", "marking", "suction", "inspection"]


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    true, predicted = ([NAMES[i] for i in rng.integers(0, 4, 30)] for _ in range(2))
    np.testing.assert_array_equal(confusion(predicted, true, NAMES), confusion_matrix(true, predicted, labels=NAMES))
    scores = class_scores(predicted, true)
    assert scores.accuracy == pytest.approx(accuracy_score(true, predicted))
    assert scores.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro"))
    assert scores.balanced_accuracy == pytest.approx(balanced_accuracy_score(true, predicted))
    assert scores.n == 30


def test_a_constant_answer_scores_low_in_macro_f1():
    scores = class_scores(["a"] * 10, ["a"] * 9 + ["b"])
    assert scores.accuracy == 0.9
    assert scores.macro_f1 == pytest.approx(18 / 19 / 2)
    assert scores.balanced_accuracy == 0.5


def test_balanced_accuracy_is_over_classes_of_the_truth():
    scores = class_scores(["a", "x", "b"], ["a", "a", "b"])
    assert scores.balanced_accuracy == 0.75


def test_nothing_to_score():
    scores = class_scores([], [])
    assert (scores.accuracy, scores.macro_f1, scores.balanced_accuracy, scores.n) == (0.0, 0.0, 0.0, 0)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="1 predictions against 2"):
        class_scores(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="'c'"):
        confusion(["c"], ["a"], ["a", "b"])
