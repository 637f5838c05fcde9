"""`describer bench`: measurements of this machine with these models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure speed, memory, robustness and methods.")


@app.callback()
def bench() -> None:
    """Measure speed, memory, robustness and methods."""


def _show(found: dict[str, Any], as_json: bool) -> None:
    typer.echo(
        json.dumps(found, indent=2) if as_json else "\n".join(f"{name:<28}{value}" for name, value in found.items())
    )


@app.command("speed")
def speed(
    scene_model: Annotated[str, typer.Option(help="'embedded', or a folder.")] = "embedded",
    vlm: Annotated[str, typer.Option(help="'embedded', 'echo', a local folder, or a hub id.")] = "embedded",
    adapter: Annotated[str | None, typer.Option(help="LoRA adapter of --vlm.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    repeats: Annotated[int, typer.Option(min=1, help="Runs; the median is printed.")] = 5,
    frames: Annotated[
        str | None, typer.Option(help="Folder, pattern or video whose first 24 frames are taken; default rendered.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Seconds a 1280 x 1024 frame, 20 regions together against one by one, a run against its models, peak memory.

    \b
      describer bench speed
      describer bench speed --vlm echo --repeats 3 --json
    """
    from describer.bench_speed import speed as measure
    from describer.pipeline import Describer

    _show(measure(Describer(scene_model, vlm, adapter, device), repeats, frames), as_json)


