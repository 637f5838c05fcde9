"""How sure a number is: intervals and tests that resample whole videos, never frames.

Frames of one video are alike, so frames drawn one by one make intervals several times too narrow; here a video is
drawn, or has its signs changed, as a whole (cluster bootstrap: Davison and Hinkley, 1997, section 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
_EXACT_UP_TO = 12  # videos: 4,096 sign patterns


@dataclass(frozen=True, slots=True)
class Interval:
    """``value`` on ``n`` samples of ``n_videos`` videos with its percentile interval at ``level``.

    ``low`` and ``high`` are NaN for a single video: it says nothing of how others would differ.
    """

    value: float
    low: float
    high: float
    n: int
    n_videos: int
    level: float = 0.95

    def __str__(self) -> str:
        span = "no interval" if math.isnan(self.low) else f"{self.low:.3f} to {self.high:.3f}"
        videos = "video" if self.n_videos == 1 else "videos"
        return f"{self.value:.3f} ({span}, n = {self.n}, {self.n_videos} {videos})"


@dataclass(frozen=True, slots=True)
class PairedTest:
    """``difference`` of the mean of two runs on the same samples, first minus second, with its interval.

    ``p_value`` is two-sided, of a sign-flip permutation test by video: if the runs were alike, each video could as
    well have come out the other way round. ``exact`` says whether all patterns were tried. With k videos it
    cannot fall under 2^(1 - k): under six videos nothing reaches 0.05.
    """

    difference: Interval
    p_value: float
    exact: bool


def mean_interval(
    values: Sequence[float] | np.ndarray, videos: Sequence[Hashable], level: float = 0.95, seed: int = 0
) -> Interval:
    """The mean of one value a sample and its bootstrap interval by video.

    ValueError when the lengths differ, nothing is given, or a value is NaN.
    """
    sums, counts = _by_video(values, videos)
    draws = _draws(len(sums), seed)
    return _interval(
        float(sums.sum() / counts.sum()), sums[draws].sum(axis=1) / counts[draws].sum(axis=1), counts, level
    )


def bootstrap_by_video(
    statistic: Callable[[np.ndarray], float], videos: Sequence[Hashable], level: float = 0.95, seed: int = 0
) -> Interval:
    """Any statistic and its bootstrap interval by video.

    ``statistic`` takes sample indices, an int array with repeats, and returns its value on those samples, such as
    the mIoU of the sum of their confusion matrices. ``videos`` is the video of each sample.
    """
    codes = _codes(videos)
    members = [np.flatnonzero(codes == i) for i in range(codes.max() + 1)]
    values = [statistic(np.concatenate([members[i] for i in draw])) for draw in _draws(len(members), seed)]
    counts = np.array([len(m) for m in members])
    return _interval(float(statistic(np.arange(len(codes)))), np.array(values), counts, level)


def paired_test(
    first: Sequence[float],
    second: Sequence[float],
    videos: Sequence[Hashable],
    level: float = 0.95,
    seed: int = 0,
) -> PairedTest:
    """Whether one run scores above another on the same samples: one value a sample of each run.

    ValueError when the lengths differ, nothing is given, or a value is NaN.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} values of one run against {len(second)} of the other")
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    sums, _ = _by_video(differences, videos)
    exact = len(sums) <= _EXACT_UP_TO
    if exact:
        patterns = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1
    else:
        patterns = np.random.default_rng(seed).integers(0, 2, (5 * RESAMPLES, len(sums)))
    flipped = np.abs((1 - 2 * patterns) @ sums)
    # Rounding must not make a pattern as extreme as the one seen look less so.
    extreme = int(np.count_nonzero(flipped >= abs(sums.sum()) - 1e-9 * max(1.0, np.abs(sums).sum())))
    p_value = extreme / len(patterns) if exact else (extreme + 1) / (len(patterns) + 1)
    return PairedTest(mean_interval(differences, videos, level, seed), p_value, exact)


def _codes(videos: Sequence[Hashable]) -> np.ndarray:
    if not len(videos):
        raise ValueError("there is nothing to resample")
    index: dict[Hashable, int] = {}
    return np.array([index.setdefault(video, len(index)) for video in videos])


def _by_video(values: Sequence[float] | np.ndarray, videos: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each video, in order of first appearance."""
    if len(values) != len(videos):
        raise ValueError(f"{len(values)} values against {len(videos)} videos; give the video of each value")
    codes, numbers = _codes(videos), np.asarray(values, np.float64)
    if np.isnan(numbers).any():
        raise ValueError(f"{np.count_nonzero(np.isnan(numbers))} values are NaN; leave those samples out")
    return np.bincount(codes, numbers), np.bincount(codes)


def _draws(n_videos: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, n_videos, (RESAMPLES, n_videos))


def _interval(value: float, values: np.ndarray, counts: np.ndarray, level: float) -> Interval:
    low = high = math.nan
    if len(counts) > 1:
        low, high = (float(v) for v in np.quantile(values, [(1 - level) / 2, (1 + level) / 2]))
    return Interval(value, low, high, int(counts.sum()), len(counts), level)
