"""`describer bench ablation`: what every method of the scene model is worth, on one data, budget and set of seeds.

All runs start from the same backbone and train segmentation, activity and depth on rendered dissections like those of
MTLESD. A group varies one thing and leaves the rest as in the base: TESLA with vectors, no stem, four levels, equal
weights.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from describer.errors import InputError
from describer.eval.reports.plain import aligned, section
from describer.seg.balancing import BALANCERS
from describer.seg.config import SceneConfig
from describer.seg.predict import scene_model_folder
from describer.trials import (
    Say,
    Terms,
    Trial,
    check_plan,
    dissections,
    in_own_process,
    number,
    plain_start,
    run_all,
    spread,
)

HELD_OUT = "rendered, held out"
NOTES = (
    "Rendered dissections (procedure esd), seeds never trained on for the scores; mean ± sample deviation over seeds.",
    "trained: millions of parameters that move at first, and thousands of them in backbone and stem.",
)


@dataclass(frozen=True, slots=True)
class Variant:
    """How a run differs from the base; fields are those of Trial."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    stage: str = "adapter"
    balance: str = "equal"
    last_level: bool = False


_TESLA = {"adapter": "tesla", "adapter_vectors": True, "adapter_gate": False, "sma_width": 0}
BASE = Variant(_TESLA)


def _adapter(name: str, **fields: Any) -> Variant:
    return Variant({**_TESLA, "adapter": name, **fields})


GROUPS: Mapping[str, Mapping[str, Variant]] = {
    "adapter": {
        "backbone frozen": Variant({**_TESLA, "adapter": "none"}, stage="heads"),
        "LoRA": _adapter("lora"),
        "Vector-LoRA": _adapter("vector-lora"),
        "TESLA, plain": _adapter("tesla", adapter_vectors=False),
        "TESLA, vectors": BASE,
        "TESLA, gate": _adapter("tesla", adapter_vectors=False, adapter_gate=True),
        "TESLA, vectors and gate": _adapter("tesla", adapter_gate=True),
        "all weights": Variant({**_TESLA, "adapter": "none"}, stage="full"),
    },
    "stem": {
        "no SMA": BASE,
        **{f"SMA of width {width}": Variant({**_TESLA, "sma_width": width}) for width in (8, 32, 128)},
    },
    "levels": {"last level only": Variant(_TESLA, last_level=True), "four levels": BASE},
    "balance": {name: BASE if name == "equal" else Variant(_TESLA, balance=name) for name in BALANCERS},
}


@dataclass(frozen=True, slots=True)
class Options:
    """What `describer bench ablation` was asked for; see its flags."""

    seeds: int = 3
    steps: int | None = None
    minutes: float | None = None
    hw: tuple[int, int] = (112, 140)
    frames: int = 1000
    held_out: int = 200
    batch_size: int = 8
    decoder_width: int | None = None
    start: str = "embedded"
    backbone: str | None = None
    only: tuple[str, ...] = ()
    device: str = "cpu"


def ablation(out: Path, options: Options, say: Say, own: Callable[..., Any] = in_own_process) -> list[dict[str, Any]]:
    """Run what is not in ``out`` yet, write ablation.csv and ablation.md there, and return a dict a run.

    InputError for an unknown group. The files are written after every seed, so that a table is there early.
    """
    unknown = sorted(set(options.only) - set(GROUPS))
    if unknown:
        raise InputError(f"--only {unknown[0]}: no such group; choose of {', '.join(GROUPS)}.")
    check_plan(options.hw, options.steps, options.minutes)
    say(f"rendering {options.frames} + {options.held_out} frames (kept in {out})")
    terms = _terms(out, options)
    results: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        results += run_all(terms, trials(options.only or tuple(GROUPS), seed), out, say, own)
        (out / "ablation.csv").write_text(to_csv(results), encoding="utf-8")
        (out / "ablation.md").write_text(to_markdown(results), encoding="utf-8")
    return results


