"""What lies in a dataset's folder, what is missing from it, and how to mend that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from describer.errors import InputError
from describer.seg.datasets.catalogue import find
from describer.seg.datasets.dataset import Item, Problem
from describer.seg.datasets.files import code_text
from describer.seg.datasets.mapping import OPEN_CODES, of_size
from describer.seg.datasets.reading import problem_of
from describer.seg.datasets.splits import assign
from describer.taxonomy import Taxonomy, load_taxonomy

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Code:
    """One value of the masks: what it stands for (None: nobody knows), its share of the pixels, frames with it."""

    code: str
    name: str | None
    share: float
    frames: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of problem: how often, where for example, and how to mend it."""

    what: str
    count: int
    examples: tuple[str, ...]
    mend: str


@dataclass(frozen=True, slots=True)
class Report:
    """What `check` found. ``splits`` counts frames by split and group; ``examined`` of them were opened."""

    root: str
    dataset: str
    title: str
    licence: str | None
    taxonomy: str
    grouping: str
    notes: str
    splits: dict[str, dict[str, int]]
    every: int
    examined: int
    unusable: int
    codes: tuple[Code, ...]
    activities: dict[str, int]
    phases: dict[str, int]
    instruments: dict[str, int]
    with_depth: int
    faults: tuple[Fault, ...]

    @property
    def frames(self) -> int:
        return sum(sum(groups.values()) for groups in self.splits.values())

    @property
    def unknown(self) -> tuple[Code, ...]:
        return tuple(code for code in self.codes if code.name is None)

    @property
    def usable(self) -> bool:
        """Whether a training can read it: there are frames to use, and every mask value has a name."""
        return self.examined > self.unusable and not self.unknown

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "frames": self.frames, "usable": self.usable}


@dataclass(slots=True)
class _Seen:
    """Running counts over the frames that were opened."""

    pixels: Counter[int] = field(default_factory=Counter)
    frames: Counter[int] = field(default_factory=Counter)
    activities: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    instruments: Counter[str] = field(default_factory=Counter)
    with_depth: int = 0
    examined: int = 0
    unusable: int = 0
    partial: bool = False

    def add(self, item: Item) -> None:
        """Open everything that the item has; InputError when something cannot be."""
        image = item.image()
        height, width = image.shape[:2]
        values, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
        if item.codes is not None:
            values, counts = np.unique(of_size(item.codes(), (height, width), item.name, "mask"), return_counts=True)
        if item.depth is not None:
            of_size(item.depth(), (height, width), item.name, "depth map")
        tools = () if item.tools is None else item.tools((width, height)) or ()
        for value, count in zip(values.tolist(), counts.tolist()):
            self.pixels[value] += count
            self.frames[value] += 1
        self.activities.update([item.activity] if item.activity else [])
        self.phases.update([item.phase] if item.phase else [])
        self.instruments.update(tool.instrument or "unknown" for tool in tools)
        self.with_depth += item.depth is not None
        self.partial |= item.annotated is not None


def check(
    root: str | Path,
    name: str | None = None,
    taxonomy: str | None = None,
    every: int = 1,
    progress: Callable[[int], object] | None = None,
) -> Report:
    """Look through a dataset: all names, and every ``every``-th frame opened.

    ``name`` and ``taxonomy`` as for `read_dataset`. InputError when the folder is no dataset that is known.
    """
    root = Path(root)
    dataset = find(root, name)
    labels = load_taxonomy(taxonomy or dataset.taxonomy_of(root))
    seen, faults = _Seen(), _Faults()
    pairs: Counter[tuple[str, str | None]] = Counter()
    for listed in dataset.read(root):
        if isinstance(listed, Problem):
            faults.add(listed)
            continue
        if pairs.total() % every == 0:
            seen.examined += 1
            try:
                seen.add(listed)
            except InputError as error:
                seen.unusable += 1
                faults.add(problem_of(listed, error, root))
        pairs[listed.group, listed.split] += 1
        if progress is not None:
            progress(1)
    return Report(
        root=str(root),
        dataset=dataset.name,
        title=dataset.title,
        licence=dataset.licence,
        taxonomy=labels.name,
        grouping=dataset.grouping,
        notes=dataset.notes,
        splits=_splits(pairs),
        every=every,
        examined=seen.examined,
        unusable=seen.unusable,
        codes=_codes(seen, labels),
        activities=dict(seen.activities.most_common()),
        phases=dict(seen.phases.most_common()),
        instruments=dict(seen.instruments.most_common()),
        with_depth=seen.with_depth,
        faults=faults.found(),
    )


class _Faults:
    """Problems of one kind counted together; memory does not grow with their number."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, list[Problem]] = {}

    def add(self, problem: Problem) -> None:
        self._counts[problem.what] += 1
        examples = self._first.setdefault(problem.what, [])
        if len(examples) < _EXAMPLES:
            examples.append(problem)

    def found(self) -> tuple[Fault, ...]:
        return tuple(
            Fault(what, count, tuple(problem.path for problem in self._first[what]), self._first[what][0].mend)
            for what, count in self._counts.most_common()
        )


def _splits(pairs: Counter[tuple[str, str | None]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for pair, split in sorted(assign(pairs).items(), key=str):
        groups = found.setdefault(split, {})
        groups[pair[0]] = groups.get(pair[0], 0) + pairs[pair]
    return found


def _codes(seen: _Seen, labels: Taxonomy) -> tuple[Code, ...]:
    total = seen.pixels.total()
    names = (OPEN_CODES if seen.partial else {}) | dict.fromkeys(labels.ignore_codes, "(ignored)")
    names[labels.background_code] = "(background)"
    names |= {label.code: label.name for label in labels.labels if label.code is not None}
    return tuple(
        Code(code_text(code), names.get(code), round(count / total, 6), seen.frames[code])
        for code, count in seen.pixels.most_common()
    )
