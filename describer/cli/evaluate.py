"""`describer evaluate`: a run's numbers against references, as a table and as reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from describer.errors import InputError


def evaluate(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="annotations.jsonl or its folder, {id: [captions]} JSON, or answers as JSONL; with --task vqa the "
            "questions: a dataset's folder or your own JSONL.",
        ),
    ],
    references: Annotated[
        Path | None,
        typer.Option(metavar="REF", help="Annotations, COCO captions, JSONL of captions, or of questions and answers."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for report.json, report.md and report.html.")
    ] = None,
    metrics: Annotated[str | None, typer.Option(help="Names such as bleu,truth; default all that fit.")] = None,
    split: Annotated[
        str | None, typer.Option(help="What the data is, printed with every number; of questions their split.")
    ] = None,
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
    task: Annotated[str | None, typer.Option(metavar="vqa", help="Ask a model the questions of RUN.")] = None,
    question_set: Annotated[
        str | None, typer.Option("--set", help="vqa: which question set RUN is; see describer data list.")
    ] = None,
    reading: Annotated[str | None, typer.Option(help="vqa: how the set is read, where it can be in two ways.")] = None,
    videos: Annotated[str | None, typer.Option(help="vqa: only these videos, such as VID68,VID74.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="vqa: about so many questions, whole frames.")] = None,
    choices: Annotated[
        bool,
        typer.Option("--choices", help="vqa: choose among the set's answers by likelihood, in place of free text."),
    ] = False,
    controls: Annotated[bool, typer.Option(help="vqa: black, shuffled, no picture, other words.")] = True,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="JSONL", help="vqa: score these answers (id, answer, confidence); ask nobody."),
    ] = None,
    risk: Annotated[
        float | None, typer.Option(help="vqa: pick the threshold at which at most this share of answers is wrong.")
    ] = None,
    save_threshold: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="vqa: keep it, and what confidences are worth, with the model or adapter."),
    ] = None,
    scene_model: Annotated[
        str, typer.Option(help="vqa: 'embedded', or a folder of describer train scene.")
    ] = "embedded",
    vlm: Annotated[str, typer.Option(help="vqa: 'embedded', 'echo', a local folder, or a hub id.")] = "embedded",
    adapter: Annotated[str | None, typer.Option(help="vqa: LoRA adapter of --vlm, folder or hub id.")] = None,
    device: Annotated[str, typer.Option(help="vqa: auto, cpu, cuda or cuda:N.")] = "auto",
    prompt: Annotated[
        str | None, typer.Option(help="vqa: what the model is shown: none, or facts,overlay,crop.")
    ] = None,
    quantize: Annotated[str | None, typer.Option(help="vqa: 4bit or 8bit weights of --vlm, on CUDA.")] = None,
) -> None:
    """Score RUN against REF: captions, truthfulness, regions, activities or answers, each with its n.

    \b
      describer evaluate results --references truth.jsonl -o report --split "held out"
      describer evaluate captions.json --references coco.json --metrics bleu,cider_d
      describer evaluate results --references truth.jsonl --baseline results-black
      describer evaluate answers.jsonl --references questions.jsonl
      describer evaluate EndoVis-18-VQA --task vqa --split val -o report
      describer evaluate my-questions.jsonl --task vqa --vlm /models/smolvlm --choices --risk 0.2 -o report

    Ids are matched by frame name or id, then by pixels, then by the end of the path. What cannot be scored is
    counted and shown. Intervals are over videos: name them with --video-pattern when the folders do not.
    """
    if task is not None:
        from describer.cli.evaluate_vqa import evaluate_vqa
        from describer.vqa_evaluation import Wanted

        if task != "vqa":
            raise InputError(f"--task {task!r} is unknown; it is vqa, or left out.")
        chosen = tuple(name.strip() for name in (videos or "").split(",") if name.strip())
        wanted = Wanted(run, question_set, reading, split, chosen, limit, frames)
        model = {"scene_model": scene_model, "vlm": vlm, "adapter": adapter, "device": device, "prompt": prompt}
        options = {"predictions": predictions, "choices": choices, "controls": controls, "risk": risk}
        evaluate_vqa(wanted, model | {"quantize": quantize}, options, out, save_threshold, as_json)
        return
    if references is None:
        raise InputError("--references is missing; name the truth that RUN is held against (or --task vqa).")
    from describer.eval.reports import to_json, to_text, write_reports
    from describer.evaluate import UNNAMED
    from describer.evaluate import evaluate as score

    names = None if metrics is None else [name.strip() for name in metrics.split(",") if name.strip()]
    report = score(
        run,
        references,
        metrics=names,
        split=UNNAMED if split is None else split,
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
