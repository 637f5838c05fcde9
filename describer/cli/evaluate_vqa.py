"""`describer evaluate --task vqa`: questions put to a model, with controls."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from describer.pipeline import Describer
    from describer.vqa_evaluation import Wanted


def evaluate_vqa(
    wanted: Wanted,
    model: dict[str, Any],
    options: dict[str, Any],
    out: Path | None,
    save_threshold: Path | None,
    as_json: bool,
) -> None:
    """Ask, score, print and write; ``model`` are a Describer's options, ``options`` those of `evaluate_questions`."""
    from tqdm import tqdm

    from describer.abstention import write_threshold
    from describer.errors import InputError
    from describer.eval.reports import to_json, to_text, write_reports
    from describer.vqa_evaluation import evaluate_questions
    from describer.vqa_evaluation.calibrating import keep_curves

    if save_threshold is not None and options["risk"] is None:
        raise InputError("--save-threshold needs --risk, the share of wrong answers that you accept, such as 0.2.")
    with tqdm(unit="question", desc="ask", disable=None, dynamic_ncols=True, leave=False) as bar:

        def progress(asked: int, total: int) -> None:
            bar.total = total
            bar.update(asked)

        found = evaluate_questions(
            wanted, _loader(model), out=out, progress=progress, calibrate=save_threshold is not None, **options
        )
    written = () if out is None else write_reports(found.report, out)
    if as_json:
        typer.echo(json.dumps(to_json(found.report), indent=1, allow_nan=False))
    else:
        typer.echo(to_text(found.report))
        typer.echo(found.headline)
    if options["risk"] is not None:
        none = "no threshold reaches it on these questions"
        typer.echo(f"risk of at most {options['risk']:.1%}: {found.threshold or none}", err=as_json)
    if found.threshold is not None:
        written += tuple(write_threshold(folder, found.threshold) for folder in (out, save_threshold) if folder)
    if save_threshold is not None and found.rows is not None:
        curves = keep_curves(save_threshold, found.rows, found.report.split)
        written += () if curves is None else (curves,)
    for path in written:
        typer.echo(str(path), err=True)


def _loader(model: dict[str, Any]) -> Callable[[], Describer]:
    def load() -> Describer:
        from describer.pipeline import Describer

        return Describer(**model)

    return load
