import itertools
import math

import numpy as np
import pytest

from describer.eval.intervals import bootstrap_by_video, mean_interval, paired_test
from describer.eval.segmentation import confusion, segmentation_scores


def clustered(seed, n_videos=10, n_frames=30, spread=1.0, noise=0.2):
    """Frames of a video are alike: one draw a video, a little noise a frame."""
    rng = np.random.default_rng(seed)
    videos = np.repeat(np.arange(n_videos), n_frames)
    return rng.normal(0, spread, n_videos)[videos] + rng.normal(0, noise, len(videos)), videos


def test_both_ways_to_the_interval_of_a_mean_agree():
    values, videos = clustered(0)
    fast = mean_interval(values, videos)
    slow = bootstrap_by_video(lambda rows: float(values[rows].mean()), videos)
    assert (slow.value, slow.low, slow.high) == pytest.approx((fast.value, fast.low, fast.high))
    assert (fast.n, fast.n_videos) == (300, 10)
    assert fast.low < fast.value < fast.high


def test_the_interval_covers_the_truth_where_one_by_frame_does_not():
    by_video = by_frame = 0
    for seed in range(40):
        values, videos = clustered(seed, n_videos=20, n_frames=10)
        honest, naive = mean_interval(values, videos), mean_interval(values, range(len(values)))
        by_video += honest.low <= 0 <= honest.high
        by_frame += naive.low <= 0 <= naive.high
    assert by_video >= 33
    assert by_frame <= 27


def test_a_pooled_statistic_of_resampled_videos():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, (12, 8, 8))
    predicted = np.where(rng.random(true.shape) < 0.7, true, 0)
    matrices = np.stack([confusion(p, t, 3) for p, t in zip(predicted, true)])
    interval = bootstrap_by_video(lambda rows: segmentation_scores(matrices[rows].sum(axis=0)).miou, [0, 1, 2, 3] * 3)
    assert interval.value == segmentation_scores(matrices.sum(axis=0)).miou
    assert interval.low < interval.value < interval.high


def test_one_video_has_no_interval_and_says_so():
    interval = mean_interval([0.0, 1.0], ["a", "a"])
    assert math.isnan(interval.low) and math.isnan(interval.high)
    assert str(interval) == "0.500 (no interval, n = 2, 1 video)"
    assert str(mean_interval([1.0, 1.0], "ab")) == "1.000 (1.000 to 1.000, n = 2, 2 videos)"


def test_same_seed_same_interval():
    values, videos = clustered(1)
    assert mean_interval(values, videos, seed=3) == mean_interval(values, videos, seed=3)
    assert mean_interval(values, videos, seed=3) != mean_interval(values, videos, seed=4)


def plain_p_value(differences, videos):
    sums = [sum(d for d, v in zip(differences, videos) if v == video) for video in sorted(set(videos))]
    seen = abs(sum(sums)) - 1e-9
    patterns = list(itertools.product((1, -1), repeat=len(sums)))
    return np.mean([abs(sum(s * d for s, d in zip(signs, sums))) >= seen for signs in patterns])


@pytest.mark.parametrize("seed", range(5))
def test_the_exact_test_tries_all_signs(seed):
    rng = np.random.default_rng(seed)
    first, second, videos = rng.random(20), rng.random(20), rng.integers(0, 6, 20).tolist()
    test = paired_test(first, second, videos)
    assert test.exact
    assert test.p_value == plain_p_value(first - second, videos)
    assert test.difference.value == pytest.approx((first - second).mean())
    back = paired_test(second, first, videos)
    assert (back.p_value, back.difference.value) == pytest.approx((test.p_value, -test.difference.value))


def test_what_the_test_finds_and_what_it_does_not():
    rng = np.random.default_rng(0)
    base, videos = clustered(0, n_videos=16)
    better = paired_test(base + rng.normal(0.1, 0.1, len(base)), base, videos)
    assert not better.exact and better.p_value < 0.01 and better.difference.low > 0
    assert paired_test(base, base, videos).p_value == 1.0
    assert paired_test([1.0] * 9, [0.0] * 9, ["a", "b", "c"] * 3).p_value == 0.25  # three videos can say no more
    # One video does all the work: 200 frames of it are not 200 witnesses.
    lucky = paired_test([1.0] * 200 + [0.0] * 7, [0.0] * 207, ["x"] * 200 + list("abcdefg"))
    assert lucky.p_value == 1.0


@pytest.mark.parametrize(
    ("values", "videos", "why"),
    [([], [], "nothing"), ([1.0], ["a", "b"], "1 values against 2"), ([math.nan, 1.0], ["a", "b"], "1 values are NaN")],
)
def test_bad_input_is_named(values, videos, why):
    with pytest.raises(ValueError, match=why):
        mean_interval(values, videos)
    with pytest.raises(ValueError, match="one run"):
        paired_test([1.0], [1.0, 2.0], ["a"])
