import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from describer.eval.depth import depth_scores, mean_depth_scores


def published(gt, pred):
    """compute_errors as monocular depth papers print it (Eigen et al.)."""
    thresh = np.maximum(gt / pred, pred / gt)
    return {
        "abs_rel": np.mean(np.abs(gt - pred) / gt),
        "sq_rel": np.mean((gt - pred) ** 2 / gt),
        "rmse": np.sqrt(((gt - pred) ** 2).mean()),
        "rmse_log": np.sqrt(((np.log(gt) - np.log(pred)) ** 2).mean()),
        "mae": np.abs(gt - pred).mean(),
        **{f"delta_{k}": (thresh < 1.25**k).mean() for k in (1, 2, 3)},
    }


def maps(seed):
    rng = np.random.default_rng(seed)
    true = rng.uniform(20, 140, (12, 15))
    predicted = true * np.exp(rng.normal(0.3, 0.3, true.shape))
    true[rng.random(true.shape) < 0.3] = rng.choice([0, np.nan, -1])
    return predicted.astype(np.float32), true.astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_agrees_with_the_published_measures(seed):
    predicted, true = maps(seed)
    known = true > 0
    p, t = predicted[known].astype(float), true[known].astype(float)
    scores = dataclasses.asdict(depth_scores(predicted, true))
    assert {key: scores[key] for key in published(t, p)} == pytest.approx(published(t, p))
    assert (scores["scale"], scores["n_px"], scores["n"]) == (1.0, known.sum(), 1)


@given(st.integers(0, 10**6), st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_median_scaling_makes_the_unit_of_a_prediction_meaningless(seed, factor):
    predicted, true = maps(seed)
    scaled = dataclasses.asdict(depth_scores(predicted * np.float32(factor), true, median_scaling=True))
    wanted = dataclasses.asdict(depth_scores(predicted, true, median_scaling=True))
    assert scaled.pop("scale") * factor == pytest.approx(wanted.pop("scale"), rel=1e-5)
    assert scaled == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_limits_drop_the_truth_and_clip_the_prediction():
    scores = depth_scores(np.array([[500.0, 50.0, 10.0]]), np.array([[140.0, 50.0, 200.0]]), limits_mm=(0.001, 150))
    assert (scores.mae, scores.n_px) == ((10 + 0) / 2, 2)


def test_frames_without_known_depth_are_left_out_of_the_mean():
    near = depth_scores(np.full((2, 2), 11.0), np.full((2, 2), 10.0))
    far = depth_scores(np.full((1, 1), 130.0), np.full((1, 1), 100.0))
    assert depth_scores(np.ones((2, 2)), np.zeros((2, 2))) is None
    scores = mean_depth_scores([near, None, far])
    assert (scores.abs_rel, scores.mae, scores.n, scores.n_px) == pytest.approx((0.2, 15.5, 2, 5))
    with pytest.raises(ValueError, match="no frame"):
        mean_depth_scores([None])


@pytest.mark.parametrize(
    ("predicted", "why"),
    [(np.ones((2, 3)), "differ in shape"), (np.zeros((2, 2)), "above 0"), (np.full((2, 2), np.nan), "finite")],
)
def test_bad_input_is_named(predicted, why):
    with pytest.raises(ValueError, match=why):
        depth_scores(predicted, np.ones((2, 2)))
