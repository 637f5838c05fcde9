"""The conflict between tasks as a picture: gradients.csv of a training run, drawn next to it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from describer.eval.reports import charts
from describer.eval.reports.charts import Panel

_POINTS = 30
_NOT_PAIRS = ("step", "epoch")


def plot_gradients(table: Path) -> Path | None:
    """Draw the cosines of ``table`` (columns step, epoch, then "task/task") as an SVG of the same name beside it.

    One small plot a pair, over epochs: the mean of every epoch, or of every thirtieth of a run of one epoch or of more
    than thirty. A note says how often the two pulled apart. None where the table has no cosine.
    """
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pairs = [name for name in (rows[0] if rows else {}) if name not in _NOT_PAIRS]
    found = {pair: [(float(row["epoch"]), float(row[pair])) for row in rows if row[pair]] for pair in pairs}
    panels = [_panel(pair, np.array(values)) for pair, values in found.items() if values]
    if not panels:
        return None
    out = table.with_suffix(".svg")
    title = "Cosine between tasks' gradients; below 0 they pull apart"
    out.write_text(charts.standalone(charts.small_multiples(title, panels, "epoch", -1, 1)), encoding="utf-8")
    return out


def _panel(pair: str, values: np.ndarray) -> Panel:
    epoch, cosine = values.T
    bins = np.floor(epoch / max(epoch.max() * (1 + 1e-9) / _POINTS, 1e-9))
    if 1 < epoch.max() <= _POINTS:
        bins = np.floor(epoch)
    means = [(epoch[bins == b].mean(), cosine[bins == b].mean()) for b in np.unique(bins)]
    return Panel(
        pair.replace("/", " / "),
        f"apart {np.mean(cosine < 0):.0%}",
        tuple(float(x) for x, _ in means),
        tuple(float(y) for _, y in means),
    )
