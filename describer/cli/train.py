"""`describer train`: the recipes that make the embedded checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Train the scene model or the language model.")

_Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the checkpoint and its card.")]


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
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Instruction data of `describer data build`.")
    ] = None,
    vlm: Annotated[
        str | None, typer.Option(help="The base: 'embedded', a local folder, or a hub id. [default: embedded]")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="YAML", help="These options in a file; flags win.")] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="Rank of the updates. [default: 16]")] = None,
    alpha: Annotated[int | None, typer.Option(min=1, help="Their scale is alpha / rank. [default: 32]")] = None,
    dropout: Annotated[float | None, typer.Option(min=0, help="In the updates. [default: 0.05]")] = None,
    targets: Annotated[
        str | None,
        typer.Option(help="Layers of the language model: all, attention, mlp, or a regular expression. [default: all]"),
    ] = None,
    thaw: Annotated[
        list[str] | None, typer.Option(help="vision or projector: gets updates too; repeat for both. [default: none]")
    ] = None,
    quantize: Annotated[str | None, typer.Option(help="4bit (QLoRA) or 8bit base weights.")] = None,
    epochs: Annotated[float | None, typer.Option(min=0, help="Times through the data. [default: 3]")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Or the length in steps.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Or in minutes. [preset: 40]")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Chats a step, over all processes. [default: 16]")
    ] = None,
    accumulate: Annotated[
        int | None, typer.Option(min=1, help="Parts a step's chats go through in, to save memory. [default: 1]")
    ] = None,
    checkpointing: Annotated[
        bool | None, typer.Option("--checkpointing", help="Compute activations twice, to save memory.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="bf16, no, or auto: bf16 where the device is fast at it. [default: auto]")
    ] = None,
    lr: Annotated[float | None, typer.Option(min=0, help="Learning rate. [default: 0.0002]")] = None,
    eval_frames: Annotated[
        int | None, typer.Option(min=0, help="Held-out chats to score on while training. [default: 48]")
    ] = None,
    eval_minutes: Annotated[float | None, typer.Option(min=0.1, help="How often. [default: 10]")] = None,
    seed: Annotated[int | None, typer.Option(help="Order, dropout and start. [default: 0]")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N. [default: auto]")] = None,
    trust_remote_code: Annotated[
        bool | None, typer.Option("--trust-remote-code", help="Run the code that comes with the base.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Make the embedded model itself, from rendered scenes: embedded.")
    ] = None,
    scene_model: Annotated[
        str, typer.Option(help="Of --preset: scene model whose regions it learns to describe, or a folder.")
    ] = "embedded",
    frames: Annotated[int, typer.Option(min=8, help="Rendered frames with true regions, for the base.")] = 3000,
    adapter_frames: Annotated[int, typer.Option(min=8, help="Frames with predicted regions, for the adapter.")] = 1200,
) -> None:
    """Tune a LoRA adapter for any vision-language model on your data, or make the embedded model again.

    \b
      describer train vlm --data my-data --out my-lora
      describer train vlm --data my-data --vlm Qwen/Qwen3-VL-4B-Instruct --quantize 4bit --checkpointing --out my-lora
      torchrun --nproc_per_node 4 -m describer train vlm --config vlm.yaml --out my-lora
      describer train vlm --preset embedded --scene-model my-scene --out my-vlm

    OUT is for --adapter: the adapter, its prompts and label set, recipe.json with held-out scores, log.csv. A preset
    makes OUT/vlm and OUT/vlm-lora. Killed, the same command goes on where it stopped.
    """
    if preset is not None or (data is None and config is None):
        from describer.tuning import train_vlm_preset

        made = train_vlm_preset(
            preset or "embedded", out, scene_model, minutes or 40.0, frames, adapter_frames, progress=_say
        )
        typer.echo(str(made))
        return
    from describer.vlm_training import FREEZABLE, read_options, train_adapter, training

    given = {
        "data": None if data is None else str(data),
        "vlm": vlm,
        "rank": rank,
        "alpha": alpha,
        "dropout": dropout,
        "targets": targets,
        "frozen": None if thaw is None else tuple(part for part in FREEZABLE if part not in thaw),
        "quantize": quantize,
        "epochs": epochs,
        "steps": steps,
        "minutes": minutes,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "checkpointing": checkpointing,
        "precision": precision,
        "lr": lr,
        "eval_frames": eval_frames,
        "eval_minutes": eval_minutes,
        "seed": seed,
        "device": device,
        "trust_remote_code": trust_remote_code,
    }
    options = training({} if config is None else read_options(config), given)
    typer.echo(str(train_adapter(options, out, progress=_say)))


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
