"""CholecT50's words for instruments, verbs, targets and phases, turned into the core set's.

One place, shared by every reader of its labels: the dataset's own layout and this project's index of frames.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from describer.errors import InputError
from describer.seg.datasets.frame import ToolLabel
from describer.taxonomy import load_taxonomy

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


def core_tool(
    instrument: str, verb: str, target: str, box_xywh_norm: Sequence[float] | None, size_wh: tuple[int, int]
) -> ToolLabel:
    """One labelled instance in the core set's words; its box, given as shares of the frame, in pixels of it.

    InputError for a word that CholecT50 does not have.
    """
    idle = verb == "null_verb"
    return ToolLabel(
        instrument=_core_name(instrument, load_taxonomy("core").names),
        box_xyxy=None if box_xywh_norm is None else _box_px(box_xywh_norm, size_wh),
        verb="" if idle else _known(verb, load_taxonomy("core").verbs),
        target=None if idle or target == "null_target" else _core_name(target, load_taxonomy("core").targets),
    )


def core_phase(name: str) -> str:
    """A phase by its core name: "carlot-triangle-dissection" (so spelled in the dataset) is "calot ..."."""
    return _known(name.replace("-", " ").replace("carlot", "calot"), load_taxonomy("core").phases)


def activity_of(triplets: Collection[tuple[str, str, str]]) -> str | None:
    """The core activity that the (instrument, verb, target) triplets of a frame tell, or None.

    A frame whose labels hold no triplet at all is exploration.
    """
    if not triplets:
        return "exploration"
    done = {(instrument, verb) for instrument, verb, _ in triplets}
    return next((activity for instrument, verb, activity in _ACTIVITY_OF if (instrument, verb) in done), None)


def _core_name(word: str, wanted: tuple[str, ...]) -> str:
    """The core name of one of CholecT50's labels: its ``core:`` mapping, else its own name where the core has it."""
    name = word.replace("_", " ")
    labels = {label.name: label for label in load_taxonomy("cholect50").labels}
    return _known(labels[name].core or name if name in labels else name, wanted)


def _known(name: str, names: tuple[str, ...]) -> str:
    if name not in names:
        raise InputError(f"CholecT50 label {name!r} is none of {', '.join(names)}; correct the label file.")
    return name


def _box_px(box_xywh_norm: Sequence[float], size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    x, y, w, h = (float(value) for value in box_xywh_norm)
    width, height = size_wh
    x0, x1 = (min(max(value, 0.0), 1.0) * width for value in (x, x + w))
    y0, y1 = (min(max(value, 0.0), 1.0) * height for value in (y, y + h))
    return x0, y0, x1, y1
