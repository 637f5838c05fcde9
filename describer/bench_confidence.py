"""`describer bench confidence`: how often descriptions are right at a token probability, and what calibrating is worth.

On rendered frames with the masks that the scene model predicts. A description is right when

- nothing it says is refuted by the scene it was given (describer.claims.faults: no word without a region, no place,
  count, side or contact that the masks refute),
- and everything it names is truly in the frame: every label is one of the true scene's,
- and, about a region: the region truly is what it is called (it matches a rendered thing of its label),
- or, about the whole scene: every kind of instrument that is truly there is named.

Half of what makes a description wrong is the scene model's doing, which the language model's probability cannot know;
the curves say how much that is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from describer.bench_rows import KeptRows
from describer.claims import faults
from describer.confidence import KINDS, Calibration, fit_curve
from describer.errors import InputError
from describer.eval.calibration import calibration_scores
from describer.eval.truth import labels_of
from describer.instructions import Told, told_frames
from describer.pipeline import Describer, kind_of
from describer.seg.truth import true_scene

FIT_SEED = 980_000_000
HELD_OUT_SEED = 985_000_000
_CHUNK = 4
_FEWEST = 10

Row = Mapping[str, Any]


def measure_confidence(
    describer: Describer, frames: int, held_out: int, out: Path, progress: Callable[[int], object] | None = None
) -> tuple[Calibration, dict[str, Any]]:
    """Curves fitted on ``frames`` rendered frames, and their scores on ``held_out`` others: see `scores`.

    ``out`` keeps a row a frame: a killed bench goes on where it was. InputError when the language model tells no
    probabilities, or there are too few texts of a kind to fit.
    """
    made_with = {key: value for key, value in describer.settings().items() if key != "device"}
    # The raw probabilities are measured, whatever calibration the model has.
    made_with["generation"] = {k: v for k, v in made_with["generation"].items() if k != "confidence"}
    rows = KeptRows(out / "confidence.jsonl", made_with)
    done = {row["seed"] for row in rows.read()}
    told = progress or (lambda _: None)
    seeds = [*range(FIT_SEED, FIT_SEED + frames), *range(HELD_OUT_SEED, HELD_OUT_SEED + held_out)]
    told(sum(seed in done for seed in seeds))
    for chunk in _runs([seed for seed in seeds if seed not in done], _CHUNK):
        frames_told = list(told_frames(chunk[0], len(chunk), str(describer.scene_model.folder)))
        rows.append(_judged(describer, frames_told))
        told(len(chunk))
    kept = {row["seed"]: row["texts"] for row in rows.read()}
    fit = [text for seed in seeds[:frames] for text in kept[seed]]
    rest = [text for seed in seeds[frames:] for text in kept[seed]]
    calibration = calibrated(fit, f"{frames} rendered frames, seeds from {FIT_SEED:_}", made_with)
    return calibration, scores(calibration, rest)


def _runs(seeds: Sequence[int], size: int) -> Iterator[list[int]]:
    """The seeds in groups of neighbours, at most ``size`` in each."""
    group: list[int] = []
    for seed in seeds:
        if group and (seed != group[-1] + 1 or len(group) == size):
            yield group
            group = []
        group.append(seed)
    if group:
        yield group


def _judged(describer: Describer, told: Sequence[Told]) -> list[Row]:
    """A row a frame: [kind, token probability, whether it is right] of each text."""
    said = describer.said_of([t.frame for t in told], [t.scene for t in told], describer.guard)
    rows: list[Row] = []
    for t, of_frame in zip(told, said):
        texts = []
        for region_id, one in of_frame:
            sure = one.generated.confidence
            if sure is None:
                raise InputError("this language model tells no token probabilities; there is nothing to calibrate.")
            right = is_right(one.generated.text, t, region_id, describer)
            texts.append([kind_of(t.scene, region_id), sure, right])
        rows.append({"seed": t.frame.ref.index, "texts": texts})
    return rows


def is_right(text: str, told: Told, region_id: int | None, describer: Describer) -> bool:
    """Whether a description is right, in the sense of this module."""
    taxonomy = describer.taxonomy
    if faults(text, told.scene, taxonomy, region_id):
        return False
    truth, _ = true_scene(told.rendered, taxonomy)
    named, there = labels_of(text, taxonomy), {region.label for region in truth.regions}
    if not named <= there:
        return False
    if region_id is not None:
        return region_id in told.looks
    return {region.label for region in truth.regions if region.kind == "instrument"} <= named


def calibrated(texts: Sequence[Sequence[Any]], split: str, made_with: Mapping[str, Any]) -> Calibration:
    """Curves of [kind, probability, right] texts; InputError for a kind with fewer than 10 of them."""
    curves = {}
    for kind in KINDS:
        own = [text for text in texts if text[0] == kind]
        if len(own) < _FEWEST:
            raise InputError(f"only {len(own)} texts about {kind}s to calibrate with; give more --frames.")
        curves[kind] = fit_curve([sure for _, sure, _ in own], [right for _, _, right in own])
    names = ("scene_model", "vlm", "adapter")
    kept = {name: made_with[name] for name in names if name in made_with}
    return Calibration(curves, split, {**kept, "guard": made_with.get("generation", {}).get("guard")})


def scores(calibration: Calibration, texts: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """By kind and over all: n, share right, and ECE, Brier score and AUROC of raw and calibrated confidences."""
    out: dict[str, Any] = {}
    for kind in (*KINDS, "all"):
        own = [text for text in texts if kind in (text[0], "all")]
        if not own:
            continue
        right = [bool(good) for _, _, good in own]
        raw = [float(sure) for _, sure, _ in own]
        sure = [float(calibration(name, value) or 0.0) for name, value, _ in own]
        found = {"raw": _score(raw, right), "calibrated": _score(sure, right)}
        out[kind] = {"n": len(own), "right": round(float(np.mean(right)), 4), **found}
    return out


def _score(sure: Sequence[float], right: Sequence[bool]) -> dict[str, float | None]:
    """``auroc`` is None where all texts are right, or none."""
    found = calibration_scores(sure, right)
    brier = float(np.mean((np.asarray(sure) - np.asarray(right)) ** 2))
    auroc = None if math.isnan(found.auroc) else round(found.auroc, 4)
    return {"ece": round(found.ece, 4), "brier": round(brier, 4), "auroc": auroc}


def to_text(found: Mapping[str, Any]) -> str:
    """The scores as a table for people."""
    lines = [f"{'texts':<12}{'n':>7}{'right':>8}   {'ECE':<18}{'Brier':<18}{'AUROC'}"]
    for kind, of in found.items():
        raw, new = of["raw"], of["calibrated"]
        pairs = [f"{_shown(raw[key])} -> {_shown(new[key])}" for key in ("ece", "brier", "auroc")]
        lines.append(
            f"{kind:<12}{of['n']:>7}{of['right']:>8.3f}   " + "".join(f"{pair:<18}" for pair in pairs).rstrip()
        )
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
