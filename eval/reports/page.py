"""The report as one HTML file that needs nothing else: style, plots and pictures are inside of it."""

from __future__ import annotations

import base64
from importlib import resources

import jinja2
import numpy as np
from markupsafe import Markup

from describer.eval.reports import charts
from describer.eval.reports.report import DISCLAIMER, Report, distributions, drawn_confusions, headlines
from describer.eval.reports.words import grouped, matched_words, p_value, signed, span, value, video_words


def to_html(report: Report) -> str:
    """The page. Every text of a user is escaped; its own policy forbids it to load anything."""
    files = resources.files("describer.eval.reports")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False)
    template = environment.from_string(files.joinpath("report.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        r=report,
        css=Markup(files.joinpath("page.css").read_text(encoding="utf-8")),
        disclaimer=DISCLAIMER,
        headlines=headlines(report),
        distributions=distributions(report),
        confusions=drawn_confusions(report),
        groups=grouped(report),
        matched=matched_words(report),
        n_videos=video_words(report),
        value=value,
        signed=signed,
        span=span,
        p_value=p_value,
        median=lambda values: float(np.median(values)),
        data_url=_data_url,
        # The charts escape their own texts.
        bars=lambda classes: Markup(charts.bars(classes)),
        matrix=lambda table: Markup(charts.matrix(table)),
        curve=lambda found: Markup(charts.curve(found)),
        histogram=lambda values: Markup(charts.histogram(values)),
    )


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
