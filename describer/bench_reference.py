"""`describer bench reference`: ours against the public reference design, on the same data, seeds and budget.

Both start from one backbone, train adapters, stem and heads on segmentation and activity by one trainer, and are scored
by one function. Every run and every measurement of speed is in a process of its own.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import Dinov2Config

from describer.caches import real_caches
from describer.devices import peak_memory_gib
from describer.eval.reports.plain import aligned, section
from describer.seg.config import SceneConfig
from describer.seg.data import CachedDataset
from describer.seg.model import SceneModel
from describer.seg.predict import scene_model_folder
from describer.seg.reference import ReferenceModel
from describer.seg.vocabulary import Vocabulary
from describer.trials import (
    Say,
    Terms,
    Trial,
    check_plan,
    dissections,
    in_own_process,
    kept,
    number,
    plain_start,
    run_all,
    slug,
    spread,
)

OURS, REFERENCE = "ours", "reference"
VIT_B = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "mlp_ratio": 4, "patch_size": 14}
NOTES = (
    "Same backbone, frames, seeds, budget of training, losses and scoring; mean ± sample deviation over seeds.",
    "Inference: forward of one input size, float32, a process each; its peak memory includes weights and libraries.",
)
_RENDERED = "rendered"
# As the reference's training script runs it: rank 4, scale 1, vectors, no gate.
_REFERENCE_FIELDS = {
    **{"adapter": "tesla", "adapter_rank": 4, "adapter_alpha": 4},
    **{"adapter_vectors": True, "adapter_gate": False},
}


@dataclass(frozen=True, slots=True)
class Options:
    """What `describer bench reference` was asked for; see its flags."""

    seeds: int = 3
    minutes: float | None = None
    steps: int | None = None
    hw: tuple[int, int] = (224, 224)
    frames: int = 2000
    held_out: int = 300
    batch_size: int = 8
    start: str = "embedded"
    backbone: str | None = None
    real: Path | None = None
    real_held_out: int | None = None
    device: str = "cpu"
    repeats: int = 10
    vit_b: bool = True


@dataclass(frozen=True, slots=True)
class SpeedCase:
    """One measurement of inference: a model around a backbone (Dinov2Config fields), random weights."""

    model: str
    backbone_name: str
    fields: Mapping[str, Any]
    batch: int
    hw: tuple[int, int]
    device: str
    repeats: int


def compare(out: Path, options: Options, say: Say, own: Callable[..., Any] = in_own_process) -> dict[str, Any]:
    """Run what is not in ``out`` yet; writes reference.json and reference.md there and returns what the former holds.

    "runs" are the trainings (see `trials.run_trial`), "inference" the measurements (see `inference_cost`).
    """
    check_plan(options.hw, options.steps, options.minutes)
    say(f"rendering {options.frames} + {options.held_out} frames (kept in {out})")
    terms, ours = _terms(out, options)
    pair: dict[str, dict[str, Any]] = {
        OURS: {"fields": ours},
        REFERENCE: {"fields": _REFERENCE_FIELDS, "reference": True},
    }
    trials = [
        Trial(name, seed, data, **how)
        for data in terms.train
        for seed in range(options.seeds)
        for name, how in pair.items()
    ]
    runs = run_all(terms, trials, out, say, own)
    inference = [kept(_place(out, case), partial(own, inference_cost, case)) for case in _cases(terms, ours, options)]
    found = {"runs": runs, "inference": inference}
    (out / "reference.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (out / "reference.md").write_text(to_markdown(found), encoding="utf-8")
    return found


def _place(out: Path, case: SpeedCase) -> Path:
    return out / "runs" / f"inference-{slug(case.backbone_name)}-{case.model}-{case.batch}.json"


def _terms(out: Path, options: Options) -> tuple[Terms, dict[str, Any]]:
    """What the runs share, and the fields that make ours ours: those of the scene model that ships."""
    train, held, words = dissections(out, options.frames, options.held_out)
    sources: dict[str, dict[str, float]] = {_RENDERED: {str(train): 1.0}}
    scored: dict[str, dict[str, str]] = {_RENDERED: {"rendered, held out": str(held)}}
    if options.real is not None:
        spoken = Vocabulary(tuple(words["class_names"]), tuple(words["activity_names"]))
        sources["real"], scored["real"] = _real(out, options.real, spoken, options.real_held_out)
    like = SceneConfig.from_pretrained(scene_model_folder(options.start))
    ours = {"adapter": "tesla"} | {
        name: getattr(like, name)
        for name in ("adapter_rank", "adapter_alpha", "adapter_vectors", "adapter_gate", "sma_width", "decoder_width")
    }
    terms = Terms(
        start=str(plain_start(out, options.start, options.backbone)),
        train=sources,
        held_out=scored,
        fields={**words, "depth": False},
        hw=options.hw,
        steps=options.steps,
        minutes=options.minutes,
        batch_size=options.batch_size,
        device=options.device,
    )
    return terms, ours


def _real(out: Path, index: Path, words: Vocabulary, most: int | None) -> tuple[dict[str, float], dict[str, str]]:
    """Training caches with shares by the root of their size, so that no source drowns the others; held-out caches of
    at most ``most`` frames a source."""
    train = real_caches(out / "real-train", index, "train", words)
    scored = {
        f"{name}, {split}": str(path)
        for split in ("held out", "evaluation only")
        for name, path in real_caches(out / f"real-{slug(split)}", index, split, words, most).items()
    }
    return {str(path): len(CachedDataset(path)) ** 0.5 for path in train.values()}, scored


def _cases(terms: Terms, ours: Mapping[str, Any], options: Options) -> list[SpeedCase]:
    start = Dinov2Config.from_pretrained(terms.start)
    backbones = {"the runs' backbone": {key: getattr(start, key) for key in VIT_B}}
    backbones |= {"ViT-B": VIT_B} if options.vit_b else {}
    return [
        SpeedCase(
            model,
            title,
            {**terms.fields, **(ours if model == OURS else _REFERENCE_FIELDS), "backbone": backbone},
            batch,
            options.hw,
            options.device,
            options.repeats,
        )
        for title, backbone in backbones.items()
        for batch in ((1, 8) if options.device.startswith("cuda") else (1,))
        for model in (OURS, REFERENCE)
    ]


def inference_cost(case: SpeedCase) -> dict[str, Any]:
    """Medians of ``repeats`` forwards after one to warm up, and the peak memory of this process."""
    torch.manual_seed(0)
    deep = case.fields["backbone"]["num_hidden_layers"]
    fields = {**case.fields, "input_hw": case.hw, "feature_layers": [deep * k // 4 for k in (1, 2, 3, 4)]}
    kind = SceneModel if case.model == OURS else ReferenceModel
    model = torch.nn.Module.to(kind(SceneConfig(**fields)), case.device).eval()
    pixels = torch.randn(case.batch, 3, *case.hw, device=case.device)
    wall, cpu = [], []
    with torch.inference_mode():
        for _ in range(case.repeats + 1):
            began, before = time.perf_counter(), time.process_time()
            model(pixels).logits.sum().item()  # waits for a GPU
            wall.append(time.perf_counter() - began)
            cpu.append(time.process_time() - before)
    return {
        "model": case.model,
        "backbone": case.backbone_name,
        "batch": case.batch,
        "frames_a_second": case.batch / statistics.median(wall[1:]),
        "cpu_seconds_a_frame": statistics.median(cpu[1:]) / case.batch,
        "peak_gib": peak_memory_gib(case.device),
        "parameters": sum(p.numel() for p in model.parameters()),
    }


_SCORE_HEAD = (
    *("data", "model", "mIoU", "instrument IoU", "activity accuracy"),
    *("steps", "images", "minutes", "CPU s a step", "train GiB", "n"),
)
_COSTS = {"steps": ".0f", "images": ".0f", "minutes": ".1f", "cpu_seconds_a_step": ".2f", "training_peak_gib": ".2f"}
_SPEED_HEAD = ("backbone", "batch", "model", "frames/s", "CPU s a frame", "peak GiB", "parameters M")


def _score_rows(runs: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    titles = dict.fromkeys((run["data"], title) for run in runs for title in run["scores"])
    for data, title in titles:
        both = {name: [r for r in runs if r["data"] == data and r["name"] == name] for name in (OURS, REFERENCE)}
        for name, found in both.items():
            scores = [run["scores"][title] for run in found]
            cells = [spread([s[key] for s in scores]) for key in ("miou", "instrument_iou", "activity_accuracy")]
            means = {key: statistics.mean(run[key] for run in found) for key in _COSTS}
            costs = (format(mean, _COSTS[key]) for key, mean in means.items())
            rows.append((title, name, *cells, *costs, f"{scores[0]['n']}, {len(found)} seeds"))
        gains = [_gains(both, title, key) for key in ("miou", "instrument_iou", "activity_accuracy")]
        rows.append((title, "ours - reference", *map(spread, gains), *("" for _ in _COSTS), ""))
    return rows


def _gains(both: Mapping[str, Sequence[Mapping[str, Any]]], title: str, key: str) -> list[float | None]:
    """Seed by seed, what ours has more."""
    pairs = zip(*([run["scores"][title][key] for run in both[name]] for name in (OURS, REFERENCE)), strict=True)
    return [None if a is None or b is None else a - b for a, b in pairs]


def _speed_rows(inference: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for ours, reference in zip(inference[::2], inference[1::2], strict=True):
        for case in (ours, reference):
            speed, memory = f"{case['frames_a_second']:.2f}", f"{case['peak_gib']:.2f}"
            size, cpu = f"{case['parameters'] / 1e6:.1f}", number(case["cpu_seconds_a_frame"])
            rows.append((case["backbone"], str(case["batch"]), case["model"], speed, cpu, memory, size))
        ratio = [
            ours[key] / reference[key] for key in ("frames_a_second", "cpu_seconds_a_frame", "peak_gib", "parameters")
        ]
        cells = (f"x {value:.2f}" for value in ratio)
        rows.append((ours["backbone"], str(ours["batch"]), "ours / reference", *cells))
    return rows


def to_text(found: Mapping[str, Any]) -> str:
    """Both tables for a terminal."""
    scores = aligned([_SCORE_HEAD, *_score_rows(found["runs"])])
    return "\n".join([*scores, "", *aligned([_SPEED_HEAD, *_speed_rows(found["inference"])]), "", *NOTES])


def to_markdown(found: Mapping[str, Any]) -> str:
    """The same as a file."""
    lines = ["# Ours against the public reference design", "", *NOTES, ""]
    lines += section("Held-out scores", _SCORE_HEAD, _score_rows(found["runs"]))
    lines += section("Inference", _SPEED_HEAD, _speed_rows(found["inference"]))
    return "\n".join(lines)
