"""The metrics by name. A metric is one file of this folder that ends in ``SPEC``, one line here, one test.

Looking a metric up imports its file alone; names are listed without importing any.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from describer.errors import InputError

# The file of each metric in this folder; the metric has the file's name.
METRICS: tuple[str, ...] = (
    "bleu",
    "rouge_l",
    "cider_d",
    "meteor",
    "chrf",
    "similarity",
    "segmentation",
    "endovis_iou",
    "boundary_f",
    "box_iou",
    "iou_legacy",
    "coco_map",
    "depth",
    "classification",
    "triplet_ap",
    "vqa",
    "yes_no",
    "counts",
    "calibration",
    "entities",
)

Inputs = tuple[tuple[str, str], ...]
"""Names of a metric's inputs, one value an item each, and their kinds (see ``hub_metric.FEATURES``)."""

CAPTIONS: Inputs = (("predictions", "text"), ("references", "texts"))
"""One text an item against any number of references."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a metric found on ``n`` items.

    ``corpus`` has one number a key over the whole set, ``items`` one number an item in input order for the
    keys that can be told of a single item, ``details`` whatever JSON can hold and a number cannot (tables,
    curves).
    """

    corpus: Mapping[str, float]
    n: int
    items: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, values in self.items.items():
            if len(values) != self.n:
                raise ValueError(f"{key} has {len(values)} values for {self.n} items")


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric: ``function`` takes its ``inputs`` by name and returns Scores with ``keys`` in ``corpus``.

    ``summary`` is one line for people, ``source`` the published definition, ``lower_is_better`` the keys
    of which less is better.
    """

    name: str
    inputs: Inputs
    function: Callable[..., Scores]
    keys: tuple[str, ...]
    summary: str
    source: str
    lower_is_better: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted(set(self.lower_is_better) - set(self.keys))
        if unknown or not self.keys or len(set(self.keys)) != len(self.keys):
            raise ValueError(f"metric {self.name}: keys {self.keys}, of which lower is better: {self.lower_is_better}")


def metric(name: str) -> MetricSpec:
    """The metric of that name; InputError when there is none."""
    if name not in METRICS:
        raise InputError(f"metric {name!r} is unknown; use one or more of {', '.join(METRICS)}.")
    spec = importlib.import_module(f"describer.eval.{name}").SPEC
    assert isinstance(spec, MetricSpec)
    return spec
