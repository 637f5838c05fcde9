"""The report for a terminal, as Markdown, and as JSON."""

from __future__ import annotations

import dataclasses
import html
import math
from typing import Any

from describer.eval.reports.report import DISCLAIMER, Case, Number, Report
from describer.eval.reports.words import grouped, matched_words, p_value, signed, span, value, video_words

_HEAD = ("number", "value", "95 % interval", "n", "of", "split")


def to_text(report: Report) -> str:
    """A table with n and split at every number, then what was not scored."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for about, numbers in grouped(report):
        rows.append((f"{about}:", "", "", "", "", ""))
        rows += [("  " + cells[0], *cells[1:]) for cells in (_cells(number, report) for number in numbers)]
    lines = aligned(rows)
    if report.comparisons:
        lines += ["", f"against {report.baseline}:"]
        lines += aligned([_COMPARED, *_compared(report)])
    lines += ["", f"{matched_words(report)} {video_words(report)}."]
    lines += [f"NOTE {s.count} {s.what}: {s.effect} ({', '.join(s.examples)})" for s in report.skips]
    return "\n".join([*lines, DISCLAIMER])


_COMPARED = ("score of items", "run", "baseline", "difference", "95 % interval", "p", "n", "split")


def _compared(report: Report) -> list[tuple[str, ...]]:
    return [
        (
            f"{c.name} of {c.about}{' (lower is better)' if c.lower_is_better else ''}",
            value(c.run),
            value(c.baseline),
            signed(c.test.difference.value),
            span(c.test.difference, "-"),
            p_value(c.test),
            str(c.test.difference.n),
            report.split,
        )
        for c in report.comparisons
    ]


def _cells(number: Number, report: Report) -> tuple[str, ...]:
    name = number.name + (" (lower is better)" if number.lower_is_better else "")
    interval = number.interval
    return name, value(interval.value), span(interval, "-"), str(interval.n), number.of, report.split


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of a table for a terminal, each column as wide as its widest cell."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def to_markdown(report: Report) -> str:
    """Every number, comparison, class, skip, case and rule; no pictures."""
    lines = [
        f"# Evaluation: {_md(report.split)}",
        "",
        f"**{DISCLAIMER}**",
        "",
        f"- run: `{_md(report.run)}`",
        f"- references: `{_md(report.references)}`",
        *([f"- baseline: `{_md(report.baseline)}`"] if report.baseline else []),
        f"- scored: {matched_words(report)} {video_words(report)}",
        "",
        *section("Numbers", ("about", *_HEAD), [(n.about, *_cells(n, report)) for n in report.numbers]),
        *section("Against the baseline", _COMPARED, _compared(report)),
        *section(
            "Not scored",
            ("count", "what", "effect", "examples"),
            [(str(s.count), s.what, s.effect, ", ".join(s.examples)) for s in report.skips],
        ),
        *section(
            "By class",
            ("label", "IoU", "Dice", "n frames", "split"),
            [(c.label, value(c.iou), value(c.dice), str(c.n_frames), report.split) for c in report.classes],
        ),
    ]
    if report.cases:
        for title, cases in (("Worst cases", report.cases.worst), ("Best cases", report.cases.best)):
            rows = [_case(case) for case in cases]
            lines += section(f"{title}, by {report.cases.ranked_by}", ("id", "scores", "run", "truth"), rows)
    lines += ["## How the numbers were taken", "", *(f"- {_md(rule)}" for rule in report.rules), ""]
    return "\n".join([*lines, f"{DISCLAIMER} describer {report.version}.", ""])


def _case(case: Case) -> tuple[str, ...]:
    scores = ", ".join(f"{name} {value(number)}" for name, number in case.scores.items())
    return case.id, scores, " / ".join(case.said), " / ".join(case.true)


def section(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of a Markdown heading and table; none without rows."""
    if not rows:
        return []
    table = [f"| {' | '.join(map(_md, row))} |" for row in [head, *rows]]
    return [f"## {_md(title)}", "", table[0], "|" + " --- |" * len(head), *table[1:], ""]


def _md(text: str) -> str:
    """One line that neither ends a table's cell nor reads as HTML."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|").replace("`", "'")


def to_json(report: Report) -> dict[str, Any]:
    """Everything but the pictures; NaN is null, and each number carries its split, n and interval."""
    return {
        "disclaimer": DISCLAIMER,
        "version": report.version,
        "run": report.run,
        "references": report.references,
        "baseline": report.baseline,
        "split": report.split,
        "n_items": report.n_items,
        "n_videos": report.n_videos,
        "matched_by": dict(report.matched),
        "numbers": [_number(number, report) for number in report.numbers],
        "comparisons": [_json(dataclasses.asdict(c)) | {"split": report.split} for c in report.comparisons],
        "skips": [dataclasses.asdict(skip) for skip in report.skips],
        "classes": [_json(dataclasses.asdict(c)) | {"split": report.split} for c in report.classes],
        "confusions": [dataclasses.asdict(table) for table in report.confusions],
        "curves": [dataclasses.asdict(curve) for curve in report.curves],
        "items": [_json(dataclasses.asdict(item)) for item in report.items],
        "cases": None if report.cases is None else {
            "ranked_by": report.cases.ranked_by,
            "worst": [case.id for case in report.cases.worst],
            "best": [case.id for case in report.cases.best],
        },
        "rules": list(report.rules),
    }  # fmt: skip


def _number(number: Number, report: Report) -> dict[str, Any]:
    found = number.interval
    return _json({
        "metric": number.metric, "key": number.key, "about": number.about, "value": found.value,
        "low": found.low, "high": found.high, "level": found.level, "n": found.n, "of": number.of,
        "n_videos": found.n_videos, "lower_is_better": number.lower_is_better, "split": report.split,
    })  # fmt: skip


def _json(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _json(entry) for key, entry in data.items()}
    if isinstance(data, list | tuple):
        return [_json(entry) for entry in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
