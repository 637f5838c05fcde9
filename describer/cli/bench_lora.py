"""`describer bench lora`: base against base and adapter, on an annotator's notes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def lora(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the videos, the chats and the adapter.")],
    frames: Annotated[int, typer.Option(min=8, help="Rendered frames, in 8 videos, of which 2 are held out.")] = 640,
    minutes: Annotated[float, typer.Option(min=0.01, help="Length of the training.")] = 30.0,
    held_out: Annotated[int, typer.Option(min=1, help="Held-out chats to score on.")] = 200,
    vlm: Annotated[str, typer.Option(help="'embedded', a local folder, or a hub id.")] = "embedded",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Teach a base an annotator's terse notes with a LoRA adapter, and score both on notes of other videos.

    \b
      describer bench lora -o lora
      describer bench lora -o lora --vlm Qwen/Qwen3-VL-4B-Instruct --device cuda

    By the same functions as `data build` and `train vlm`. Killed, the same command goes on where it stopped.
    """
    from describer.bench_lora import LoraBench, lora_bench, to_text

    found = lora_bench(LoraBench(frames, minutes, held_out, vlm, device), out, lambda text: typer.echo(text, err=True))
    typer.echo(json.dumps(found, indent=1) if as_json else to_text(found))