@app.command("metrics")
def metrics(
    items: Annotated[int, typer.Option(min=1, help="Made-up captions to score.")] = 5000,
    references: Annotated[int, typer.Option(min=1, help="References of each.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Seconds of BLEU, ROUGE-L and CIDEr-D from raw text, beside pycocoevalcap where it is installed.

    \b
      describer bench metrics
      describer bench metrics --items 500 --json
    """
    from describer.bench_metrics import caption_speed

    _show(caption_speed(items, references), as_json)


@app.command("adapters")
def adapters(
    backbone: Annotated[str, typer.Option(help="embedded, vit-s or vit-b; random weights.")] = "embedded",
    repeats: Annotated[int, typer.Option(min=1, help="Forwards of each; the median is printed.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What each kind of adapter costs: parameters, file, training memory, time of a forward, also after merging.

    \b
      describer bench adapters
      describer bench adapters --backbone vit-b --json
    """
    from dataclasses import asdict

    from describer.bench_adapters import adapter_costs, to_text
    from describer.vlm.quiet import quiet

    with quiet():
        costs = adapter_costs(backbone, repeats)
    typer.echo(json.dumps([asdict(cost) for cost in costs], indent=1) if as_json else to_text(costs))


@app.command("scores")
def scores(
    scene_model: Annotated[str, typer.Option(help="'embedded', or a folder.")] = "embedded",
    vlm: Annotated[str, typer.Option(help="'embedded', or a local folder.")] = "embedded",
    adapter: Annotated[str | None, typer.Option(help="LoRA adapter of --vlm.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Held-out rendered frames for the language model.")] = 200,
    real: Annotated[
        Path | None, typer.Option(metavar="INDEX_JSON", help="Index of labelled real frames to score on too.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps the rendered held-out frames.")] = None,
) -> None:
    """The numbers of the model cards, measured again: split, n and score of both models, as JSON.

    \b
      describer bench scores
      describer bench scores --real ../shared/data/index.json --cache scores-cache
    """
    from tempfile import TemporaryDirectory

    from describer.seg.predict import ScenePredictor
    from describer.tuning import plain, scene_scores, vlm_scores

    with TemporaryDirectory() as scratch:
        found = scene_scores(ScenePredictor.load(scene_model).model, cache or Path(scratch), real)
    typer.echo(json.dumps({"scene model": found}, indent=1))
    typer.echo(json.dumps({"language model": plain(vlm_scores(scene_model, vlm, adapter, frames))}, indent=1))


@app.command("robustness")
def robustness(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the table, the plot and the frames.")],
    scene_model: Annotated[str, typer.Option(help="'embedded', or a folder.")] = "embedded",
    real: Annotated[
        Path | None, typer.Option(metavar="INDEX_JSON", help="Index of labelled real frames to corrupt too.")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Held-out frames of each kind.")] = 100,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What the scene model loses under the 15 common corruptions at 5 severities, on held-out frames.

    \b
      describer bench robustness -o robustness --frames 20
      describer bench robustness -o robustness --scene-model my-scene --real ../shared/data/index.json

    OUT gets robustness.md (the table), robustness.svg (the plot) and robustness.json (every score).
    """
    from tqdm import tqdm

    from describer import robustness as bench_robustness
    from describer.pipeline import pick_device
    from describer.seg.corruptions import CORRUPTIONS, SEVERITIES
    from describer.seg.predict import ScenePredictor

    predictor = ScenePredictor.load(scene_model, pick_device(device))
    model = predictor.model
    sets = bench_robustness.held_out_sets(out / "frames", frames, real, model.config.vocabulary)
    total = sum(map(len, sets.values())) * (1 + len(CORRUPTIONS) * len(SEVERITIES))
    with tqdm(total=total, unit="frame", desc="robustness", disable=None, dynamic_ncols=True) as bar:
        found = bench_robustness.robustness(model, sets, bar.update)
    bench_robustness.write(found, predictor.name, out)
    text = json.dumps(bench_robustness.to_json(found, predictor.name), indent=2) if as_json else None
    typer.echo(text or bench_robustness.to_text(found))


_Start = Annotated[str, typer.Option(help="Scene model whose backbone, without its adapter, runs start from.")]
_Backbone = Annotated[
    str | None, typer.Option(help="A DINOv2 folder or hub id to start from instead, e.g. facebook/dinov2-base.")
]
_Seeds = Annotated[int, typer.Option(min=1, help="Runs of each, with seeds 0, 1, ...")]
_Frames = Annotated[int, typer.Option(min=1, help="Rendered training frames.")]
_HeldOut = Annotated[int, typer.Option(min=1, help="Rendered held-out frames.")]
_BatchSize = Annotated[int, typer.Option(min=1, help="Frames a step.")]
_Size = Annotated[str, typer.Option(metavar="HxW", help="Input size, multiples of 14.")]


@app.command("reference")
def reference(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables, results and frames.")],
    seeds: _Seeds = 3,
    minutes: Annotated[float | None, typer.Option(min=0.001, help="Training time of each run. [default: 10]")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Or its length in steps, the same for both.")] = None,
    size: _Size = "224x224",
    frames: _Frames = 2000,
    held_out: _HeldOut = 300,
    real: Annotated[
        Path | None, typer.Option(metavar="INDEX_JSON", help="Labelled real frames to train and score on too.")
    ] = None,
    real_held_out: Annotated[
        int | None, typer.Option(min=1, help="Score at most this many real frames of a source. [default: all]")
    ] = None,
    start: _Start = "embedded",
    backbone: _Backbone = None,
    batch_size: _BatchSize = 8,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ours against the public reference design: held-out scores at the same budget, speed and memory.

    \b
      describer bench reference -o versus --minutes 10
      describer bench reference -o versus --real ../shared/data/index.json --backbone facebook/dinov2-base
      describer bench reference -o as-many-images --steps 100

    Both start from one backbone. OUT gets reference.md and reference.json; a killed bench goes on where it was.
    """
    from describer.bench_reference import Options, compare, to_text
    from describer.pipeline import pick_device
    from describer.scene_training import size_of

    options = Options(
        seeds=seeds,
        steps=steps,
        minutes=10.0 if steps is None and minutes is None else minutes,
        hw=size_of(size),
        frames=frames,
        held_out=held_out,
        real=real,
        real_held_out=real_held_out,
        start=start,
        backbone=backbone,
        batch_size=batch_size,
        device=pick_device(device),
    )
    found = compare(out, options, _say)
    typer.echo(json.dumps(found, indent=1) if as_json else to_text(found))


@app.command("ablation")
def ablation(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the tables, results and frames.")],
    seeds: _Seeds = 3,
    steps: Annotated[int | None, typer.Option(min=1, help="Length of each run, in steps. [default: 400]")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.001, help="Or in minutes.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="adapter, stem, levels or balance; repeat for several. [default: all]")
    ] = None,
    size: _Size = "112x140",
    frames: _Frames = 1000,
    held_out: _HeldOut = 200,
    start: _Start = "embedded",
    backbone: _Backbone = None,
    batch_size: _BatchSize = 8,
    decoder_width: Annotated[
        int | None,
        typer.Option(min=16, help="Channels of the decoder; fewer are faster. [default: those of the start]"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What each adapter, stem, feature level and balancing strategy is worth, all else equal.

    \b
      describer bench ablation -o ablation --steps 400
      describer bench ablation -o ablation --steps 400 --only adapter --only stem --seeds 1

    OUT gets ablation.md and ablation.csv, first after one seed of everything; a killed bench goes on where it was.
    """
    from describer.bench_ablation import Options, to_text
    from describer.bench_ablation import ablation as measure
    from describer.pipeline import pick_device
    from describer.scene_training import size_of

    options = Options(
        seeds=seeds,
        steps=400 if steps is None and minutes is None else steps,
        minutes=minutes,
        hw=size_of(size),
        frames=frames,
        held_out=held_out,
        only=tuple(only or ()),
        start=start,
        backbone=backbone,
        batch_size=batch_size,
        decoder_width=decoder_width,
        device=pick_device(device),
    )
    results = measure(out, options, _say)
    typer.echo(json.dumps(results, indent=1) if as_json else to_text(results))


@app.command("prompts")
def prompts(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the table, every row's texts and the results.")],
    scene_model: Annotated[str, typer.Option(help="'embedded', or a folder.")] = "embedded",
    vlm: Annotated[str, typer.Option(help="'embedded', a local folder, or a hub id.")] = "embedded",
    adapter: Annotated[str | None, typer.Option(help="LoRA adapter of --vlm.")] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="A value of annotate's --prompt to compare; repeat for several. [default: all]"),
    ] = None,
    frames: Annotated[int, typer.Option(min=2, help="Held-out rendered frames.")] = 200,
    true_scenes: Annotated[bool, typer.Option("--true-scenes", help="Give true scenes, not predicted ones.")] = False,
    quantize: Annotated[str | None, typer.Option(help="4bit or 8bit.")] = None,
    guard: Annotated[str, typer.Option(help="off scores what the model says by itself; flag or strict.")] = "off",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What each part of a prompt is worth: held-out scores with each, beside base model and controls.

    \b
      describer bench prompts -o prompts --frames 50
      describer bench prompts -o prompts --vlm Qwen/Qwen3-VL-4B-Instruct --adapter my-lora --prompt facts,crop

    Controls are a black image, another frame's image, and no facts. OUT gets prompts.md, prompts.csv and
    prompts.json; a killed bench goes on where it was.
    """
    from describer.bench_prompts import PROMPTS, PromptBench, prompt_ablation, to_text

    options = PromptBench(
        scene_model=scene_model,
        vlm=vlm,
        adapter=adapter,
        prompts=PROMPTS if prompt is None else tuple(prompt),
        frames=frames,
        predicted=not true_scenes,
        device=device,
        quantize=quantize,
        guard=guard,
    )
    found = prompt_ablation(options, out, _say)
    typer.echo(json.dumps(found, indent=1) if as_json else to_text(found))


def _say(text: str) -> None:
    typer.echo(text, err=True)
