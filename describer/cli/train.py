"""`describer train`: the recipes that make the embedded checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Train the scene model or the language model.")

_Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the checkpoint and its card.")]
_Preset = Annotated[str, typer.Option(help="The recipe: embedded.")]


@app.command("scene")
def scene(
    out: _Out,
    preset: _Preset = "embedded",
    minutes: Annotated[float, typer.Option(min=0.1, help="Training time on this machine.")] = 100.0,
    frames: Annotated[int, typer.Option(min=8, help="Rendered training frames.")] = 20_000,
    real: Annotated[
        Path | None, typer.Option(metavar="INDEX_JSON", help="Index of labelled real frames to train on too.")
    ] = None,
) -> None:
    """Train the scene model: render, train, score on held-out scenes, write the model card.

    \b
      describer train scene --preset embedded --out my-scene
      describer train scene --minutes 2 --frames 64 --out try-scene

    Killed, the same command goes on where it stopped.
    """
    from describer.tuning import train_scene_preset

    typer.echo(str(train_scene_preset(preset, out, minutes, frames, real, progress=_say)))


@app.command("vlm")
def vlm(
    out: _Out,
    preset: _Preset = "embedded",
    scene_model: Annotated[
        str, typer.Option(help="Scene model whose regions it learns to describe: 'embedded' or a folder.")
    ] = "embedded",
    minutes: Annotated[float, typer.Option(min=0.1, help="Training time on this machine.")] = 40.0,
    frames: Annotated[int, typer.Option(min=8, help="Rendered frames with true regions, for the base.")] = 3000,
    adapter_frames: Annotated[int, typer.Option(min=8, help="Frames with predicted regions, for the adapter.")] = 1200,
) -> None:
    """Train the language model and its LoRA adapter: OUT/vlm and OUT/vlm-lora.

    \b
      describer train vlm --preset embedded --out my-vlm
      describer train vlm --scene-model my-scene --minutes 10 --out my-vlm

    Killed, the same command goes on where it stopped.
    """
    from describer.tuning import train_vlm_preset

    folder = train_vlm_preset(preset, out, scene_model, minutes, frames, adapter_frames, progress=_say)
    typer.echo(str(folder))


def _say(text: str) -> None:
    typer.echo(text, err=True)
