import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

from describer.eval.segmentation import confusion, segmentation_scores


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    true, predicted = rng.integers(0, 4, (2, 12, 15))
    true[rng.random(true.shape) < 0.2] = 255
    matrix = confusion(predicted, true, 6)
    kept = true != 255
    pair = true[kept], predicted[kept]
    np.testing.assert_array_equal(matrix, confusion_matrix(*pair, labels=range(6)))
    scores = segmentation_scores(matrix)
    assert scores.miou == pytest.approx(jaccard_score(*pair, average="macro"))
    assert scores.mean_dice == pytest.approx(f1_score(*pair, average="macro"))
    assert scores.pixel_accuracy == pytest.approx((pair[0] == pair[1]).mean())
    assert scores.n_px == kept.sum()
    assert np.isnan(scores.iou[4:]).all() and not np.isnan(scores.iou[:4]).any()


def test_a_class_absent_from_the_truth_is_not_in_the_mean_but_costs():
    true = np.zeros((2, 4), np.uint8)
    predicted = true.copy()
    predicted[0, 0] = 1
    scores = segmentation_scores(confusion(predicted, true, 3))
    assert scores.miou == pytest.approx(7 / 8)
    assert np.isnan(scores.iou[1])


def test_a_class_never_predicted_counts_as_zero():
    true = np.array([[0, 1]])
    scores = segmentation_scores(confusion(np.array([[0, 0]]), true, 2))
    assert scores.iou == (0.5, 0.0)
    assert scores.miou == 0.25


def test_frames_add_up():
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 3, (2, 4, 8, 8))
    total = sum(confusion(p, t, 3) for p, t in zip(predicted, true))
    np.testing.assert_array_equal(total, confusion(predicted, true, 3))


def test_nothing_to_score():
    scores = segmentation_scores(confusion(np.zeros((2, 2), int), np.full((2, 2), 255), 3))
    assert (scores.miou, scores.mean_dice, scores.pixel_accuracy, scores.n_px) == (0.0, 0.0, 0.0, 0)


@pytest.mark.parametrize(
    ("predicted", "true", "why"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 3), int), "differ in shape"),
        (np.full((2, 2), 7), np.zeros((2, 2), int), "prediction has class ids 7"),
        (np.zeros((2, 2), int), np.full((2, 2), 4), "truth has class ids 4"),
        (np.full((2, 2), -1), np.zeros((2, 2), int), "-1"),
    ],
)
def test_bad_input_is_named(predicted, true, why):
    with pytest.raises(ValueError, match=why):
        confusion(predicted, true, 3)
