"""What one metric found, and its numbers with their intervals by video."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from describer.eval.intervals import Interval, bootstrap_by_video, mean_interval
from describer.eval.reports.report import ClassScore, ConfusionTable, Curve, ItemScores, Number

_GROUPS = 10
# 97.5 % points of Student's t for 1 to 9 degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


@dataclass(frozen=True, slots=True)
class Findings:
    """Parts of a report that one metric makes; ``rules`` say how, for people."""

    numbers: tuple[Number, ...] = ()
    items: tuple[ItemScores, ...] = ()
    classes: tuple[ClassScore, ...] = ()
    confusions: tuple[ConfusionTable, ...] = ()
    curves: tuple[Curve, ...] = ()
    rules: tuple[str, ...] = ()


def of_whole(statistic: Callable[[np.ndarray], float], videos: Sequence[str]) -> Interval:
    """A number that only a whole set has, such as corpus BLEU or mAP, with its interval by video.

    ``statistic`` takes item indices. Bootstrapping such a number would cost thousands of evaluations; this is the
    delete-a-group jackknife (Shao and Tu, 1995) with a t interval: videos dealt into at most 10 groups, each left
    out once. NaN ends for a single video, or where a part of the data has no value.
    """
    index: dict[str, int] = {}
    codes = np.array([index.setdefault(video, len(index)) for video in videos])
    whole, groups = statistic(np.arange(len(codes))), min(_GROUPS, len(index))
    low = high = math.nan
    if groups > 1:
        left = np.array([statistic(np.flatnonzero(codes % groups != group)) for group in range(groups)])
        error = math.sqrt((groups - 1) / groups * float(np.sum((left - left.mean()) ** 2)))
        reach = _T[groups - 2] * error
        low, high = whole - reach, whole + reach
    return Interval(whole, low, high, len(codes), len(index))


def mean_of_items(items: ItemScores) -> Interval:
    """The mean over items and its interval by video; n is the number of items."""
    return mean_interval(items.values, items.videos)


def known_items(
    metric: str,
    key: str,
    about: str,
    ids: Sequence[str],
    videos: Sequence[str],
    values: Sequence[float],
    lower_is_better: bool = False,
) -> ItemScores:
    """Item scores without the items whose value is NaN: there is nothing to score on them."""
    kept = [row for row in zip(ids, videos, values) if not math.isnan(row[2])]
    columns = tuple(zip(*kept)) if kept else ((), (), ())
    return ItemScores(metric, key, about, columns[0], columns[1], columns[2], lower_is_better)


def of_sums(
    statistic: Callable[[np.ndarray], float], parts: np.ndarray, videos: Sequence[str], n: int | None = None
) -> Interval:
    """A statistic of summed parts, such as the mIoU of a sum of confusion matrices, with its interval by video.

    ``parts`` (N, ...) has one part an item; parts of one video are added up once, so that resampling videos costs
    the same however many items they have. ``n`` is what the interval counts, the items by default.
    """
    index: dict[str, int] = {}
    codes = [index.setdefault(video, len(index)) for video in videos]
    sums = np.zeros((len(index), *parts.shape[1:]))
    np.add.at(sums, codes, parts)
    n = len(videos) if n is None else n
    if len(index) == 1:
        return Interval(statistic(sums[0]), math.nan, math.nan, n, 1)
    drawn = bootstrap_by_video(lambda chosen: statistic(sums[chosen].sum(axis=0)), list(range(len(sums))))
    return Interval(drawn.value, drawn.low, drawn.high, n, len(index), drawn.level)


def ratio(counts: Sequence[int], of: Sequence[int], videos: Sequence[str]) -> Interval:
    """The sum of ``counts`` over the sum of ``of``, item by item the larger; n is the latter. 0 when that is 0."""
    counts_, of_ = np.asarray(counts, int), np.asarray(of, int)
    if not of_.sum():
        return Interval(0.0, math.nan, math.nan, 0, len(set(videos)))
    # Each thing counted is a sample of its own, 1 or 0, so that the ratio is their mean.
    single = np.repeat(np.tile([1.0, 0.0], len(counts_)), np.stack([counts_, of_ - counts_], axis=1).ravel())
    return mean_interval(single, np.repeat(np.asarray(videos), of_).tolist())
