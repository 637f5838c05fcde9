"""`describer bench prompts`: what each part of a prompt is worth, on held-out rendered frames, beside the controls.

Every text is held against the sentence that is true of the scene it was given. Controls take something away that the
answer should rest on: the pictures (black, or another frame's), the facts, or both. What is still right then is habit
or copied from the facts, so a control near the model says that this score does not show seeing.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from describer.errors import InputError, OutputError
from describer.eval import metric
from describer.eval.intervals import PairedTest, paired_test
from describer.eval.told import agreement, contacts_told, places_told, said_right
from describer.eval.truth import appearance_scores, entity_f1, run_summary
from describer.instructions import Told, told_frames
from describer.pipeline import Describer
from describer.prompts.build import PromptOptions, template_hashes
from describer.prompts.sentences import region_sentence, scene_sentence
from describer.records import to_line
from describer.scores import HELD_OUT_VLM_SEED
from describer.types import Annotation, Frame

Say = Callable[[str], None]

PROMPTS = ("none", "facts", "overlay", "crop", "facts,overlay", "facts,crop", "facts,overlay,crop")
PICTURES = ("own", "black", "another frame's")
_CHUNK = 8

COLUMNS = {
    "entity_f1": "entity F1",
    "hallucination": "halluc.",
    "omission": "omission",
    "contradiction": "contrad.",
    "places": "places",
    "places_right": "of said",
    "contacts": "contacts",
    "contacts_right": "of said",
    "colour": "colour",
    "cider_d": "CIDEr-D",
    "meteor": "METEOR",
    "exact": "exact",
}
"""What is printed, by key of a row's scores."""

# A control that says nothing hallucinates nothing, so of rates of faults no margin is taken.
_WITH_MARGIN = ("entity_f1", "places", "contacts", "colour", "cider_d", "meteor", "exact")


@dataclass(frozen=True, slots=True)
class Variant:
    """One row: which model, what it is sent, and which pictures; ``control`` rows are what a margin is taken over."""

    name: str
    adapted: bool
    prompt: PromptOptions
    pictures: str = "own"
    control: bool = False


@dataclass(frozen=True, slots=True)
class PromptBench:
    """What is compared; the fields are the flags of `describer bench prompts`.

    ``prompts`` are values of ``--prompt``, beside the prompt that the model was tuned with, which comes first and has
    the controls. ``predicted`` False gives the model the true scenes. ``guard`` is off, so that what the model says is
    scored and not what it was kept from saying.
    """

    scene_model: str = "embedded"
    vlm: str = "embedded"
    adapter: str | None = None
    prompts: tuple[str, ...] = PROMPTS
    frames: int = 200
    predicted: bool = True
    device: str = "auto"
    quantize: str | None = None
    guard: str = "off"

    def __post_init__(self) -> None:
        for text in self.prompts:
            PromptOptions.parse(text)
        if self.frames < 2:
            raise InputError(f"--frames must be at least 2, got {self.frames}: one frame has no other to be shown.")


