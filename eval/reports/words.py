"""Numbers as people read them, the same in every form of the report."""

from __future__ import annotations

import math

from describer.eval.intervals import Interval, PairedTest
from describer.eval.reports.report import Number, Report


def value(number: float) -> str:
    """Three decimals; a dash for NaN."""
    return "–" if math.isnan(number) else f"{number:.3f}"


def signed(number: float) -> str:
    return f"{number:+.3f}"


def span(interval: Interval, without: str = "no interval") -> str:
    """The interval's ends, or ``without`` where it has none."""
    return without if math.isnan(interval.low) else f"{interval.low:.3f} to {interval.high:.3f}"


def p_value(test: PairedTest) -> str:
    return "< 0.001" if test.p_value < 0.001 else f"{test.p_value:.3f}"


def matched_words(report: Report) -> str:
    """ "20 items, matched by id (18), pixels (2)"."""
    ways = ", ".join(f"{how} ({n})" for how, n in report.matched.items())
    return f"{plural(report.n_items, 'item')}, matched by {ways};"


def video_words(report: Report) -> str:
    return plural(report.n_videos, "video")


def plural(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"


def grouped(report: Report) -> list[tuple[str, list[Number]]]:
    """The numbers by what they are about, in order of first appearance."""
    groups: dict[str, list[Number]] = {}
    for number in report.numbers:
        groups.setdefault(number.about, []).append(number)
    return list(groups.items())
