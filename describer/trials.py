"""Training runs that are compared: each in a process of its own, its result kept, so that a killed bench goes on."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import Dinov2Model

from describer.caches import HELD_OUT_SEED, rendered_cache
from describer.devices import peak_memory_gib
from describer.errors import ModelError, OutputError
from describer.seg.adapters import plain_state_dict
from describer.seg.config import SceneConfig
from describer.seg.data import BatchLoader, CachedDataset, Source
from describer.seg.model import SceneModel
from describer.seg.predict import ScenePredictor
from describer.seg.reference import ReferenceModel
from describer.seg.scoring import evaluate_scene
from describer.seg.trainer import Trainer, TrainSettings
from describer.seg.vocabulary import Vocabulary
from describer.taxonomy import load_taxonomy
from describer.vlm.hub import local_folder
from describer.vlm.quiet import quiet

Say = Callable[[str], None]

LR = 1e-3
_WARMUP_STEPS = 50
SCORES = ("miou", "instrument_iou", "activity_accuracy", "depth_abs_rel")


@dataclass(frozen=True, slots=True)
class Trial:
    """What one run trains: its variant, seed and data, and how it differs from the terms of its bench.

    ``fields`` are SceneConfig's; ``last_level`` reads the last feature level four times instead of four levels;
    ``reference`` trains the reference design (seg/reference.py).
    """

    name: str
    seed: int
    data: str
    stage: str = "adapter"
    balance: str = "equal"
    fields: Mapping[str, Any] = field(default_factory=dict)
    last_level: bool = False
    reference: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What all runs of a bench share.

    ``start`` is a DINOv2 folder; ``train`` and ``held_out`` are cache folders by kind of data, the former with their
    shares of a batch, the latter by title; ``fields`` are SceneConfig's. The budget is ``steps`` or ``minutes``.
    """

    start: str
    train: Mapping[str, Mapping[str, float]]
    held_out: Mapping[str, Mapping[str, str]]
    fields: Mapping[str, Any]
    hw: tuple[int, int]
    steps: int | None
    minutes: float | None
    batch_size: int
    device: str


def check_plan(hw: tuple[int, int], steps: int | None, minutes: float | None) -> None:
    """DescriberError for a size or a budget that no run could have, before anything is rendered for it."""
    SceneConfig(class_names=["background"], input_hw=hw)
    TrainSettings(steps=steps, minutes=minutes)


def dissections(out: Path, frames: int, held_out: int) -> tuple[Path, Path, dict[str, list[str]]]:
    """Caches of rendered dissections like those of MTLESD, to train on and held out, and the words of their labels."""
    core = load_taxonomy("core")
    words = Vocabulary(("background", *core.names), core.activities)
    train = rendered_cache(out / f"frames-{frames}", 0, frames, words, "esd")
    held = rendered_cache(out / f"held-out-{held_out}", HELD_OUT_SEED, held_out, words, "esd")
    return train, held, {"class_names": list(words.classes), "activity_names": list(words.activities)}


def plain_start(work: Path, start: str, backbone: str | None) -> Path:
    """The DINOv2 folder that runs start from: ``backbone`` (a folder or hub id), else that of the scene model
    ``start`` without its adapter, written into ``work``."""
    if backbone is not None:
        return local_folder(backbone, "backbone")
    folder = work / "start"
    if not folder.is_dir():
        partial = work / "start.partial"
        with quiet():
            scene = ScenePredictor.load(start).model
            plain = Dinov2Model(scene.config.backbone_config())
            plain.load_state_dict(plain_state_dict(scene.backbone))
            plain.save_pretrained(partial)
        partial.rename(folder)
    return folder


def build(terms: Terms, trial: Trial) -> SceneModel:
    """The untrained model of a run: the start's backbone, everything else from the run's seed."""
    torch.manual_seed(trial.seed)
    config = SceneConfig(**{**terms.fields, **trial.fields, "input_hw": terms.hw})
    kind = ReferenceModel if trial.reference else SceneModel
    with quiet():
        model = kind.from_backbone(terms.start, config)
    if trial.last_level:
        model.config.feature_layers = [model.config.backbone_config().num_hidden_layers] * 4
    torch.nn.Module.to(model, terms.device)
    return model