def trials(groups: Sequence[str], seed: int) -> list[Trial]:
    """The runs of some groups; a variant that several groups share (the base) is one run."""
    found: list[tuple[str, Variant]] = []
    for group in groups:
        for label, variant in GROUPS[group].items():
            if all(variant != known for _, known in found):
                found.append((_name(variant, group, label), variant))
    return [
        Trial(name, seed, "rendered", v.stage, v.balance, fields=dict(v.fields), last_level=v.last_level)
        for name, v in found
    ]


def _name(variant: Variant, group: str, label: str) -> str:
    return "base" if variant == BASE else f"{group}, {label}"


def _terms(out: Path, options: Options) -> Terms:
    train, held, words = dissections(out, options.frames, options.held_out)
    like = SceneConfig.from_pretrained(scene_model_folder(options.start))
    return Terms(
        start=str(plain_start(out, options.start, options.backbone)),
        train={"rendered": {str(train): 1.0}},
        held_out={"rendered": {HELD_OUT: str(held)}},
        fields={
            **words,
            "adapter_rank": like.adapter_rank,
            "adapter_alpha": like.adapter_alpha,
            "decoder_width": options.decoder_width or like.decoder_width,
        },
        hw=options.hw,
        steps=options.steps,
        minutes=options.minutes,
        batch_size=options.batch_size,
        device=options.device,
    )


_HEAD = (
    *("variant", "mIoU", "mIoU - base", "activity accuracy", "depth AbsRel"),
    *("trained M", "below heads k", "CPU s a step", "steps", "n"),
)


def _rows(results: Sequence[Mapping[str, Any]], group: str) -> list[tuple[str, ...]]:
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        by_name.setdefault(result["name"], []).append(result)
    base = {run["seed"]: run["scores"][HELD_OUT]["miou"] for run in by_name.get("base", [])}
    rows = []
    for label, variant in GROUPS[group].items():
        runs = by_name.get(_name(variant, group, label), [])
        if not runs:
            continue
        scores = [run["scores"][HELD_OUT] for run in runs]
        cells = [spread([s[key] for s in scores]) for key in ("miou", "activity_accuracy", "depth_abs_rel")]
        gains = [run["scores"][HELD_OUT]["miou"] - base[run["seed"]] for run in runs if run["seed"] in base]
        trained = (f"{runs[0]['trained'] / 1e6:.2f}", f"{runs[0]['trained_below_heads'] / 1e3:.1f}")
        took = number(sum(run["cpu_seconds_a_step"] for run in runs) / len(runs))
        steps = f"{sum(run['steps'] for run in runs) / len(runs):.0f}"
        rows.append(
            (label, cells[0], spread(gains), *cells[1:], *trained, took, steps, f"{scores[0]['n']}, {len(runs)} seeds")
        )
    return rows


def _groups_of(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Groups of which anything but the base was run."""
    return [g for g in GROUPS if len(_rows(results, g)) > 1]


def to_text(results: Sequence[Mapping[str, Any]]) -> str:
    """The tables for a terminal."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for group in _groups_of(results):
        rows.append((f"{group}:", *("" for _ in _HEAD[1:])))
        rows += [(f"  {row[0]}", *row[1:]) for row in _rows(results, group)]
    return "\n".join([*aligned(rows), *NOTES])


def to_markdown(results: Sequence[Mapping[str, Any]]) -> str:
    """The same as a file, a table a group."""
    lines = ["# Ablation of the scene model", "", *NOTES, ""]
    for group in _groups_of(results):
        lines += section(group, _HEAD, _rows(results, group))
    return "\n".join(lines)


def to_csv(results: Sequence[Mapping[str, Any]]) -> str:
    """A row a run."""
    file = io.StringIO()
    told = ["name", "seed", "stage", "balance", "steps", "images", "minutes", "seconds_a_step"]
    told += ["cpu_seconds_a_step", "trained", "trained_below_heads", "training_peak_gib"]
    scored = ("n", "miou", "instrument_iou", "activity_accuracy", "depth_abs_rel")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*told, *scored])
    for run in results:
        scores = run["scores"][HELD_OUT]
        writer.writerow([*(run[key] for key in told), *(scores[key] for key in scored)])
    return file.getvalue()
