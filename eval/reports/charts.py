"""Plots as small inline SVG: colours come from the page's style, so that they follow its dark and light."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources

import numpy as np

from describer.eval.reports.report import ClassScore, ConfusionTable, Curve, met_labels

_WIDTH = 340
_BINS = 20
_MOST_POINTS = 200
_NOISE = 1e-9  # a perfect 10.000000000000002 ends at 10


def bars(classes: Sequence[ClassScore]) -> str:
    """Horizontal bars of IoU in [0, 1], best first, each with its value and its n."""
    row, left, right = 24, 118, 94
    ordered = sorted(classes, key=lambda score: -score.iou)
    parts = []
    for i, score in enumerate(ordered):
        y, length = i * row, _WIDTH - left - right
        parts += [
            _text(left - 8, y + 16, _short(score.label, 17), "end", title=score.label),
            f'<rect class="track" x="{left}" y="{y + 4}" width="{length}" height="15" rx="2"/>',
            f'<rect class="bar" x="{left}" y="{y + 4}" width="{length * score.iou:.1f}" height="15" rx="2"/>',
            _text(_WIDTH - right + 6, y + 16, f"{score.iou:.3f}"),
            _text(_WIDTH, y + 16, f"n = {score.n_frames}", "end", "muted"),
        ]
    return _svg(_WIDTH, row * len(ordered) + 4, "IoU by class", parts)


def matrix(table: ConfusionTable) -> str:
    """A heat map of the shares of each row, in percent; labels that neither side has are left out."""
    counts = np.array(table.counts, np.float64)
    kept = met_labels(table)
    shares = counts[np.ix_(kept, kept)]
    sums = shares.sum(axis=1, keepdims=True)
    shares = np.divide(shares, sums, out=np.zeros_like(shares), where=sums > 0)
    names = [table.labels[i] for i in kept]
    cell, left, top = 30, 128, 96
    parts = [_text(left - 8, top - 8, "truth ↓   run →", "end", "muted")]
    for i, name in enumerate(names):
        x, y = left + i * cell, top + i * cell
        parts.append(_text(left - 8, y + 20, _short(name, 18), "end", title=name))
        parts.append(_text(x + 18, top - 8, _short(name, 16), turned=True, title=name))
        parts += [_cell(left + j * cell, y, cell, share) for j, share in enumerate(shares[i])]
    side = cell * len(names)
    return _svg(left + side + 70, top + side + 4, f"confusion: {table.title}", parts, fixed=True)


def heat_map(title: str, rows: Sequence[str], groups: Sequence[tuple[str, Sequence[str]]], shares: np.ndarray) -> str:
    """Shares (rows, all columns of all groups) in percent, coloured by how much is there; NaN stays empty."""
    cell, left, top, gap = 34, 128, 64, 22
    parts = [_text(4, 16, title)]
    x, column = float(left), 0
    for name, columns in groups:
        parts.append(_text(x, top - 26, name, css="muted"))
        for heading in columns:
            parts.append(_text(x + cell / 2 - 1, top - 8, heading, "middle", "muted"))
            parts += [
                _cell(x, top + i * cell, cell, min(float(share), 1.0), share)
                for i, share in enumerate(shares[:, column])
                if not np.isnan(share)
            ]
            x, column = x + cell, column + 1
        x += gap
    parts += [_text(left - 8, top + i * cell + 21, _short(name, 18), "end", title=name) for i, name in enumerate(rows)]
    # Wide enough for the title, in letters of about 7 px.
    return _svg(max(x - gap, 7 * len(title)) + 4, top + cell * len(rows) + 4, title, parts, fixed=True)


def standalone(chart: str) -> str:
    """A chart as a file of its own: with the page's colours, light or dark as the reader's screen."""
    css = resources.files("describer.eval.reports").joinpath("page.css").read_text(encoding="utf-8")
    head, rest = chart.split(">", 1)
    opened = head.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return f'{opened}><style>{css}</style><rect width="100%" height="100%" fill="var(--paper)"/>{rest}\n'


def _cell(x: float, y: float, side: float, share: float, shown: float | None = None) -> str:
    """A square filled by a share in [0, 1], with ``shown`` (or the share itself) in percent."""
    shape = f'<rect class="track" x="{x}" y="{y}" width="{side - 2}" height="{side - 2}" rx="2"/>'
    if share > 0:
        shape += (
            f'<rect class="cell" x="{x}" y="{y}" width="{side - 2}" height="{side - 2}" rx="2" '
            f'fill-opacity="{max(share, 0.04):.2f}"/>'
        )
    percent = round(100 * (share if shown is None else shown))
    if percent:
        shape += _text(x + side / 2 - 1, y + side / 2 + 3, str(percent), "middle", "on" if share > 0.6 else "")
    return shape


def curve(found: Curve) -> str:
    """Risk against coverage, both in [0, 1] of its axes; the risk axis ends at a round number above the curve."""
    left, bottom, width, height = 40, 180, _WIDTH - 52, 164
    high = max(found.risk, default=0.0)
    top = next(step for step in (0.05, 0.1, 0.2, 0.5, 1.0) if high <= step)
    chosen = np.unique(np.linspace(0, len(found.risk) - 1, _MOST_POINTS).astype(int))
    points = " ".join(
        f"{left + width * found.coverage[i]:.1f},{bottom - height * found.risk[i] / top:.1f}" for i in chosen
    )
    parts = _frame(left, bottom, width, height, ("0", f"{top / 2:g}", f"{top:g}"), ("0", "0.5", "1"))
    parts.append(f'<polyline class="line" points="{points}"/>')
    parts.append(_text(left + width / 2, bottom + 34, "coverage", "middle", "muted"))
    parts.append(_text(left + 6, 12, "risk", css="muted"))
    return _svg(_WIDTH, bottom + 40, f"risk and coverage: {found.title}", parts)


def histogram(values: Sequence[float]) -> str:
    """Counts of values in 20 bins from 0 (or the least) to 1 (or a whole number above the most), and the median."""
    left, bottom, width, height = 40, 120, _WIDTH - 52, 100
    low, high = min(0.0, math.floor(min(values) + _NOISE)), max(1.0, math.ceil(max(values) - _NOISE))
    counts, edges = np.histogram(np.clip(values, low, high), bins=_BINS, range=(low, high))
    most = int(counts.max())
    parts = _frame(
        left, bottom, width, height, ("0", "", str(most)), (f"{low:g}", f"{(low + high) / 2:g}", f"{high:g}")
    )
    step = width / _BINS
    for i, count in enumerate(counts):
        tall = height * count / most
        parts.append(
            f'<rect class="bar" x="{left + i * step + 1:.1f}" y="{bottom - tall:.1f}" width="{step - 2:.1f}" '
            f'height="{tall:.1f}"><title>{edges[i]:.2f} to {edges[i + 1]:.2f}: {count}</title></rect>'
        )
    x = left + width * (float(np.median(values)) - low) / (high - low)
    parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom - height - 6}" y2="{bottom}"/>')
    return _svg(_WIDTH, bottom + 24, "distribution", parts)


@dataclass(frozen=True, slots=True)
class Panel:
    """One small plot: a line through (x, y), its name above, a note beside it."""

    name: str
    note: str
    x: tuple[float, ...]
    y: tuple[float, ...]


def small_multiples(title: str, panels: Sequence[Panel], x_label: str, low: float, high: float) -> str:
    """Small plots on the same axes, three a row; y runs from ``low`` to ``high``, its middle is a line across."""
    left, wide, tall, cell_w, cell_h, top = 34, 200, 80, 256, 146, 34
    far = max((max(panel.x) for panel in panels), default=0.0) or 1.0
    parts = [_text(4, 16, title)]
    for i, panel in enumerate(panels):
        x0, bottom = i % 3 * cell_w + left, top + i // 3 * cell_h + 18 + tall
        middle = (low + high) / 2
        parts += _frame(
            x0, bottom, wide, tall, (f"{low:g}", f"{middle:g}", f"{high:g}"), ("0", f"{far / 2:.3g}", f"{far:.3g}")
        )
        parts.append(_text(x0, bottom - tall - 8, _short(panel.name, 24), title=panel.name))
        parts.append(_text(x0 + wide, bottom - tall - 8, panel.note, "end", "muted"))
        points = " ".join(
            f"{x0 + wide * x / far:.1f},{bottom - tall * (min(max(y, low), high) - low) / (high - low):.1f}"
            for x, y in zip(panel.x, panel.y)
        )
        parts.append(f'<polyline class="line" points="{points}"/>')
        if i >= len(panels) - 3:
            parts.append(_text(x0 + wide / 2, bottom + 32, x_label, "middle", "muted"))
    rows = -(-len(panels) // 3)
    return _svg(3 * cell_w, top + rows * cell_h + 8, title, parts, fixed=True)


def _frame(
    left: float, bottom: float, width: float, height: float, ys: tuple[str, str, str], xs: tuple[str, str, str]
) -> list[str]:
    """Axes with three ticks each."""
    parts = []
    for i, tick in enumerate(ys):
        y = bottom - height * i / 2
        parts.append(f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y}" y2="{y}"/>')
        parts.append(_text(left - 6, y + 4, tick, "end", "muted"))
    for i, tick in enumerate(xs):
        parts.append(_text(left + width * i / 2, bottom + 17, tick, ("start", "middle", "end")[i], "muted"))
    parts.append(f'<path class="axis" d="M{left} {bottom - height}V{bottom}H{left + width}"/>')
    return parts


def _text(
    x: float, y: float, text: str, anchor: str = "start", css: str = "", turned: bool = False, title: str = ""
) -> str:
    turn = f' transform="rotate(-45 {x:g} {y:g})"' if turned else ""
    style = f' class="{css}"' if css else ""
    hint = f"<title>{escape(title)}</title>" if title else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{style}{turn}>{hint}{escape(text)}</text>'


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _svg(width: float, height: float, label: str, parts: Sequence[str], fixed: bool = False) -> str:
    """``fixed`` keeps its size in px, to be scrolled; others grow and shrink with the page."""
    size = f' width="{width:g}" height="{height:g}"' if fixed else ' width="100%"'
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}"{size} role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
