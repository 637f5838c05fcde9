"""What the renderer hands out: one frozen value per rendered frame, with every label it was made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from describer.types import Appearance, View

PROCEDURES = ("laparoscopy", "esd", "colonoscopy")
LAPAROSCOPY_ACTIVITIES = (
    "exploration",
    "retraction",
    "dissection",
    "cutting",
    "coagulation",
    "clipping",
    "suction",
    "suturing",
)
ESD_ACTIVITIES = ("marking", "incision", "submucosal dissection")
COLONOSCOPY_ACTIVITIES = ("inspection", "polypectomy")

# The core taxonomy as the renderer writes it: index = class id in the label map.
CORE_NAMES = (
    "background",
    "grasper",
    "bipolar forceps",
    "hook",
    "scissors",
    "clip applier",
    "suction irrigator",
    "needle driver",
    "electric knife",
    "snare",
    "liver",
    "gallbladder",
    "fat",
    "abdominal wall",
    "bowel",
    "connective tissue",
    "mucosa",
    "submucosa",
    "mucosal flap",
    "polyp",
    "blood",
    "marking dots",
)
CORE_IDS = {name: index for index, name in enumerate(CORE_NAMES)}
IGNORE = 255


@dataclass(frozen=True, slots=True)
class SynthObject:
    """One visible thing of a scene.

    `instance_id` is its value in the instance map; `acts_on` is another object's, for an instrument at work.
    """

    instance_id: int
    label: str
    appearance: Appearance
    acts_on: int | None = None
    action: str | None = None
    tip_xy_px: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class SynthFrame:
    """One rendered frame and its exact labels.

    Shapes: image (H, W, 3) uint8 RGB; labels (H, W) uint8 core class ids, 255 to ignore; instances (H, W)
    uint16, 0 for none; depth (H, W) float32, relative distance to the camera in (0, 1], 1 = far.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    instances: NDArray[np.uint16]
    depth: NDArray[np.float32]
    procedure: str
    activity: str
    objects: tuple[SynthObject, ...]
    view: View
