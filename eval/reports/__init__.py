"""Reports of an evaluation: one value, written as a terminal's table, JSON, Markdown and one HTML file."""

from __future__ import annotations

import json
from pathlib import Path

from describer.errors import OutputError
from describer.eval.reports.page import to_html
from describer.eval.reports.plain import to_json, to_markdown, to_text
from describer.eval.reports.report import DISCLAIMER, Report

__all__ = ["DISCLAIMER", "Report", "to_html", "to_json", "to_markdown", "to_text", "write_reports"]


def write_reports(report: Report, folder: str | Path) -> tuple[Path, ...]:
    """Write report.json, report.md and report.html, none of them ever half there; returns their paths.

    Raises OutputError when the folder cannot be written.
    """
    texts = {
        "report.json": json.dumps(to_json(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": to_markdown(report),
        "report.html": to_html(report),
    }
    folder, written = Path(folder), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            temporary = folder / f".{name}.partial"
            try:
                temporary.write_text(text, encoding="utf-8", newline="\n")
                temporary.replace(folder / name)
            finally:
                temporary.unlink(missing_ok=True)
            written.append(folder / name)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror or error}); choose another -o.") from error
    return tuple(written)
