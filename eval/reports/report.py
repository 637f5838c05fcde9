"""What an evaluation found, as one frozen value that every writer of reports reads and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from describer.eval.intervals import Interval, PairedTest

DISCLAIMER = "For research and annotation, not for clinical decisions."


def _name(metric: str, key: str) -> str:
    """The key with its metric in front, unless the key says it already ("cider_d", "vqa exact")."""
    return key if key.startswith(metric) else f"{metric} {key}"


@dataclass(frozen=True, slots=True)
class Number:
    """``key`` of ``metric`` on ``about`` ("summaries", "pixels" ...); the interval's n counts ``of`` ("frames" ...).

    An interval without ends (NaN) has one video only, or a metric that is not told of single items.
    """

    metric: str
    key: str
    about: str
    interval: Interval
    of: str
    lower_is_better: bool = False

    @property
    def name(self) -> str:
        return _name(self.metric, self.key)


@dataclass(frozen=True, slots=True)
class ItemScores:
    """One value an item; ``ids``, ``videos`` and ``values`` go together."""

    metric: str
    key: str
    about: str
    ids: tuple[str, ...]
    videos: tuple[str, ...]
    values: tuple[float, ...]
    lower_is_better: bool = False

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.videos) == len(self.values):
            raise ValueError(f"{self.key}: {len(self.ids)} ids, {len(self.videos)} videos, {len(self.values)} values")

    @property
    def name(self) -> str:
        return _name(self.metric, self.key)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """IoU and Dice of one label, pooled over the ``n_frames`` frames whose truth has it."""

    label: str
    iou: float
    dice: float
    n_frames: int


@dataclass(frozen=True, slots=True)
class ConfusionTable:
    """``counts[i][j]`` of ``of`` ("pixels", "frames") that are ``labels[i]`` in truth and ``labels[j]`` in the run."""

    title: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    of: str


@dataclass(frozen=True, slots=True)
class Curve:
    """Risk against coverage over ``n`` of ``of``; ``right`` says when one counts as right."""

    title: str
    right: str
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    n: int
    of: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Item values of the run and of the baseline on the same items, tested in pairs by video."""

    metric: str
    key: str
    about: str
    run: float
    baseline: float
    test: PairedTest
    lower_is_better: bool = False

    @property
    def name(self) -> str:
        return _name(self.metric, self.key)


@dataclass(frozen=True, slots=True)
class Skip:
    """``count`` things that were left out or scored as nothing, what that means, and the first few of them."""

    what: str
    count: int
    effect: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CasePicture:
    """A JPEG of one case: ``title`` says whose regions it shows."""

    title: str
    jpeg: bytes
    size_wh: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Case:
    """One item with its scores, what was said, what is true, and its pictures where the frame was found."""

    id: str
    scores: Mapping[str, float]
    said: tuple[str, ...]
    true: tuple[str, ...]
    question: str | None = None
    pictures: tuple[CasePicture, ...] = ()


@dataclass(frozen=True, slots=True)
class Cases:
    """The items at both ends of ``ranked_by``, worst first in ``worst``, best first in ``best``."""

    ranked_by: str
    worst: tuple[Case, ...]
    best: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All of one evaluation: where it came from, every number with its n, and what was not scored.

    ``split`` is the user's name of the data, printed with every number. ``matched`` counts the items by how their
    ids were matched, ``rules`` say in sentences how the numbers were taken.
    """

    run: str
    references: str
    split: str
    version: str
    matched: Mapping[str, int]
    n_videos: int
    numbers: tuple[Number, ...]
    items: tuple[ItemScores, ...] = ()
    classes: tuple[ClassScore, ...] = ()
    confusions: tuple[ConfusionTable, ...] = ()
    curves: tuple[Curve, ...] = ()
    cases: Cases | None = None
    baseline: str | None = None
    comparisons: tuple[Comparison, ...] = ()
    skips: tuple[Skip, ...] = ()
    rules: tuple[str, ...] = ()

    @property
    def n_items(self) -> int:
        return sum(self.matched.values())


# One or two of each subject say most; the rest of the numbers stand in the tables.
_HEADLINES = (
    ("segmentation", "miou"),
    ("coco_map", "ap50"),
    ("vqa", "normalised"),
    ("vqa", "right"),
    ("vqa", "balanced"),
    ("margin", "over the best control"),
    ("risk", "at 80% coverage"),
    ("truth", "hallucination"),
    ("truth", "omission"),
    ("entities", "f1"),
    ("cider_d", "cider_d"),
    ("meteor", "meteor"),
    ("bleu", "bleu_4"),
    ("classification", "accuracy"),
    ("counts", "mae"),
)
_MOST_HEADLINES = 6


def headlines(report: Report) -> tuple[Number, ...]:
    """The up to six numbers to read first, the first subject of each."""
    found = []
    for metric, key in _HEADLINES:
        found += [number for number in report.numbers if (number.metric, number.key) == (metric, key)][:1]
    return tuple((found or list(report.numbers))[:_MOST_HEADLINES])


def telling(items: Sequence[ItemScores]) -> tuple[ItemScores, ...]:
    """One set of item values a metric and subject: that of its headline, or else its first."""
    keys = set(_HEADLINES)
    chosen: dict[tuple[str, str], ItemScores] = {}
    for item in items:
        before = chosen.get((item.metric, item.about))
        if before is None or ((item.metric, item.key) in keys and (before.metric, before.key) not in keys):
            chosen[item.metric, item.about] = item
    return tuple(chosen.values())


def distributions(report: Report) -> tuple[ItemScores, ...]:
    """The item values whose spread says more than their mean: not those that are all 0 or 1."""
    return tuple(item for item in telling(report.items) if not {0.0, 1.0}.issuperset(item.values))


def drawn_confusions(report: Report) -> tuple[ConfusionTable, ...]:
    """The tables with at least two labels on either side: one alone shows nothing."""
    return tuple(table for table in report.confusions if len(met_labels(table)) > 1)


def met_labels(table: ConfusionTable) -> list[int]:
    """Indices of the labels that the truth or the run has at all."""
    rows, columns = [sum(row) for row in table.counts], [sum(column) for column in zip(*table.counts)]
    return [i for i in range(len(table.labels)) if rows[i] or columns[i]]
