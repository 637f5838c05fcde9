"""The words that label ids stand for, and labelled frames turned into arrays of ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from describer.errors import TaxonomyError
from describer.seg.datasets.frame import LabelledFrame, ToolLabel
from describer.seg.looks import MAX_PARTS, REGION_WORDS, VIEW_WORDS, look_ids
from describer.taxonomy import Taxonomy

MAX_TOOLS = 6
"""Instruments of one frame that a cache keeps; more than six are not seen in an endoscope."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names in id order. Verb and target ids start at 1: 0 says that an instrument does nothing, or to nothing."""

    classes: tuple[str, ...]
    activities: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    @classmethod
    def of(cls, taxonomy: Taxonomy) -> Vocabulary:
        """A taxonomy's words, its labels after the background."""
        return cls(
            ("background", *taxonomy.names), taxonomy.activities, taxonomy.phases, taxonomy.verbs, taxonomy.targets
        )


def frame_arrays(frames: Sequence[LabelledFrame], words: Vocabulary) -> dict[str, NDArray]:
    """The arrays of a shard (`data.write_shard`) from frames of one size; a name that has no id is unknown (-1)."""
    arrays: dict[str, NDArray] = {
        "images": np.stack([frame.image for frame in frames]),
        "labels": np.stack([frame.labels for frame in frames]),
        "activity": np.array([_id(frame.activity, words.activities) for frame in frames]),
        "annotated": np.array([[name in frame.annotated for name in words.classes] for frame in frames]),
    }
    if words.phases:
        arrays["phase"] = np.array([_id(frame.phase, words.phases) for frame in frames])
    if words.verbs:
        arrays |= _tool_arrays(frames, words)
    if any(frame.depth is not None for frame in frames):
        unknown = np.full(frames[0].labels.shape, np.nan, np.float32)
        arrays["depth"] = np.stack([unknown if frame.depth is None else frame.depth for frame in frames])
    if any(frame.parts is not None for frame in frames):
        arrays |= _look_arrays(frames)
    return arrays


def _look_arrays(frames: Sequence[LabelledFrame]) -> dict[str, NDArray]:
    none = np.zeros(frames[0].labels.shape, np.uint8)
    looks = np.full((len(frames), MAX_PARTS, len(REGION_WORDS)), -1, np.int8)
    view = np.full((len(frames), len(VIEW_WORDS)), -1, np.int8)
    for row, frame in enumerate(frames):
        for k, look in enumerate(frame.looks[:MAX_PARTS]):
            looks[row, k] = look_ids(look, REGION_WORDS)
        if frame.view is not None:
            view[row] = look_ids(frame.view, VIEW_WORDS)
    parts = np.stack([none if frame.parts is None else frame.parts for frame in frames])
    return {"parts": parts, "looks": looks, "view": view}


def _id(name: str | None, names: Sequence[str]) -> int:
    if name is None or name not in names:
        return -1
    return names.index(name)


def _tool_arrays(frames: Sequence[LabelledFrame], words: Vocabulary) -> dict[str, NDArray]:
    boxes = np.full((len(frames), MAX_TOOLS, 4), np.nan, np.float32)
    labels = np.full((len(frames), MAX_TOOLS, 3), -1, np.int16)
    for row, frame in enumerate(frames):
        for k, tool in enumerate((frame.tools or ())[:MAX_TOOLS]):
            if tool.box_xyxy is not None:
                boxes[row, k] = tool.box_xyxy
            labels[row, k] = _tool_ids(tool, words)
    return {
        "tool_boxes_xyxy": boxes,
        "tool_labels": labels,
        "tools_known": np.array([frame.tools is not None for frame in frames]),
    }


def _tool_ids(tool: ToolLabel, words: Vocabulary) -> tuple[int, int, int]:
    """Instrument, verb and target ids; an idle instrument has no target."""
    if tool.instrument is not None and tool.instrument not in words.classes:
        raise TaxonomyError(f"instrument {tool.instrument!r} is none of the classes; map it in the reader.")
    if tool.verb == "":
        return _id(tool.instrument, words.classes), 0, 0
    target = _id(tool.target, words.targets)
    verb = _id(tool.verb, words.verbs)
    return _id(tool.instrument, words.classes), verb + 1 if verb >= 0 else -1, target + 1 if target >= 0 else -1
