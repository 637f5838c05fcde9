"""`describer bench robustness`: what a scene model loses under the 15 common corruptions, on held-out frames."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from describer.caches import HELD_OUT_SEED, real_caches, rendered_cache
from describer.eval.reports import DISCLAIMER, charts
from describer.eval.reports.plain import aligned, section
from describer.seg.corruptions import CORRUPTIONS, SEVERITIES, corrupt, move_labels
from describer.seg.data import CachedDataset, Sample
from describer.seg.model import SceneModel
from describer.seg.scoring import evaluate_scene
from describer.seg.vocabulary import Vocabulary

METRICS: Mapping[str, str] = {
    "miou": "mIoU",
    "instrument_iou": "instrument IoU",
    "activity_accuracy": "activity accuracy",
}
RENDERED, REAL = "rendered, held out", "real, held out"
Scores = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Frames of one size that the model never learned from; see describer.seg.scoring.Samples."""

    folder: Path
    classes: int
    samples: tuple[Sample, ...]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]

    def spoilt(self, name: str, severity: int) -> HeldOut:
        """The frames under a corruption, seeded by their place; labels move with the pixels."""
        changed = tuple(
            replace(
                sample,
                image=corrupt(sample.image, name, severity, seed),
                labels=move_labels(sample.labels, name, severity, seed),
                depth=None,
            )
            for seed, sample in enumerate(self.samples)
        )
        return replace(self, samples=changed)


@dataclass(frozen=True, slots=True)
class SetScores:
    """METRICS of ``n`` frames as they are and under each corruption at severities 1 to 5; None is not measured.

    The activity is known of ``n_activity`` of them.
    """

    n: int
    n_activity: int
    clean: Scores
    spoilt: Mapping[str, tuple[Scores, ...]]

    def mean(self, metric: str, name: str | None = None) -> float | None:
        """The mean over the severities of a corruption, or over all corruptions (each weighs alike)."""
        rows = [row for key, rows in self.spoilt.items() if name in (None, key) for row in rows]
        values = [value for row in rows if (value := row[metric]) is not None]
        return float(np.mean(values)) if values else None

    def drop(self, metric: str, name: str | None = None) -> float | None:
        """What of the clean score is lost on the mean, as a share of it; None where there is none to lose."""
        clean, mean = self.clean[metric], self.mean(metric, name)
        return None if not clean or mean is None else 1 - mean / clean


def held_out_sets(cache: Path, frames: int, real: Path | None, words: Vocabulary) -> dict[str, HeldOut]:
    """``frames`` rendered held-out frames, and as many of the index's held-out real ones, evenly from each source.

    A source with fewer frames gives all it has. Caches are kept in ``cache``.
    """
    rendered = CachedDataset(rendered_cache(cache / f"rendered-{frames}", HELD_OUT_SEED, frames, words))
    sets = {RENDERED: HeldOut(rendered.folder, rendered.classes, tuple(rendered[i] for i in range(frames)))}
    if real is not None:
        folder = cache / "real-held-out"
        sources = [CachedDataset(path) for path in real_caches(folder, real, "held out", words).values()]
        each = math.ceil(frames / len(sources))
        picked = [source[i] for source in sources for i in _spread(len(source), each)]
        sets[REAL] = HeldOut(folder, sources[0].classes, tuple(picked))
    return sets


def _spread(n: int, wanted: int) -> list[int]:
    """At most ``wanted`` indices of ``n``, evenly apart."""
    return sorted({int(i) for i in np.linspace(0, n - 1, min(n, wanted))})


def robustness(
    model: SceneModel, sets: Mapping[str, HeldOut], progress: Callable[[int], object] | None = None
) -> dict[str, SetScores]:
    """Scores of every set, clean and corrupted; ``progress`` is called with the number of frames just scored."""
    told = progress or (lambda _: None)

    def scored(held_out: HeldOut) -> Scores:
        found = evaluate_scene(model, held_out)
        told(len(held_out))
        return {metric: found[metric] for metric in METRICS}

    return {
        title: SetScores(
            len(held_out),
            sum(sample.activity >= 0 for sample in held_out.samples),
            scored(held_out),
            {name: tuple(scored(held_out.spoilt(name, s)) for s in SEVERITIES) for name in CORRUPTIONS},
        )
        for title, held_out in sets.items()
    }


