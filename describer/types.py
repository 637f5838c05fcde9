"""The values everything speaks in: frozen, validated when made, serialisable.

Coordinates are pixels of the original frame (after EXIF rotation), x right, y down; boxes are
half-open ``(x0, y0, x1, y1)``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from pycocotools import mask as coco_mask

from describer.errors import RecordError

SCHEMA_VERSION = 1

Kind = Literal["instrument", "anatomy", "pathology", "other"]
KINDS: tuple[str, ...] = get_args(Kind)

Predicate = Literal["touches", "overlaps", "inside", "left of", "above", "nearer than", "acts on"]
PREDICATES: tuple[str, ...] = get_args(Predicate)

PLACES: tuple[str, ...] = (
    "upper left", "upper center", "upper right",
    "center left", "center", "center right",
    "lower left", "lower center", "lower right",
)  # fmt: skip

Box = tuple[int, int, int, int]


def _require(ok: bool, what: str) -> None:
    if not ok:
        raise RecordError(what)


@dataclass(frozen=True, slots=True)
class Mask:
    """A binary mask as COCO compressed run lengths (column-major), ``size_hw`` = (height, width)."""

    size_hw: tuple[int, int]
    counts: str

    def __post_init__(self) -> None:
        height, width = self.size_hw
        _require(height > 0 and width > 0, f"mask size must be positive (height, width), got {self.size_hw}")

    @classmethod
    def from_array(cls, array: np.ndarray) -> Mask:
        """Encode a ``(H, W)`` bool array."""
        _require(array.ndim == 2, f"a mask must have shape (H, W), got {array.shape}")
        encoded = coco_mask.encode(np.asfortranarray(array, dtype=np.uint8))
        return cls((int(array.shape[0]), int(array.shape[1])), encoded["counts"].decode("ascii"))

    def to_rle(self) -> dict[str, Any]:
        """The COCO dict pycocotools reads: ``{"size": [H, W], "counts": bytes}``."""
        return {"size": list(self.size_hw), "counts": self.counts.encode("ascii")}

    def to_array(self) -> np.ndarray:
        """Decode to a ``(H, W)`` bool array."""
        decoded: np.ndarray = coco_mask.decode(self.to_rle())
        return decoded.view(bool)  # zeros and ones in uint8 already: no copy

    @property
    def area_px(self) -> int:
        return int(coco_mask.area(self.to_rle()))


Cover = Literal["none", "blood", "smoke", "char"]


@dataclass(frozen=True, slots=True)
class Appearance:
    """What only pixels tell of one region; ``state`` is that of an instrument's jaws.

    ``scores`` say how sure a found cover, sharpness or state is, by the field's name; what is known or measured has
    none.
    """

    colour: str | None = None
    cover: Cover = "none"
    glare: bool = False
    sharp: bool = True
    state: Literal["open", "closed"] | None = None
    scores: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        _require(self.cover in get_args(Cover), f"cover must be one of {get_args(Cover)}, got {self.cover!r}")
        _require(self.state in (None, "open", "closed"), f"state must be open, closed or None, got {self.state!r}")


@dataclass(frozen=True, slots=True)
class View:
    """What disturbs the whole view: smoke and blood by degree, the rest by presence.

    ``scores`` as those of an `Appearance`.
    """

    smoke: Literal["none", "light", "heavy"] = "none"
    blood: Literal["none", "some", "a lot"] = "none"
    glare: bool = False
    blur: bool = False
    dirt: bool = False
    scores: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        _require(self.smoke in ("none", "light", "heavy"), f"smoke must be none, light or heavy, got {self.smoke!r}")
        _require(self.blood in ("none", "some", "a lot"), f"blood must be none, some or a lot, got {self.blood!r}")


@dataclass(frozen=True, slots=True)
class Region:
    """One instrument, tissue or other thing in a frame.

    ``depth_rank`` 1 is the nearest region; ``area_fraction`` is the mask's share of the whole frame; ``appearance`` is
    None where nobody looked.
    """

    id: int
    label: str
    kind: Kind
    mask: Mask
    score: float
    box_xyxy: Box
    area_fraction: float
    place: str
    depth_rank: int | None = None
    track_id: int | None = None
    appearance: Appearance | None = None

    def __post_init__(self) -> None:
        _require(self.id >= 1, f"region id must be at least 1, got {self.id}")
        _require(self.kind in KINDS, f"region {self.id}: kind must be one of {KINDS}, got {self.kind!r}")
        _require(0.0 <= self.score <= 1.0, f"region {self.id}: score must be in [0, 1], got {self.score}")
        _require(self.place in PLACES, f"region {self.id}: place must be one of {PLACES}, got {self.place!r}")
        x0, y0, x1, y1 = self.box_xyxy
        height, width = self.mask.size_hw
        inside = 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
        _require(inside, f"region {self.id}: box {self.box_xyxy} is not inside its {width}x{height} frame")


@dataclass(frozen=True, slots=True)
class Relation:
    """``subject`` predicate ``object``, by region id."""

    subject: int
    predicate: str
    object: int

    def __post_init__(self) -> None:
        _require(self.predicate in PREDICATES, f"predicate must be one of {PREDICATES}, got {self.predicate!r}")


@dataclass(frozen=True, slots=True)
class Activity:
    """What the surgeon is doing: ``level`` is "phase", "step" or "activity".

    Where frames are followed through time, label and score are smoothed and ``raw`` is the (label, score) of this
    frame alone.
    """

    level: str
    label: str
    score: float
    raw: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Interaction:
    """What the instrument ``region_id`` does, and to what: the triplets of the field.

    ``verb`` and ``target`` are None for an idle instrument; ``target_id`` is the target's region where it has one.
    """

    region_id: int
    verb: str | None
    target: str | None
    target_id: int | None
    score: float

    def __post_init__(self) -> None:
        _require(0.0 <= self.score <= 1.0, f"interaction of {self.region_id}: score {self.score} is not in [0, 1]")


@dataclass(frozen=True, slots=True)
class Scene:
    """The scene graph of one frame.

    ``view`` is what disturbs the whole view, None where nobody looked. ``depth``, where it was asked for, is a relative
    depth map (h, w) of the whole frame at a size of its own, float32, larger = farther, NaN outside of the scope's
    view; it is no part of a record: a run keeps it as a picture.
    """

    size_wh: tuple[int, int]
    regions: tuple[Region, ...] = ()
    relations: tuple[Relation, ...] = ()
    activities: tuple[Activity, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    view: View | None = None
    depth: np.ndarray | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        ids = [region.id for region in self.regions]
        _require(len(ids) == len(set(ids)), f"region ids must be unique, got {ids}")
        for relation in self.relations:
            known = relation.subject in ids and relation.object in ids
            _require(known, f"relation {relation} names a region that is not in the scene")
        for deed in self.interactions:
            known = deed.region_id in ids and (deed.target_id is None or deed.target_id in ids)
            _require(known, f"interaction {deed} names a region that is not in the scene")
        for region in self.regions:
            fits = region.mask.size_hw == (self.size_wh[1], self.size_wh[0])
            _require(fits, f"region {region.id}: mask {region.mask.size_hw} (H, W) against frame {self.size_wh}")

    def region(self, region_id: int) -> Region:
        """The region of that id; RecordError when there is none."""
        for region in self.regions:
            if region.id == region_id:
                return region
        ids = [region.id for region in self.regions]
        raise RecordError(f"there is no region {region_id} in this frame; its regions are {ids}")

    def only(self, region_ids: Collection[int]) -> Scene:
        """The scene as if its other regions had not been found."""
        kept = set(region_ids)
        return replace(
            self,
            regions=tuple(region for region in self.regions if region.id in kept),
            relations=tuple(r for r in self.relations if r.subject in kept and r.object in kept),
            interactions=tuple(
                deed if deed.target_id in kept else replace(deed, target_id=None)
                for deed in self.interactions
                if deed.region_id in kept
            ),
        )

    def unseen(self) -> Scene:
        """The scene as if nobody had looked at how anything looks."""
        return replace(self, regions=tuple(replace(region, appearance=None) for region in self.regions), view=None)

    def related(self, region_id: int, predicate: str) -> tuple[int, ...]:
        """Ids on the other side of a symmetric ``predicate`` of ``region_id``, in order of relation."""
        pairs = [(r.subject, r.object) for r in self.relations if r.predicate == predicate]
        return tuple(b if a == region_id else a for a, b in pairs if region_id in (a, b))


@dataclass(frozen=True, slots=True)
class Description:
    """A sentence or two about a region, or about the whole scene (``region_id`` None).

    ``mentions`` are (start, end, region id) character spans; ``ungrounded`` are entity words of the
    text behind which no region stands. ``confidence`` is None where a server tells no token probabilities. With
    the grounding guard ``flags`` is what the scene refutes of the text, and ``withheld`` what the model said first
    and was made to say otherwise (see describer.guard).
    """

    region_id: int | None
    text: str
    mentions: tuple[tuple[int, int, int], ...] = ()
    confidence: float | None = 0.0
    ungrounded: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for start, end, _ in self.mentions:
            in_text = 0 <= start < end <= len(self.text)
            _require(in_text, f"mention ({start}, {end}) lies outside its text of {len(self.text)} characters")


@dataclass(frozen=True, slots=True)
class FrameRef:
    """Where a frame came from; ``sha256`` is of the RGB pixels and their size."""

    source: str
    index: int
    time_s: float | None
    size_wh: tuple[int, int]
    sha256: str

    def __post_init__(self) -> None:
        _require(bool(re.fullmatch(r"[0-9a-f]{64}", self.sha256)), f"{self.source}: sha256 is not 64 hex digits")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture: ``image`` RGB uint8 (H, W, 3)."""

    image: np.ndarray
    ref: FrameRef

    def __post_init__(self) -> None:
        good = self.image.ndim == 3 and self.image.shape[2] == 3 and self.image.dtype == np.uint8
        _require(good, f"{self.ref.source}: an image must be RGB uint8 (H, W, 3), got {self.image.shape}")


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made an annotation, enough to make it again."""

    scene_model: str
    vlm: str
    adapter: str | None
    taxonomy: str
    prompts: Mapping[str, str] = field(default_factory=dict)
    generation: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """The one record that leaves the building.

    ``depth`` is the frame's depth picture (see describer.depths), named from the folder of the records.
    """

    frame: FrameRef
    scene: Scene
    descriptions: tuple[Description, ...]
    provenance: Provenance
    schema_version: int = SCHEMA_VERSION
    depth: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A frame that could not be read or described: still a record, with one sentence why."""

    source: str
    error: str
    index: int = 0
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a question about a frame or a clip and the regions it rests on.

    ``kind`` is how the question was read (None: freely); ``scene_answer`` what the scene graph says to it, exactly,
    where it does, and then the text; ``model_answer`` what the language model said, ``agrees`` whether that means the
    same (None where only one of them answered). ``abstained``: not sure enough to be relied on, or refused. For a clip
    ``frames`` are those of which the text holds; the region ids are then of the last of them.
    """

    question: str
    text: str
    region_ids: tuple[int, ...]
    confidence: float | None
    abstained: bool
    provenance: Provenance
    kind: str | None = None
    scene_answer: str | None = None
    model_answer: str | None = None
    agrees: bool | None = None
    frames: tuple[FrameRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that a text should not say: ``what`` in words.

    ``backs`` are character offsets from which it could be said otherwise, the nearest first. A ``hard`` fault must
    not be said whatever else it costs; another one may stay, flagged, when nothing better is found.
    """

    what: str
    backs: tuple[int, ...]
    hard: bool = False
