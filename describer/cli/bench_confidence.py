"""`describer bench confidence`: what token probabilities are worth, and the curves that calibrate them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def confidence(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for confidence.jsonl (a row a frame) and scores.")],
    frames: Annotated[int, typer.Option(min=1, help="Rendered frames to fit on.")] = 300,
    held_out: Annotated[int, typer.Option(min=1, help="Other rendered frames to score on.")] = 150,
    save: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Adapter or model folder that gets confidence.json.")
    ] = None,
    scene_model: Annotated[str, typer.Option(help="'embedded', or a folder.")] = "embedded",
    vlm: Annotated[str, typer.Option(help="'embedded', a local folder, or a hub id.")] = "embedded",
    adapter: Annotated[str | None, typer.Option(help="LoRA adapter of --vlm.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Calibrate the confidence of descriptions: fit on rendered frames, score on others, keep it beside the adapter.

    \b
      describer bench confidence -o confidence
      describer bench confidence -o confidence --vlm my-vlm/vlm --adapter my-vlm/vlm-lora --save my-vlm/vlm-lora

    A description is right when nothing in it is refuted by the scene it was given, all it names is truly in the
    frame, and its region truly is that thing (of a summary: every instrument there is named).
    """
    from tqdm import tqdm

    from describer.bench_confidence import measure_confidence, to_text
    from describer.confidence import beside_answers, write_calibration
    from describer.pipeline import Describer

    describer = Describer(scene_model, vlm, adapter, device)
    with tqdm(total=frames + held_out, unit="frame", desc="confidence", disable=None, dynamic_ncols=True) as bar:
        calibration, scores = measure_confidence(describer, frames, held_out, out, bar.update)
    (out / "confidence-scores.json").write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    write_calibration(save or out, beside_answers(calibration, save or out))
    typer.echo(json.dumps(scores, indent=1) if as_json else to_text(scores))
