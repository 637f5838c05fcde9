"""`describer evaluate`: a run's numbers against references, as a table and as reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="annotations.jsonl or its folder, {id: [captions]} JSON, or answers as JSONL."
        ),
    ],
    references: Annotated[
        Path,
        typer.Option(metavar="REF", help="Annotations, COCO captions, JSONL of captions, or of questions and answers."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for report.json, report.md and report.html.")
    ] = None,
    metrics: Annotated[str | None, typer.Option(help="Names such as bleu,truth; default all that fit.")] = None,
    split: Annotated[str, typer.Option(help="What the data is; printed with every number.")] = "unnamed split",
    baseline: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Another run on REF, tested against RUN in pairs.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Score the ids that both files have; else differing ids are an error.")
    ] = False,
    taxonomy: Annotated[str | None, typer.Option(help="Label set of both; default that of the annotations.")] = None,
    video_pattern: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Finds an id's video; default its folder or video file.")
    ] = None,
    frames: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the frames are, for the report's pictures.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Score RUN against REF: captions, truthfulness, regions, activities or answers, each with its n.

    \b
      describer evaluate results --references truth.jsonl -o report --split "held out"
      describer evaluate captions.json --references coco.json --metrics bleu,cider_d
      describer evaluate results --references truth.jsonl --baseline results-black
      describer evaluate answers.jsonl --references questions.jsonl

    Ids are matched by frame name or id, then by pixels, then by the end of the path. What cannot be scored is
    counted and shown. Intervals are over videos: name them with --video-pattern when the folders do not.
    """
    from describer.eval.reports import to_json, to_text, write_reports
    from describer.evaluate import evaluate as score

    names = None if metrics is None else [name.strip() for name in metrics.split(",") if name.strip()]
    report = score(
        run,
        references,
        metrics=names,
        split=split,
        baseline=baseline,
        partial=partial,
        taxonomy=taxonomy,
        video_pattern=video_pattern,
        frames=frames,
    )
    written = () if out is None else write_reports(report, out)
    typer.echo(json.dumps(to_json(report), indent=1, allow_nan=False) if as_json else to_text(report))
    for path in written:
        typer.echo(str(path), err=True)