def prompt_ablation(options: PromptBench, out: str | Path, say: Say | None = None) -> dict[str, Any]:
    """Every variant's scores, kept in ``out`` one by one: a killed bench goes on with the rows that are missing.

    The result is also in ``out`` as prompts.json, prompts.md and prompts.csv. OutputError when the folder holds a
    bench with other options or models.
    """
    tell = say or (lambda text: None)
    bench = _Bench(options, Path(out), tell)
    rows = [bench.row(variant) for variant in bench.variants]
    found = bench.settings | {"rows": rows, "margins": bench.margins()}
    (bench.folder / "prompts.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (bench.folder / "prompts.md").write_text(to_markdown(found), encoding="utf-8")
    with (bench.folder / "prompts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "n_texts", *COLUMNS])
        writer.writerows([row["name"], row["n_texts"], *(row["scores"][key] for key in COLUMNS)] for row in rows)
    return found


class _Bench:
    """The models, the frames (made when the first missing row needs them) and the rows that are done."""

    def __init__(self, options: PromptBench, out: Path, say: Say) -> None:
        self.options, self.folder, self.say = options, out, say
        self.describer = self._load(options.adapter)
        adapted = self.describer.vlm.adapter is not None
        self.tuned_with = self.describer.prompt
        self.variants = _variants(self.tuned_with, options.prompts, adapted)
        self._bare: Describer | None = None
        self._told: list[Told] | None = None
        self.settings = {
            "scene_model": self.describer.scene_model.name if options.predicted else "true scenes",
            "vlm": self.describer.vlm.name,
            "adapter": self.describer.vlm.adapter,
            "frames": options.frames,
            "first_seed": HELD_OUT_VLM_SEED,
            "tuned_with": self.tuned_with.to_dict(),
            "templates": template_hashes(),
            "generation": asdict(self.describer.generation),
            "guard": options.guard,
        }
        self._keep_to_settings()

    def _load(self, adapter: str | None) -> Describer:
        o = self.options
        return Describer(o.scene_model, o.vlm, adapter, o.device, quantize=o.quantize, guard=o.guard)

    def _keep_to_settings(self) -> None:
        marker = self.folder / "settings.json"
        text = json.dumps(self.settings, indent=1) + "\n"
        self.folder.mkdir(parents=True, exist_ok=True)
        if marker.is_file() and marker.read_text(encoding="utf-8") != text:
            raise OutputError(f"{self.folder} holds a bench of other models or options; choose another folder.")
        marker.write_text(text, encoding="utf-8")

    @property
    def told(self) -> list[Told]:
        if self._told is None:
            self.say(f"rendering {self.options.frames} held-out frames")
            folder = str(self.describer.scene_model.folder) if self.options.predicted else None
            self._told = list(told_frames(HELD_OUT_VLM_SEED, self.options.frames, folder))
        return self._told

    def row(self, variant: Variant) -> dict[str, Any]:
        """The variant's scores, from its file where it was done before."""
        kept = self._file(variant)
        if kept.is_file():
            return json.loads(kept.read_text(encoding="utf-8"))["row"]
        began = time.perf_counter()
        records = self._records(variant)
        row, items = score(records, self.told, self.describer)
        row = {"name": variant.name, "control": variant.control, "prompt": variant.prompt.to_dict(), **row}
        row["pictures"], row["seconds"] = variant.pictures, round(time.perf_counter() - began, 1)
        kept.parent.mkdir(exist_ok=True)
        # The texts stay beside the numbers, so that anyone can look at what was counted.
        kept.with_suffix(".jsonl").write_text("".join(map(to_line, records)), encoding="utf-8")
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps({"row": row, "items": items}) + "\n", encoding="utf-8")
        partial.replace(kept)
        self.say(f"{variant.name}: entity F1 {row['scores']['entity_f1']:.3f}, {row['seconds']:.0f} s")
        return row

    def _file(self, variant: Variant) -> Path:
        name = "".join(c if c.isalnum() else "-" for c in variant.name)
        return self.folder / "rows" / f"{name}.json"

    def _records(self, variant: Variant) -> list[Annotation]:
        describer = self.describer
        if not variant.adapted and describer.vlm.adapter is not None:
            self._bare = describer = self._bare or self._load("none")
        describer.prompt = variant.prompt
        shown = [_shown(self.told, i, variant.pictures) for i in range(len(self.told))]
        # The looks in the facts were found in the picture: those of a control are found in the control's.
        own = variant.pictures == "own"
        scenes = [told.scene if own else told.scene.unseen() for told in self.told]
        records: list[Annotation] = []
        for start in range(0, len(shown), _CHUNK):
            records += describer.annotate_frames(shown[start : start + _CHUNK], scenes[start : start + _CHUNK])
            if start // _CHUNK % 5 == 4:
                self.say(f"{variant.name}: {len(records)} of {len(shown)} frames")
        return records

    def margins(self) -> dict[str, Any]:
        """For every score: the best control, how far the model is above it, and how sure that is where texts tell."""
        rows = {variant.name: self.row(variant) for variant in self.variants}
        main = self.variants[0]
        controls = [variant for variant in self.variants if variant.control]
        found = {}
        for key in _WITH_MARGIN:
            scores = {variant.name: rows[variant.name]["scores"][key] for variant in (main, *controls)}
            best = max(controls, key=lambda variant: scores[variant.name])
            found[key] = {"over": best.name, "margin": round(scores[main.name] - scores[best.name], 4)}
            test = self._paired(main, best, key)
            if test is not None:
                found[key] |= {"low": test.difference.low, "high": test.difference.high, "p": test.p_value}
        return found

    def _paired(self, main: Variant, other: Variant, key: str) -> PairedTest | None:
        """By frame: every rendered frame is a scene of its own."""
        ours, theirs = (json.loads(self._file(v).read_text(encoding="utf-8"))["items"] for v in (main, other))
        if key not in ours or ours["frame"] != theirs["frame"]:
            return None
        return paired_test(ours[key], theirs[key], ours["frame"])


def _variants(tuned_with: PromptOptions, prompts: Sequence[str], adapted: bool) -> list[Variant]:
    name = "base + adapter" if adapted else "model"
    rows = [Variant(f"{name}, prompt as tuned", True, tuned_with)]
    if adapted:
        rows.append(Variant("base, same prompt", False, tuned_with))
    unfacted = tuned_with.without_facts()
    rows += [
        Variant("black image", True, tuned_with, "black", True),
        Variant("shuffled image", True, tuned_with, "another frame's", True),
        Variant("no facts", True, unfacted, "own", True),
        Variant("no facts, black image", True, unfacted, "black", True),
    ]
    return rows + [Variant(f"--prompt {text}", True, PromptOptions.parse(text)) for text in prompts]


def _shown(told: Sequence[Told], i: int, pictures: str) -> Frame:
    """The frame with the variant's pixels; the next frame's, since seeds follow no order of content."""
    frame = told[i].frame
    if pictures == "black":
        return replace(frame, image=np.zeros_like(frame.image))
    if pictures == "own":
        return frame
    return replace(frame, image=told[(i + 1) % len(told)].frame.image)


def score(
    records: Sequence[Annotation], told: Sequence[Told], describer: Describer
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """A variant's scores, and those that one text has alone, text by text with its frame."""
    taxonomy = describer.taxonomy
    said, true, frame, seen = [], [], [], []
    for index, (record, t) in enumerate(zip(records, told, strict=True)):
        for d in record.descriptions:
            looks = None if d.region_id is None else t.looks.get(d.region_id)
            said.append(d.text)
            frame.append(index)
            if d.region_id is None:
                true.append(scene_sentence(t.scene, t.rendered.view))
            else:
                true.append(region_sentence(t.scene, d.region_id, looks))
            if looks is not None:
                seen.append((d.text, looks))
    captions = {name: metric(name).function(said, true) for name in ("cider_d", "meteor")}
    truth = run_summary(records, taxonomy)
    colour = appearance_scores([text for text, _ in seen], [looks for _, looks in seen])["colour"]
    exact = [float(a == b) for a, b in zip(said, true)]
    scores = {
        "entity_f1": entity_f1(said, true, taxonomy).f1,
        **{name: truth[f"{name}_rate"] for name in ("hallucination", "omission", "contradiction")},
        "places": agreement(said, true, places_told, taxonomy).value,
        "places_right": said_right(said, true, places_told, taxonomy).value,
        "contacts": agreement(said, true, contacts_told, taxonomy).value,
        "contacts_right": said_right(said, true, contacts_told, taxonomy).value,
        "colour": colour.accuracy,
        **{name: found.corpus[name] for name, found in captions.items()},
        "exact": float(np.mean(exact)),
    }
    n = {
        "n_frames": len(records),
        "n_texts": len(said),
        "n_places": agreement(said, true, places_told, taxonomy).of,
        "n_contacts": agreement(said, true, contacts_told, taxonomy).of,
        "n_colour": colour.n,
    }
    # Only scores that are the mean over texts have an item each.
    items: dict[str, list[Any]] = {
        "frame": frame,
        "exact": exact,
        "cider_d": list(captions["cider_d"].items["cider_d"]),
    }
    return n | {"scores": {key: round(float(value), 4) for key, value in scores.items()}}, items


def to_text(found: Mapping[str, Any]) -> str:
    """The table for a terminal, and the margins over the best control."""
    table = _table(found)
    first = max(len(row[0]) for row in table)
    rows = [f"{row[0]:<{first}}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in table]
    return "\n".join([_about(found), "", *rows, "", *_margins(found)])


def to_markdown(found: Mapping[str, Any]) -> str:
    """The same as a Markdown table."""
    head, *rows = (f"| {' | '.join(row)} |" for row in _table(found))
    line = "|---" * (len(COLUMNS) + 1) + "|"
    return "\n".join([_about(found), "", head, line, *rows, "", *(f"- {text}" for text in _margins(found)), ""])


def _table(found: Mapping[str, Any]) -> list[list[str]]:
    rows = [["", *COLUMNS.values()]]
    rows += [[row["name"], *(f"{row['scores'][key]:.3f}" for key in COLUMNS)] for row in found["rows"]]
    margins = (found["margins"].get(key) for key in COLUMNS)
    return [*rows, ["margin over best control", *(f"{each['margin']:+.3f}" if each else "" for each in margins)]]


def _about(found: Mapping[str, Any]) -> str:
    row = found["rows"][0]
    adapter = f" + {found['adapter']}" if found["adapter"] else ""
    return (
        f"{found['vlm']}{adapter} on {row['n_frames']} held-out rendered frames (seeds from {found['first_seed']}), "
        f"scenes: {found['scene_model']}; {row['n_texts']} texts, {row['n_places']} place words, {row['n_contacts']} "
        f"contact words, {row['n_colour']} colours; guard {found['guard']}. All against the scene it was given."
    )


def _margins(found: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, margin in found["margins"].items():
        sure = ""
        if "p" in margin:
            sure = f" (95 % {margin['low']:+.3f} to {margin['high']:+.3f} by frame, p = {margin['p']:.3g})"
        lines.append(f"{COLUMNS[key]}: {margin['margin']:+.3f} over {margin['over']!r}{sure}")
    return lines
