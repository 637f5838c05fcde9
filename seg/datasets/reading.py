"""Labelled frames of any folder whose layout is known: the one door that training and evaluation go through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from describer.errors import InputError
from describer.seg.datasets.catalogue import find
from describer.seg.datasets.dataset import Item, Listed, Problem
from describer.seg.datasets.frame import LabelledFrame
from describer.seg.datasets.mapping import Mapping
from describer.seg.datasets.splits import assign, in_split
from describer.taxonomy import load_taxonomy


def read_dataset(
    root: str | Path,
    split: str,
    class_names: Sequence[str],
    name: str | None = None,
    *,
    taxonomy: str | None = None,
    seed: int = 0,
    skipped: Callable[[Problem], object] | None = None,
) -> Iterator[LabelledFrame]:
    """The frames of one split ("train", "val" or "test"), decoded one at a time, as a model of the classes sees them.

    ``class_names`` are the dataset's own ("background" and the labels of its taxonomy) or the core set's; see
    mapping.py. ``name`` is a name of catalogue.py where the folder's layout does not tell, ``taxonomy`` a set or a file
    in place of the dataset's own, where a copy has other codes. Frames that cannot be used (no mask, unreadable, an
    unknown code) raise InputError, or go to ``skipped`` where it is given.
    """
    root = Path(root)
    dataset = find(root, name)
    mapping = Mapping(dataset.name, load_taxonomy(taxonomy or dataset.taxonomy_of(root)), tuple(class_names))
    return _frames(root, in_split(lambda: dataset.read(root), split, seed), mapping, skipped or _refuse)


def _frames(
    root: Path, listed: Iterator[Listed], mapping: Mapping, skipped: Callable[[Problem], object]
) -> Iterator[LabelledFrame]:
    for item in listed:
        if isinstance(item, Problem):
            skipped(item)
            continue
        try:
            frame = mapping.frame(item)
        except InputError as error:
            skipped(problem_of(item, error, root))
        else:
            yield frame


def problem_of(item: Item, error: InputError, root: Path) -> Problem:
    """A frame's error as its Problem, with paths below the root."""
    what, _, mend = str(error).replace(f"{root}/", "").removesuffix(".").partition("; ")
    return Problem(item.name, what.removeprefix(f"{item.name}: "), mend or "mend or remove it")


def groups_of(root: str | Path, name: str | None = None, seed: int = 0) -> tuple[str, dict[str, Counter[str]]]:
    """The dataset's name, and for every split how many frames of each group it has; nothing is decoded."""
    root = Path(root)
    dataset = find(root, name)
    pairs = Counter((item.group, item.split) for item in dataset.read(root) if isinstance(item, Item))
    found: dict[str, Counter[str]] = {}
    for pair, split in sorted(assign(pairs, seed).items(), key=str):
        found.setdefault(split, Counter())[pair[0]] += pairs[pair]
    return dataset.name, found


def _refuse(problem: Problem) -> None:
    raise InputError(str(problem))
