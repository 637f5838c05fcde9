"""A dataset's words and codes turned into the wanted classes, with what it does not say kept open.

Into its own classes every label keeps its name. Into another set, such as the core's, a label becomes what its
``core:`` says; an instrument without one becomes SOME_INSTRUMENT and anything else without one IGNORE. Pixels of the
taxonomy's ``rest_codes`` become REST: any class but those the dataset annotates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from describer.errors import InputError, TaxonomyError
from describer.seg.codes import IGNORE, REST, SOME_INSTRUMENT
from describer.seg.datasets.dataset import Item
from describer.seg.datasets.files import code_text
from describer.seg.datasets.frame import LabelledFrame, ToolLabel
from describer.taxonomy import Label, Taxonomy, load_taxonomy

BACKGROUND = "background"
OPEN_CODES = {REST: "(none of the labels that the mask speaks of)", SOME_INSTRUMENT: "(an instrument of unknown kind)"}
"""What masks that speak of some labels only may hold beside those labels' codes."""
_MOST_CLASSES = SOME_INSTRUMENT


@dataclass(frozen=True)
class Mapping:
    """How one dataset's taxonomy is seen by a model of ``class_names``; TaxonomyError when they share no label."""

    dataset: str
    taxonomy: Taxonomy
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.class_names) > _MOST_CLASSES:
            raise TaxonomyError(f"{len(self.class_names)} classes are too many; use at most {_MOST_CLASSES}.")
        if self.taxonomy.labels and all(self._value(label) == IGNORE for label in self.taxonomy.labels):
            raise TaxonomyError(
                f"no label of {self.taxonomy.name!r} ({', '.join(self.taxonomy.names)}) is one of the model's classes; "
                f"train on its own set with --taxonomy {self.taxonomy.name}."
            )

    @property
    def own(self) -> bool:
        """Whether the wanted classes are the dataset's own."""
        return set(self.class_names) - {BACKGROUND} == set(self.taxonomy.names)

    def frame(self, item: Item) -> LabelledFrame:
        """The item decoded and mapped.

        InputError names a picture that cannot be read, a mask of another size or a code that the taxonomy lacks.
        """
        image = item.image()
        hw = image.shape[0], image.shape[1]
        told = None if item.tools is None else item.tools((hw[1], hw[0]))
        tools = None if told is None else tuple(self.tool(tool) for tool in told)
        annotated = self._absent(tools) if item.codes is None else self.annotated(item.annotated)
        return LabelledFrame(
            source=self.dataset,
            image=image,
            labels=self._labels(item, hw, annotated),
            activity=self.word(item.activity, "activities"),
            annotated=annotated,
            name=item.name,
            group=item.group,
            phase=self.word(item.phase, "phases"),
            depth=None if item.depth is None else of_size(item.depth(), hw, item.name, "depth map"),
            tools=tools,
        )

    def _labels(self, item: Item, hw: tuple[int, int], annotated: tuple[str, ...]) -> NDArray[np.uint8]:
        """Class ids and the codes of codes.py (H, W)."""
        if item.codes is None:
            return np.full(hw, REST if annotated else IGNORE, np.uint8)
        raw = of_size(item.codes(), hw, item.name, "mask")
        labels = self.map_codes(raw, item.name, partial=item.annotated is not None)
        # The rest of nothing is anything: a mask of labels that the wanted set does not have says nothing.
        return labels if annotated else np.where(labels == REST, np.uint8(IGNORE), labels)

    def _absent(self, tools: tuple[ToolLabel, ...] | None) -> tuple[str, ...]:
        """Of a frame without a mask: the instruments it does not show, where it is known which it shows."""
        shown = {tool.instrument for tool in tools or ()}
        if tools is None or None in shown:
            return ()
        return tuple(name for name in self.class_names if name in self._instruments and name not in shown)

    @cached_property
    def _instruments(self) -> frozenset[str]:
        return frozenset((self.taxonomy if self.own else load_taxonomy("core")).of_kind("instrument"))

    def map_codes(self, raw: NDArray, name: str, partial: bool = False) -> NDArray[np.uint8]:
        """A raw mask (H, W) as class ids and the codes of codes.py; InputError for a code nobody has named.

        In a ``partial`` mask, one that speaks of some labels only, REST and SOME_INSTRUMENT stand for themselves.
        """
        values = self.values | ({code: code for code in OPEN_CODES} if partial else {})
        unknown = sorted(set(codes_in(raw)) - set(values))
        if unknown:
            raise InputError(
                f"{name}: the mask holds {', '.join(map(code_text, unknown))}, which taxonomy {self.taxonomy.name!r} "
                "does not have; run describer data check on the folder"
            )
        table = np.full(256, IGNORE, np.uint8)
        for code, value in values.items():
            table[code] = value
        return table[raw]

    @cached_property
    def values(self) -> dict[int, int]:
        """Raw code -> class id or code of codes.py."""
        found = dict.fromkeys(self.taxonomy.ignore_codes, IGNORE)
        found[self.taxonomy.background_code] = self._id(BACKGROUND)
        found |= {label.code: self._value(label) for label in self.taxonomy.labels if label.code is not None}
        return found if self.own else found | dict.fromkeys(self.taxonomy.rest_codes, REST)

    def annotated(self, labels: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """The wanted classes that a mask of these labels (None: all) speaks of.

        One instrument label is taken as the mark of a dataset that labels every instrument it shows.
        """
        named = [label for label in self.taxonomy.labels if labels is None or label.name in labels]
        names = {self._class_of(label) for label in named}
        if not self.own and any(label.kind == "instrument" for label in named):
            names |= self._instruments
        if labels is None and (self.own or not self.taxonomy.rest_codes):
            names.add(BACKGROUND)
        return tuple(name for name in self.class_names if name in names)

    def tool(self, tool: ToolLabel) -> ToolLabel:
        """An instrument's words: the dataset's own, or those of the wanted set (None where it has none)."""
        if self.own:
            return tool
        return replace(
            tool,
            instrument=self._thing(tool.instrument, self.class_names),
            verb=tool.verb and self.word(tool.verb, "verbs"),
            target=self._thing(tool.target, load_taxonomy("core").targets),
        )

    def _thing(self, name: str | None, known: Sequence[str]) -> str | None:
        if name is None:
            return None
        found = next((label.core or label.name for label in self.taxonomy.labels if label.name == name), name)
        return found if found in known else None

    def word(self, word: str | None, kind: str) -> str | None:
        """A word of the dataset's "activities", "phases" or "verbs" as the wanted set has it; None where it has not."""
        if word is None or self.own:
            return word
        found = self.taxonomy.core_words.get(word, word)
        return found if found in getattr(load_taxonomy("core"), kind) else None

    def _class_of(self, label: Label) -> str | None:
        """The wanted class of a label; None where there is none."""
        wanted = (label.name,) if self.own else (label.core, label.name)
        return next((name for name in wanted if name in self.class_names), None)

    def _value(self, label: Label) -> int:
        found = self._class_of(label)
        if found is not None:
            return self._id(found)
        return SOME_INSTRUMENT if label.kind == "instrument" else IGNORE

    def _id(self, name: str) -> int:
        return self.class_names.index(name) if name in self.class_names else IGNORE


def codes_in(raw: NDArray) -> Iterable[int]:
    """The values of a mask."""
    if raw.dtype == np.uint8:
        return (int(code) for code in np.flatnonzero(np.bincount(raw.ravel(), minlength=1)))
    return (int(code) for code in np.unique(raw))


def of_size(array: NDArray, hw: tuple[int, int], name: str, what: str) -> NDArray:
    """The array itself; InputError when it is not of the image's size."""
    if array.shape != hw:
        height, width = array.shape[:2]
        raise InputError(f"{name}: the {what} is {width}x{height}, the image {hw[1]}x{hw[0]}; export both at one size")
    return array