def _head() -> tuple[str, ...]:
    means = (cell for name in METRICS.values() for cell in (f"{name}, mean", "drop"))
    return "corruption", *(f"mIoU {s}" for s in SEVERITIES), *means


def _rows(scores: SetScores) -> list[tuple[str, ...]]:
    clean = [cell for metric in METRICS for cell in (_value(scores.clean[metric]), "")]
    rows = [("none", *("" for _ in SEVERITIES), *clean)]
    for name in (*CORRUPTIONS, None):
        each = ("" for _ in SEVERITIES) if name is None else (_value(row["miou"]) for row in scores.spoilt[name])
        means = [c for m in METRICS for c in (_value(scores.mean(m, name)), _percent(scores.drop(m, name)))]
        rows.append((name or f"mean of the {len(CORRUPTIONS)}", *each, *means))
    return rows


def _of(title: str, scores: SetScores) -> str:
    return f"{title} (n = {scores.n}, {scores.n_activity} with a known activity)"


def _value(number: float | None) -> str:
    return "-" if number is None else f"{number:.3f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def to_text(found: Mapping[str, SetScores]) -> str:
    """The table for a terminal: a block a set."""
    rows: list[tuple[str, ...]] = [_head()]
    for title, scores in found.items():
        rows.append((f"{_of(title, scores)}:", *("" for _ in _head()[1:])))
        rows += [(f"  {row[0]}", *row[1:]) for row in _rows(scores)]
    return "\n".join([*aligned(rows), *_NOTES, DISCLAIMER])


_NOTES = (
    "Corruptions of Hendrycks and Dietterich (arXiv 1903.12261) at severities 1 to 5; means are over severities.",
    "drop: the share of the clean score that is lost on the mean.",
)


def to_markdown(found: Mapping[str, SetScores], scene_model: str) -> str:
    """The same table with the model's name."""
    lines = ["# Robustness", "", f"**{DISCLAIMER}**", "", f"Scene model `{scene_model}`. {' '.join(_NOTES)}", ""]
    for title, scores in found.items():
        lines += section(_of(title, scores), _head(), _rows(scores))
    return "\n".join(lines)


def to_json(found: Mapping[str, SetScores], scene_model: str) -> dict[str, Any]:
    """Every score, mean and drop; null where there is none."""
    return {
        "disclaimer": DISCLAIMER,
        "scene_model": scene_model,
        "sets": {
            title: {
                "n": scores.n,
                "n_activity": scores.n_activity,
                "clean": scores.clean,
                "corruptions": {
                    name: {str(s): row for s, row in zip(SEVERITIES, rows)} for name, rows in scores.spoilt.items()
                },
                "mean": {metric: scores.mean(metric) for metric in METRICS},
                "drop": {
                    "all": {metric: scores.drop(metric) for metric in METRICS},
                    **{name: {metric: scores.drop(metric, name) for metric in METRICS} for name in CORRUPTIONS},
                },
            }
            for title, scores in found.items()
        },
    }


def plot(found: Mapping[str, SetScores]) -> str:
    """An SVG file's text: the share of the clean mIoU that is left, by corruption and severity."""
    columns = [np.array([_kept(scores, name) for name in CORRUPTIONS]) for scores in found.values()]
    groups = [(f"{title}, n = {scores.n}", [str(s) for s in SEVERITIES]) for title, scores in found.items()]
    title = "mIoU left under corruption, in percent of clean, by severity"
    return charts.standalone(charts.heat_map(title, CORRUPTIONS, groups, np.concatenate(columns, axis=1)))


def _kept(scores: SetScores, name: str) -> list[float]:
    """What is left of the clean mIoU at each severity, as a share of it."""
    clean, values = scores.clean["miou"], [row["miou"] for row in scores.spoilt[name]]
    return [math.nan if value is None or not clean else value / clean for value in values]


def write(found: Mapping[str, SetScores], scene_model: str, out: Path) -> None:
    """robustness.json, .md and .svg in ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "robustness.json").write_text(json.dumps(to_json(found, scene_model), indent=1) + "\n", encoding="utf-8")
    (out / "robustness.md").write_text(to_markdown(found, scene_model), encoding="utf-8")
    (out / "robustness.svg").write_text(plot(found), encoding="utf-8")
