"""`describer bench vqa`: how well questions are answered, and what would be answered without seeing."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def vqa(
    frames: Annotated[int, typer.Option(min=2, help="Held-out rendered frames.")] = 100,
    per_frame: Annotated[int, typer.Option(min=1, help="Questions a frame, of different types.")] = 6,
    scene_model: Annotated[str, typer.Option(help="'embedded', or a folder.")] = "embedded",
    vlm: Annotated[str, typer.Option(help="'embedded', a local folder, or a hub id.")] = "embedded",
    adapter: Annotated[str | None, typer.Option(help="LoRA adapter of --vlm.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Questions on held-out rendered frames, in wordings that no training saw, scored as JSON.

    \b
      describer bench vqa
      describer bench vqa --frames 300 --vlm my-vlm/vlm --adapter my-vlm/vlm-lora

    "truth" scores against what was rendered, per type, with counts within 1, region ids, risk at 80 % coverage, the
    language model alone, and the controls (black image, another frame's image, no image, constant answer); "given"
    against the scene that was found. "cost" is ten questions on a frame against one.
    """
    from describer.bench_vqa import vqa_bench
    from describer.pipeline import Describer

    describer = Describer(scene_model, vlm, adapter, device)
    found = vqa_bench(describer, frames, per_frame, progress=lambda told: typer.echo(told, err=True))
    typer.echo(json.dumps(found, indent=1))
