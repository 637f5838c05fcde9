"""CholecT50's triplets, for every reader of its labels: the dataset's own layout and this project's index of frames."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import NamedTuple

from describer.errors import InputError
from describer.seg.datasets.frame import ToolLabel
from describer.seg.datasets.mapping import Mapping
from describer.taxonomy import load_taxonomy

NO_VERB, NO_TARGET = "null_verb", "null_target"
# What the triplets of a frame say of the activity, strongest evidence first.
_ACTIVITY_OF = (
    ("clipper", "clip", "clipping"),
    ("scissors", "cut", "cutting"),
    ("bipolar", "coagulate", "coagulation"),
    ("hook", "dissect", "dissection"),
    ("irrigator", "aspirate", "suction"),
    ("irrigator", "irrigate", "suction"),
    ("grasper", "retract", "retraction"),
    ("grasper", "grasp", "retraction"),
)


class Triplet(NamedTuple):
    """One label as the files spell it, such as ("bipolar", "coagulate", "blood_vessel")."""

    instrument: str
    verb: str
    target: str


def check_words(triplet: Triplet) -> None:
    """InputError for a word that CholecT50 does not have."""
    taxonomy = load_taxonomy("cholect50")
    instruments = taxonomy.of_kind("instrument")
    targets = [name for name in taxonomy.names if name not in instruments]
    known = ((*instruments,), (*taxonomy.verbs, NO_VERB), (*targets, NO_TARGET))
    for word, words in zip((triplet.instrument, triplet.verb, _spoken(triplet.target)), known):
        if word not in words:
            raise InputError(f"CholecT50 label {word!r} is none of {', '.join(words)}; correct the label file.")


def tool_label(triplet: Triplet, box_xywh_norm: Sequence[float] | None, size_wh: tuple[int, int]) -> ToolLabel:
    """A triplet in the words of taxonomy "cholect50"; its box, given as shares of the frame, in pixels of it."""
    idle = triplet.verb == NO_VERB
    return ToolLabel(
        instrument=triplet.instrument,
        box_xyxy=None if box_xywh_norm is None else _box_px(box_xywh_norm, size_wh),
        verb="" if idle else triplet.verb,
        target=None if idle or triplet.target == NO_TARGET else _spoken(triplet.target),
    )


def core_tool(
    instrument: str, verb: str, target: str, box_xywh_norm: Sequence[float] | None, size_wh: tuple[int, int]
) -> ToolLabel:
    """`tool_label` in the core set's words; InputError for a word that CholecT50 does not have."""
    triplet = Triplet(instrument, verb, target)
    check_words(triplet)
    return _to_core().tool(tool_label(triplet, box_xywh_norm, size_wh))


def core_phase(name: str) -> str:
    """A phase by its core name; InputError for one that CholecT50 does not have."""
    found = _to_core().word(name, "phases")
    if found is None:
        known = ", ".join(load_taxonomy("cholect50").phases)
        raise InputError(f"CholecT50 phase {name!r} is none of {known}; correct the label file.")
    return found


@functools.cache
def _to_core() -> Mapping:
    return Mapping("cholect50", load_taxonomy("cholect50"), ("background", *load_taxonomy("core").names))


def activity_of(triplets: Collection[Triplet | tuple[str, str, str]]) -> str | None:
    """The core activity that the triplets of a frame tell, or None. A frame without any is exploration."""
    if not triplets:
        return "exploration"
    done = {(instrument, verb) for instrument, verb, _ in triplets}
    return next((activity for instrument, verb, activity in _ACTIVITY_OF if (instrument, verb) in done), None)


def _spoken(word: str) -> str:
    return word if word == NO_TARGET else word.replace("_", " ")


def _box_px(box_xywh_norm: Sequence[float], size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    x, y, w, h = (float(value) for value in box_xywh_norm)
    width, height = size_wh
    x0, x1 = (min(max(value, 0.0), 1.0) * width for value in (x, x + w))
    y0, y1 = (min(max(value, 0.0), 1.0) * height for value in (y, y + h))
    return x0, y0, x1, y1
