"""What a dataset is to the rest of the project: a layout that can be recognised and frames that can be listed.

A reader is one module with a `Dataset` in it, named in catalogue.py. It lists; nothing is decoded before it is asked
for, so that counting, splitting and sampling a hundred thousand frames costs a walk over their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from describer.seg.datasets.frame import ToolLabel

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One frame as it lies on disk, in the dataset's own words.

    `name` is its path below the root; `group` the video, operation or patient; `split` the official one, if any.
    `codes` gives the raw mask (H, W) in the codes of the dataset's taxonomy and `annotated` the labels that mask
    speaks of (None: all of the taxonomy); a mask that does not speak of all may hold REST and SOME_INSTRUMENT too.
    `tools` takes the frame's (width, height). What is None is not given.
    """

    name: str
    group: str
    image: Callable[[], NDArray[np.uint8]]
    split: str | None = None
    codes: Callable[[], NDArray] | None = None
    annotated: tuple[str, ...] | None = None
    activity: str | None = None
    phase: str | None = None
    tools: Callable[[tuple[int, int]], tuple[ToolLabel, ...] | None] | None = None
    depth: Callable[[], NDArray[np.float32]] | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A frame that cannot be used: its path, what is wrong with it and how to mend that."""

    path: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}; {self.mend}."


Listed = Item | Problem


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset's layout and reader.

    `marks` are glob patterns below the root, all of which its layout has (" | " between alternatives). `taxonomy` is
    a name of describer/taxonomies, or a function of the root where the folder brings its own. `grouping` says what a
    group is and how sure that is. `video_of` names the public video behind a group where other datasets hold it too.
    `by_name_only` is for a second reading of a layout: it is never recognised.
    """

    name: str
    title: str
    layout: str
    marks: tuple[str, ...]
    taxonomy: str | Callable[[Path], str]
    read: Callable[[Path], Iterator[Listed]]
    grouping: str
    licence: str | None = None
    notes: str = ""
    video_of: Callable[[str], str | None] = lambda group: None
    by_name_only: bool = False

    def missing_marks(self, root: Path) -> list[str]:
        """What the folder lacks of this layout."""
        return [mark for mark in self.marks if not any(any(root.glob(glob)) for glob in mark.split(" | "))]

    def recognise(self, root: Path) -> bool:
        """Whether the folder has this layout; looks at names only."""
        return not self.by_name_only and not self.missing_marks(root)

    def taxonomy_of(self, root: Path) -> str:
        return self.taxonomy if isinstance(self.taxonomy, str) else self.taxonomy(root)
