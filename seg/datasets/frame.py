"""What every dataset reader yields: one labelled frame, whatever the dataset states of it and nothing more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from describer.types import Appearance, View


@dataclass(frozen=True, slots=True)
class ToolLabel:
    """One instrument of a frame: its tip's box in pixels (half-open xyxy) and what it does to what.

    None stands for what the dataset does not give. The verb "" means that the instrument is known to be idle.
    """

    instrument: str | None
    box_xyxy: tuple[float, float, float, float] | None = None
    verb: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrame:
    """image (H, W, 3) uint8; labels (H, W) uint8, class ids and the codes of codes.py; the classes they speak of.

    `group` is the video, operation or patient: splits never cut through one. `tools` is every instrument of the
    frame, or None where the dataset says nothing of them. `depth` (H, W) float32 in any unit, NaN unknown.
    `parts` (H, W) uint8 numbers the regions whose `looks` are known, from 1 on.
    """

    source: str
    image: np.ndarray
    labels: np.ndarray
    activity: str | None
    annotated: tuple[str, ...]
    name: str = ""
    group: str = ""
    phase: str | None = None
    depth: np.ndarray | None = None
    tools: tuple[ToolLabel, ...] | None = None
    parts: np.ndarray | None = None
    looks: tuple[Appearance, ...] = ()
    view: View | None = None
