"""`describer bench lora`: what a LoRA adapter gives a base that has never seen an annotator's way of writing.

The chart of a ward is rendered: frames with terse notes of their true scenes ("Grasper; lower left; tip center; on:
liver.") in place of sentences, in eight videos. `data build` and `train vlm` do the rest, as users run them, and the
base and the base with its adapter answer the same chats of the held-out videos.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from describer.errors import InputError, OutputError
from describer.eval.reports.plain import aligned
from describer.geometry import size_word
from describer.instruction_data import DataBuild, build_data
from describer.prompts.facts import activity_of, contacts_of, listed, targets_of, tip_place
from describer.prompts.grounding import ground
from describer.records import to_line
from describer.seg.synth import render
from describer.synthesis import kept_frame, parallel
from describer.taxonomy import load_taxonomy
from describer.types import Annotation, Region, Scene
from describer.vlm_training import RECIPE, VlmTraining, train_adapter

FRAME_WH = (640, 512)
WARDS = 8
HELD_OUT_SHARE = 0.25
_FIRST_SEED = 990_000_000
_HEAD = ("", "entity F1", "hallucination", "CIDEr-D")


@dataclass(frozen=True, slots=True)
class LoraBench:
    """``frames`` over all wards, ``minutes`` of training, ``held_out`` chats to score on, the base ``vlm``."""

    frames: int = 640
    minutes: float = 30.0
    held_out: int = 200
    vlm: str = "embedded"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.frames < WARDS:
            raise InputError(f"--frames {self.frames} is too few; give at least {WARDS}, one for each video.")


def lora_bench(bench: LoraBench, out: Path, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Scores of the base and of the base with its adapter on the same held-out chats, from the adapter's recipe.

    Killed and called again, it goes on where it was. OutputError when ``out`` holds a bench of other options.
    """
    sources = [str(_ward(out, k, bench.frames // WARDS)) for k in range(WARDS)]
    say(f"{WARDS} videos of {bench.frames // WARDS} frames with their notes")
    data = DataBuild(
        tuple(sources), predicted_share=0.0, val_share=HELD_OUT_SHARE, questions=0, images="jpeg", device=bench.device
    )
    build_data(data, out / "chats", say)
    plan = VlmTraining(
        str(out / "chats"),
        bench.vlm,
        minutes=bench.minutes,
        lr=8e-4,
        eval_frames=bench.held_out,
        eval_minutes=bench.minutes,
        device=bench.device,
    )
    adapter = train_adapter(plan, out / "adapter", say)
    recipe = json.loads((adapter / RECIPE).read_text(encoding="utf-8"))
    told = {name: recipe[name] for name in ("base", "data", "run", "scores")}
    (out / "lora.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return told


def to_text(found: dict[str, Any]) -> str:
    """The table for a terminal."""
    scores, run = found["scores"], found["run"]
    rows: list[tuple[str, ...]] = [_HEAD]
    for name in ("base", "base + adapter"):
        row = scores[name]
        rows.append((name, *(f"{row[key]:.3f}" for key in ("entity_f1", "hallucination", "cider_d"))))
    lines = aligned(rows)
    lines.append(
        f"{found['base']}, n = {scores['n']} held-out chats of other videos; "
        f"adapter of {found['data']['train']} chats, {run['samples']} samples in {run['seconds'] / 60:.0f} minutes."
    )
    return "\n".join(lines)


def _ward(out: Path, ward: int, frames: int) -> Path:
    """The folder of one video: pictures and annotations.jsonl, which is written last."""
    folder = out / "wards" / f"{ward}"
    records = folder / "annotations.jsonl"
    if records.is_file():
        if (count := len(records.read_text(encoding="utf-8").splitlines())) != frames:
            raise OutputError(f"{folder} holds {count} frames and {frames} are wanted; choose another folder.")
        return folder
    # Folders of one name would be taken for one video.
    (folder / f"ward{ward}").mkdir(parents=True, exist_ok=True)
    jobs = [(folder, f"ward{ward}", i, _FIRST_SEED + ward * 100_000 + i) for i in range(frames)]
    lines = list(parallel(_noted_frame, jobs, os.cpu_count() or 1))
    records.write_text("".join(lines), encoding="utf-8")
    return folder


def _noted_frame(job: tuple[Path, str, int, int]) -> str:
    """Render a frame, keep its picture, give its record with notes."""
    folder, name, index, seed = job
    record, _ = kept_frame(folder, f"{name}/{index:06d}.jpg", index, render(seed, "mixed", FRAME_WH))
    return to_line(noted(record))


def noted(record: Annotation) -> Annotation:
    """The record with terse notes in place of its sentences: one a region, then the whole."""
    scene, taxonomy = record.scene, load_taxonomy("core")
    notes = [ground(region_note(scene, region), scene, taxonomy, region.id, 1.0) for region in scene.regions]
    made = replace(record.provenance, scene_model="ward notes", vlm="ward notes")
    return replace(
        record, descriptions=(*notes, ground(scene_note(scene), scene, taxonomy, None, 1.0)), provenance=made
    )


def region_note(scene: Scene, region: Region) -> str:
    """ "Grasper; lower left; tip center; on: liver; at: fat." or "Liver; upper left; large; at: grasper, fat." """
    parts = [region.label.capitalize(), region.place]
    acted_on = targets_of(scene, region)
    if region.kind == "instrument":
        parts.append(f"tip {tip_place(region)}")
        parts += [f"on: {_names(acted_on)}"] if acted_on else []
        beside = tuple(other for other in contacts_of(scene, region) if other not in acted_on)
    else:
        parts.append(size_word(region.area_fraction))
        beside = contacts_of(scene, region)
    parts += [f"at: {_names(beside)}"] if beside else []
    return "; ".join(parts) + "."


def scene_note(scene: Scene) -> str:
    """ "Step: dissection. Tools: hook, grasper. Tissue: liver, fat." """
    seen = listed(scene)
    tools = [region for region in seen if region.kind == "instrument"]
    tissue = [region for region in seen if region.kind != "instrument"]
    return f"Step: {activity_of(scene)}. Tools: {_names(tools) or '-'}. Tissue: {_names(tissue) or '-'}."


def _names(regions: Sequence[Region]) -> str:
    return ", ".join(dict.fromkeys(region.label for region in regions))