def run_trial(terms: Terms, trial: Trial) -> dict[str, Any]:
    """Train and score: what was run, ``scores`` by title of held-out data, and what it took.

    seconds_a_step and cpu_seconds_a_step (of all threads): medians; trained: parameters that move at first, and those
    of backbone and stem among them.
    """
    model = build(terms, trial)
    settings = TrainSettings(
        steps=terms.steps,
        minutes=terms.minutes,
        stage=trial.stage,
        balance=trial.balance,
        batch_size=terms.batch_size,
        lr=LR,
        warmup_steps=min(_WARMUP_STEPS, terms.steps // 5) if terms.steps else _WARMUP_STEPS,
        hw=terms.hw,
        seed=trial.seed,
        loader_threads=max(1, (os.cpu_count() or 1) // 2),
    )
    sources = [Source(CachedDataset(Path(path)), share) for path, share in terms.train[trial.data].items()]
    trainer = Trainer(model, settings)
    moving = sum(p.numel() for p in trainer.moving)
    below = sum(p.numel() for part in (model.backbone, model.sma) if part for p in part.parameters() if p.requires_grad)
    seconds, cpu_seconds = _train(trainer, sources)
    peak = peak_memory_gib(terms.device)
    scores = {
        title: _scores(model, CachedDataset(Path(path)), terms.batch_size)
        for title, path in terms.held_out[trial.data].items()
    }
    return {
        **asdict(trial),
        "scores": scores,
        "steps": trainer.done,
        "images": trainer.done * terms.batch_size,
        "seconds_a_step": statistics.median(seconds),
        "cpu_seconds_a_step": statistics.median(cpu_seconds),
        "minutes": trainer.elapsed_s / 60,
        "trained": moving,
        "trained_below_heads": below,
        "training_peak_gib": peak,
    }


def _train(trainer: Trainer, sources: Sequence[Source]) -> tuple[list[float], list[float]]:
    """Spend the trainer's budget and leave the averaged weights in the model; seconds and CPU seconds of every step."""
    s = trainer.settings
    loader = BatchLoader(sources, s.batch_size, s.seed, hw=s.hw, threads=s.loader_threads)
    seconds, cpu_seconds = [], []
    try:
        while trainer.spent() < 1:
            began, before = time.perf_counter(), time.process_time()
            total, _ = trainer.step(next(loader))
            total.item()  # waits for a GPU
            seconds.append(time.perf_counter() - began)
            cpu_seconds.append(time.process_time() - before)
            trainer.elapsed_s += seconds[-1]
    finally:
        loader.close()
    trainer.ema.swap()
    return seconds, cpu_seconds


def _scores(model: SceneModel, held_out: CachedDataset, batch_size: int) -> dict[str, Any]:
    found = evaluate_scene(model, held_out, batch_size)
    return {"n": found["n"], "iou": found["iou"], **{name: found[name] for name in SCORES}}


def in_own_process(function: Callable[..., Any], *args: Any) -> Any:
    """``function(*args)`` in a fresh process, whose peak memory is its own; ModelError if it is killed there."""
    with ProcessPoolExecutor(1, mp_context=_starter(function.__module__)) as pool:
        try:
            return pool.submit(function, *args).result()
        except BrokenProcessPool as error:
            raise ModelError(
                "A run was killed, most likely for memory; start the same command again with less else running, "
                "or with a smaller --size or --batch-size."
            ) from error


def _starter(module: str) -> multiprocessing.context.BaseContext:
    """Processes forked off one that has only imported the first call's module, because loading torch takes seconds;
    spawned where none can be forked."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    return context


def kept(path: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` returned at the first call for ``path``, kept there as JSON."""
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    found = work()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
    return found


def run_all(
    terms: Terms,
    trials: Sequence[Trial],
    out: Path,
    say: Say,
    own: Callable[..., Any] = in_own_process,
) -> list[dict[str, Any]]:
    """Every trial's result in order; those found in ``out`` are not run again.

    OutputError when ``out`` holds results of other terms. ``own`` calls a function somewhere, as `in_own_process`.
    """
    check_terms(out, terms)
    results = []
    for k, trial in enumerate(trials):
        path = out / "runs" / f"{slug(trial.data)}-{slug(trial.name)}-{trial.seed}.json"
        known = path.is_file()
        found = kept(path, partial(own, run_trial, terms, trial))
        results.append(found)
        scores = ", ".join(f"{title} mIoU {number(s['miou'])}" for title, s in found["scores"].items())
        say(
            f"{k + 1}/{len(trials)} {trial.data}, {trial.name}, seed {trial.seed}: {scores}; {found['steps']} steps, "
            f"{found['minutes']:.1f} min{' (kept)' if known else ''}"
        )
    return results


def check_terms(out: Path, terms: Terms) -> None:
    """Mark ``out`` with the terms of its runs; OutputError when it is marked otherwise."""
    marker = out / "terms.json"
    text = json.dumps(asdict(terms), indent=1, sort_keys=True)
    if not marker.is_file():
        out.mkdir(parents=True, exist_ok=True)
        marker.write_text(text, encoding="utf-8")
    elif marker.read_text(encoding="utf-8") != text:
        raise OutputError(f"{out}: holds runs with other settings; give another folder or the same settings.")


def slug(text: str) -> str:
    """``text`` as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def mean_and_spread(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and sample deviation over seeds; None without a value, and no deviation of one."""
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    return statistics.mean(known), statistics.stdev(known) if len(known) > 1 else None


def number(value: float | None) -> str:
    """Three digits, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def spread(values: Sequence[float | None]) -> str:
    """Mean ± deviation over seeds as a table's cell."""
    mean, deviation = mean_and_spread(values)
    return number(mean) if deviation is None else f"{mean:.3f} ± {deviation:.3f}"
