"""`describer bench guard`: what the grounding guard keeps out of texts, and what that costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def guard(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for guard.jsonl (a row a frame) and guard.json.")],
    frames: Annotated[int, typer.Option(min=0, help="Held-out rendered frames.")] = 1000,
    real: Annotated[
        Path | None, typer.Option(metavar="SRC", help="Real frames too: an index.json, or what annotate takes.")
    ] = None,
    real_frames: Annotated[int, typer.Option(min=1, help="At most this many of them, evenly taken.")] = 300,
    scene_model: Annotated[str, typer.Option(help="'embedded', or a folder.")] = "embedded",
    vlm: Annotated[str, typer.Option(help="'embedded', a local folder, or a hub id.")] = "embedded",
    adapter: Annotated[str | None, typer.Option(help="LoRA adapter of --vlm.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Hallucination, omission and contradictions against the scene, perplexity and length, guard off and strict.

    \b
      describer bench guard -o guard --frames 1000
      describer bench guard -o guard --frames 1000 --real ../shared/data/index.json --real-frames 300

    Perplexity is under the same unguarded model. A killed bench goes on where it was.
    """
    from tqdm import tqdm

    from describer.bench_guard import GuardBench, guard_bench, to_text, total_of
    from describer.pipeline import Describer

    bench = GuardBench(frames, real, real_frames)
    total = total_of(bench)
    describer = Describer(scene_model, vlm, adapter, device)
    with tqdm(total=total, unit="frame", desc="guard", disable=None, dynamic_ncols=True) as bar:
        found = guard_bench(describer, bench, out, bar.update)
    typer.echo(json.dumps(found, indent=1) if as_json else to_text(found))
