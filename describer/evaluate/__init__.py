"""Scores a run against references: reads both files, pairs them by id, calls the metrics, makes one Report.

``evaluate("results", "truth.jsonl", split="held out")`` is what `describer evaluate` runs; see ``files`` for what
may be read and ``describer.eval.reports`` for the writers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from describer import __version__
from describer.errors import InputError
from describer.eval.intervals import paired_test
from describer.eval.reports.report import Comparison, ItemScores, Report, Skip, telling
from describer.evaluate.cases import Folders, make_cases
from describer.evaluate.files import Entry, Side, read_side
from describer.evaluate.findings import Findings
from describer.evaluate.matching import Matched, match, video_rule
from describer.evaluate.material import Material, make_material, on_shared_items
from describer.evaluate.scorers import available, chosen, score

__all__ = ["UNNAMED", "available", "evaluate"]

UNNAMED = "unnamed split"

_INTERVALS = (
    "Intervals (95 %) are over videos, never over frames: bootstrapped, or by a jackknife of up to 10 groups of videos "
    "where a number is of the whole set only. With one video there is none."
)


def evaluate(
    run: str | Path,
    references: str | Path,
    *,
    metrics: Sequence[str] | None = None,
    split: str = UNNAMED,
    baseline: str | Path | None = None,
    partial: bool = False,
    taxonomy: str | None = None,
    video_pattern: str | None = None,
    frames: str | Path | None = None,
) -> Report:
    """Score ``run`` against ``references``.

    ``metrics`` are names out of ``available()``, None takes all that the files allow but the slow ones.
    ``baseline`` is another run on the same references, tested against this one in pairs. ``partial`` scores the ids
    that both files have; otherwise differing ids are an error. ``taxonomy`` names the label set of both sides
    (default: that of the annotations). ``video_pattern`` is a regular expression that finds an id's video (default:
    its own field, its video file, or its folder). ``frames`` is a folder with the frames for the report's pictures.
    Raises InputError, RecordError or TaxonomyError, which name the file and the remedy.
    """
    if split.strip() == "":
        raise InputError("--split is empty; name the data, such as 'held out', or leave it out.")
    truth, video_of = read_side(references, of_run=False), video_rule(video_pattern)
    ours, _, matched = sides = _sides(run, truth, video_of, partial)
    material = make_material(*sides, taxonomy)
    names = chosen(metrics, material)
    found = [score(name, material) for name in names]
    items = tuple(chain.from_iterable(f.items for f in found))
    other = None if baseline is None else make_material(*_sides(baseline, truth, video_of, partial), taxonomy)
    compared = () if other is None else _compared(material, other, metrics, items)
    pairs = {pair.id: pair for pair in matched.pairs}
    cases, unseen = make_cases(items, pairs, Folders.of(ours, truth, None if frames is None else Path(frames)))
    return Report(
        run=str(run),
        references=str(references),
        split=split,
        version=__version__,
        matched=matched.by,
        n_videos=len({pair.video for pair in matched.pairs}),
        numbers=tuple(chain.from_iterable(f.numbers for f in found)),
        items=items,
        classes=tuple(chain.from_iterable(f.classes for f in found)),
        confusions=tuple(chain.from_iterable(f.confusions for f in found)),
        curves=tuple(chain.from_iterable(f.curves for f in found)),
        cases=cases,
        baseline=None if baseline is None else str(baseline),
        comparisons=compared,
        skips=(*material.skips, *_of_baseline(other), *unseen),
        rules=_rules(found, material),
    )


def _sides(run: str | Path, truth: Side, video_of: Callable[[Entry], str], partial: bool) -> tuple[Side, Side, Matched]:
    ours = read_side(run, of_run=True)
    return ours, truth, match(ours, truth, video_of, partial)


def _compared(
    run: Material, baseline: Material, metrics: Sequence[str] | None, items: tuple[ItemScores, ...]
) -> tuple[Comparison, ...]:
    """Both runs on the items that both have; ``items`` are the run's on all of its own."""
    ours, theirs = on_shared_items(run, baseline), on_shared_items(baseline, run)
    items = items if ours == run else _items(ours, chosen(metrics, ours))
    return _comparisons(telling(items), _items(theirs, chosen(metrics, theirs)))


def _items(material: Material, names: Sequence[str]) -> tuple[ItemScores, ...]:
    return tuple(chain.from_iterable(score(name, material).items for name in names))


def _rules(found: Sequence[Findings], material: Material) -> tuple[str, ...]:
    return (*material.rules, *dict.fromkeys(chain.from_iterable(f.rules for f in found)), _INTERVALS)


def _comparisons(run: Sequence[ItemScores], baseline: Sequence[ItemScores]) -> tuple[Comparison, ...]:
    """A paired test of every score that both runs have of shared items."""
    theirs = {(item.metric, item.key, item.about): item for item in baseline}
    found = []
    for item in run:
        other = theirs.get((item.metric, item.key, item.about))
        values = {} if other is None else dict(zip(other.ids, other.values))
        shared = [(value, values[name], video) for name, value, video in zip(item.ids, item.values, item.videos)
                  if name in values]  # fmt: skip
        if not shared:
            continue
        ours, others, videos = (list(column) for column in zip(*shared))
        test = paired_test(ours, others, videos)
        means = float(np.mean(ours)), float(np.mean(others))
        found.append(Comparison(item.metric, item.key, item.about, *means, test, item.lower_is_better))
    return tuple(found)


def _of_baseline(material: Material | None) -> tuple[Skip, ...]:
    skips = () if material is None else material.skips
    return tuple(Skip(f"baseline: {s.what}", s.count, s.effect, s.examples) for s in skips)
