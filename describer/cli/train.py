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
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR[=SHARE]", help="Labelled frames to train on; repeat for several. See data check."),
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="YAML", help="These options in a file; flags win.")] = None,
    start: Annotated[
        str | None, typer.Option(help="Scene model to start from: 'embedded' or a folder. [default: embedded]")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="A DINOv2 folder or hub id to start from instead, e.g. facebook/dinov2-base.")
    ] = None,
    taxonomy: Annotated[
        str | None, typer.Option(help="Label set: a name or a YAML. [default: the data's own, else core]")
    ] = None,
    adapter: Annotated[
        str | None, typer.Option(help="Freeze the backbone and train tesla, lora or vector-lora with the heads.")
    ] = None,
    adapter_rank: Annotated[int | None, typer.Option(min=1, help="Rank of tesla and lora. [default: 4]")] = None,
    freeze: Annotated[bool | None, typer.Option("--freeze", help="Train the heads alone: twice as fast.")] = None,
    balance: Annotated[str | None, typer.Option(help="How tasks share a step. [default: equal]")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Input size, multiples of 14. [default: the start's]")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Length of the run, in steps.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Or in minutes. [default: 20; preset: 100]")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Frames a step, over all processes. [default: 8]")
    ] = None,
    accumulate: Annotated[
        int | None, typer.Option(min=1, help="Parts a step's frames go through in, to save memory. [default: 1]")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="bf16, no, or auto: bf16 where the device is fast at it. [default: auto]")
    ] = None,
    lr: Annotated[float | None, typer.Option(min=0, help="Learning rate. [default: 0.0005]")] = None,
    best: Annotated[
        str | None, typer.Option(help="The score on the val split that chooses the model kept. [default: miou]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Order and augmentation. [default: 0]")] = None,
    tensorboard: Annotated[
        bool | None, typer.Option("--tensorboard", help="Log for TensorBoard too, beside the CSV files.")
    ] = None,
    allow_overlap: Annotated[
        bool | None, typer.Option("--allow-overlap", help="Train on videos that another set holds out.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Make the embedded model itself, from rendered scenes: embedded.")
    ] = None,
    frames: Annotated[int, typer.Option(min=8, help="Rendered training frames of --preset.")] = 20_000,
    real: Annotated[
        Path | None, typer.Option(metavar="INDEX_JSON", help="Labelled real frames for --preset to train on too.")
    ] = None,
) -> None:
    """Train a scene model on your labelled frames, or make the embedded one again.

    \b
      describer train scene --data my-frames --out my-scene
      describer train scene --data endovis17 --data my-frames=0.5 --taxonomy core --minutes 60 --out my-scene
      describer train scene --data my-frames --backbone facebook/dinov2-base --adapter tesla --out my-scene
      torchrun --nproc_per_node 4 -m describer train scene --config scene.yaml --out my-scene
      describer train scene --preset embedded --out embedded-scene

    The folder gets the model, its card, scores.json, log.csv, scores.csv and gradients.csv. Killed, the same
    command goes on where it stopped.
    """
    if preset is not None or (not data and config is None):
        from describer.tuning import train_scene_preset

        made = train_scene_preset(preset or "embedded", out, minutes or 100.0, frames, real, progress=_say)
        typer.echo(str(made))
        return
    from describer.scene_training import read_options, size_of, train_on, training

    given = {
        "data": tuple(data) if data else None,
        "start": start,
        "backbone": backbone,
        "taxonomy": taxonomy,
        "adapter": adapter,
        "adapter_rank": adapter_rank,
        "freeze": freeze,
        "balance": balance,
        "size_hw": None if size is None else size_of(size),
        "steps": steps,
        "minutes": minutes,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "precision": precision,
        "lr": lr,
        "best": best,
        "seed": seed,
        "tensorboard": tensorboard,
        "allow_overlap": allow_overlap,
    }
    options = training({} if config is None else read_options(config), given)
    typer.echo(str(train_on(options, out, progress=_say)))


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


@app.command("depth")
def depth(
    clips: Annotated[
        list[str],
        typer.Argument(metavar="CLIP...", help="Folders of neighbouring frames, quoted patterns, or videos."),
    ],
    out: _Out,
    start: Annotated[str, typer.Option(help="Scene model whose depth learns: 'embedded' or a folder.")] = "embedded",
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Length of the run. [default: 6]")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Or in steps.")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Input size, multiples of 14. [default: the model's]")
    ] = None,
    focal: Annotated[float, typer.Option(help="Focal length of the camera in widths of the frame.")] = 1.0,
    intrinsics: Annotated[
        str | None, typer.Option(metavar="FX,FY,CX,CY", help="Or the camera in pixels of the frames, of all clips.")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second to take from videos; default all.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Frames a step, each with two neighbours.")] = 4,
    seed: Annotated[int, typer.Option(help="Order and flips.")] = 0,
) -> None:
    """Adapt a scene model's depth to clips without labels: neighbouring frames must explain each other.

    \b
      describer train depth operation.mp4 --fps 8 --out my-depth
      describer train depth clip1 clip2 --minutes 30 --intrinsics 1035,1035,596,520 --out my-depth

    The camera has to move: a still one tells nothing of depth, and a clip that hardly moves is refused. Only depth
    changes, all other answers of the model stay as they are. The last fifth of each clip is never trained on and
    scores the result. OUT gets the model (for --scene-model), log.csv, scores.json and a picture of frames over
    their depth before and after for each clip. Killed, the same command goes on where it stopped.
    """
    from describer.camera import Intrinsics
    from describer.depth_training import DepthTraining, scores_table, train_depth_on
    from describer.scene_training import size_of
    from describer.seg.selfdepth.training import SelfDepthSettings

    options = DepthTraining(
        tuple(clips),
        SelfDepthSettings(
            steps, 6.0 if minutes is None and steps is None else minutes, batch_size=batch_size, seed=seed
        ),
        start=start,
        size_hw=None if size is None else size_of(size),
        focal=focal,
        intrinsics=None if intrinsics is None else Intrinsics.parse(intrinsics),
        fps=fps,
    )
    typer.echo(scores_table(train_depth_on(options, out, progress=_say)))
    typer.echo(str(out))


def _say(text: str) -> None:
    typer.echo(text, err=True)
