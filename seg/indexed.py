"""Labelled real frames of an ``index.json`` (one object a frame: file, dataset folder, mask, legend, labels).

Every source has one reader below that says what its masks state and, just as carefully, what they do not:
a polyp mask says nothing of instruments, an instrument mask nothing of the tissue behind it. Splits are by
operation or by the folder that the source itself keeps apart; evaluation-only sources never train.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from describer.errors import InputError
from describer.seg.codes import IGNORE, REST, SOME_INSTRUMENT
from describer.seg.datasets.frame import LabelledFrame
from describer.seg.datasets.triplets import activity_of, core_phase, core_tool

_DARK = 22
_SPLITS = ("train", "held out", "evaluation only")
# Kvasir pictures whose lesion another picture shows too: thumbnails that agree to 0.94 with one that is trained on.
_KVASIR_TWINS = (
    "cju77k828z46w0871r0avuoo9",
    "cju8amfdtqi4x09871tygrgqe",
    "cju3x9lttikfb0818a0g104zn",
    "cju1gi7jlwyld0835cdf6g6qz",
    "cju7b9vcs1luz0987ta60j1dy",
    "cju88rl5eo94l0850kf5wtrm1",
    "cju43gfosm63n08714rpih8pe",
)
# Registration terms or no stated licence: scored on, never trained on.
_EVALUATION_ONLY = ("endovis15_rigid", "endovis15_robotic", "endovis17", "artnet")


def read_indexed(index: Path, split: str, class_names: Sequence[str]) -> Iterator[LabelledFrame]:
    """Frames of a split ("train", "held out", "evaluation only") of every source that has a reader here."""
    ids = {name: i for i, name in enumerate(class_names)}
    for entry in _entries(index, split):
        reader = _READERS.get(_folder(entry))
        if reader is None or ("mask" not in entry and reader is _some_instrument):
            continue
        found = reader(Path(index).parent, entry, ids)
        if found is not None:
            yield replace(found, name=str(entry["file"]), group=_group(entry))


@dataclass(frozen=True, slots=True, eq=False)
class InstanceFrame:
    """A frame whose instruments are told apart: each one's core name, None where unknown, and mask (H, W) bool."""

    source: str
    name: str
    image: np.ndarray
    instruments: tuple[tuple[str | None, np.ndarray], ...]


def read_instances(index: Path, split: str) -> Iterator[InstanceFrame]:
    """Frames of a split with a mask for every instrument: CholecInstanceSeg and EndoVis 2015 rigid."""
    root = Path(index).parent
    for entry in _entries(index, split):
        if entry.get("instance_json"):
            image = _image(root, entry)
            masks: dict[tuple[str, int], np.ndarray] = {}
            for name, group, points in _polygons(root, entry):
                drawn = masks.setdefault((name, group), np.zeros(image.shape[:2], np.uint8))
                cv2.fillPoly(drawn, [points], 1)
            found: list[tuple[str | None, np.ndarray]] = [(name, mask > 0) for (name, _), mask in masks.items()]
        elif entry.get("instance_mask"):
            image, numbered = _image(root, entry), _opened(root / entry["instance_mask"], "L")
            found = [(None, numbered == value) for value in np.unique(numbered) if value]
        else:
            continue
        yield InstanceFrame(_folder(entry), str(entry["file"]), image, tuple(found))


def _entries(index: Path, split: str) -> Iterator[dict[str, Any]]:
    if split not in _SPLITS:
        raise InputError(f"split {split!r} is unknown; use one of {', '.join(_SPLITS)}.")
    try:
        entries = json.loads(Path(index).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"--real {index}: no readable index.json there ({error}); leave --real out.") from error
    return (entry for entry in entries if entry.get("type") == "image" and _split(entry) == split)


def _group(entry: dict[str, Any]) -> str:
    """The operation or clip; a frame of an unknown patient is a group of its own."""
    return str(entry.get("sequence") or entry["file"])


def _split(entry: dict[str, Any]) -> str:
    """Held out: one CholecT50 operation, every fifth Kvasir picture, one SegCol clip.

    Kvasir has one picture a patient as far as is known, so pictures are the unit, but for a few that show what another
    one shows. GAE's folders are frames of one video, taken in turns, and CholecSeg8k's preview grid shows scenes of its
    crops: they train as a whole.
    """
    folder, name = str(entry["file"]).split("/", 1)
    if folder in _EVALUATION_ONLY:
        return "evaluation only"
    held = {
        "cholect50val": entry.get("sequence") == "VID68",
        "kvasir_seg": zlib.crc32(name.encode()) % 5 == 0 and Path(name).stem not in _KVASIR_TWINS,
        "segcol": entry.get("sequence") == "Seq_003_59280",
    }
    return "held out" if held.get(folder, False) else "train"


def _image(root: Path, entry: dict[str, Any]) -> np.ndarray:
    return _opened(root / entry["file"], "RGB")


def _opened(path: Path, mode: str | None = None) -> np.ndarray:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert(mode) if mode else picture)
    except OSError as error:
        raise InputError(f"{path}: index.json names it but it cannot be read ({error}); restore it.") from error


def _mask(root: Path, entry: dict[str, Any], hw: tuple[int, int]) -> np.ndarray:
    raw = _opened(root / entry["mask"])
    raw = raw if raw.ndim == 2 else raw[..., 0]
    return raw if raw.shape == hw else cv2.resize(raw, (hw[1], hw[0]), interpolation=cv2.INTER_NEAREST)


def _outside(image: np.ndarray) -> np.ndarray:
    """Dark pixels connected to the picture's border: outside of the scope's view."""
    dark = np.pad((image.max(axis=2) < _DARK).astype(np.uint8), 1, constant_values=1)
    cv2.floodFill(dark, None, (0, 0), 2)
    return dark[1:-1, 1:-1] == 2


def _some_instrument(root: Path, entry: dict[str, Any], ids: dict[str, int]) -> LabelledFrame:
    image = _image(root, entry)
    tool = _mask(root, entry, image.shape[:2]) > 0
    labels = np.where(tool, SOME_INSTRUMENT, REST).astype(np.uint8)
    return LabelledFrame(_folder(entry), image, labels, None, _instruments(ids))


def _instruments(ids: dict[str, int]) -> tuple[str, ...]:
    return tuple(name for name, i in ids.items() if 1 <= i <= 9)


def _folder(entry: dict[str, Any]) -> str:
    return str(entry["file"]).split("/", 1)[0]


def _kvasir(root: Path, entry: dict[str, Any], ids: dict[str, int]) -> LabelledFrame:
    image = _image(root, entry)
    polyp = _mask(root, entry, image.shape[:2]) > 127
    labels = np.full(polyp.shape, ids["mucosa"], np.uint8)
    labels[_outside(image)] = ids["background"]
    # The position display (a saturated green or blue square, lower left) and text are nobody's tissue.
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    labels[(hsv[..., 0] > 30) & (hsv[..., 0] < 150) & (hsv[..., 1] > 60)] = IGNORE
    labels[polyp] = ids["polyp"]
    return LabelledFrame("kvasir_seg", image, labels, "inspection", tuple(ids))


def _segcol(root: Path, entry: dict[str, Any], ids: dict[str, int]) -> LabelledFrame:
    image = _image(root, entry)
    tool = np.isin(_mask(root, entry, image.shape[:2]), (127, 128, 129))
    labels = np.full(tool.shape, ids["mucosa"], np.uint8)
    labels[_outside(image)] = ids["background"]
    labels[tool] = SOME_INSTRUMENT
    return LabelledFrame("segcol", image, labels, None, tuple(ids))


_CHOLECSEG = {
    "abdominal wall": "abdominal wall",
    "black background": "background",
    "blood": "blood",
    "connective tissue": "connective tissue",
    "fat": "fat",
    "gallbladder": "gallbladder",
    "gastrointestinal tract": "bowel",
    "grasper": "grasper",
    "l-hook electrocautery": "hook",
    "liver": "liver",
}


def _cholecseg(root: Path, entry: dict[str, Any], ids: dict[str, int]) -> LabelledFrame:
    image = _image(root, entry)
    raw = _mask(root, entry, image.shape[:2])
    labels = np.full(raw.shape, IGNORE, np.uint8)
    for code, name in entry["mask_legend"].items():
        if name in _CHOLECSEG:
            labels[raw == int(code)] = ids[_CHOLECSEG[name]]
    return LabelledFrame(_folder(entry), image, labels, None, tuple(ids))


def _instances(root: Path, entry: dict[str, Any], ids: dict[str, int]) -> LabelledFrame:
    image = _image(root, entry)
    labels = np.full(image.shape[:2], REST, np.uint8)
    for name, _, points in _polygons(root, entry):
        cv2.fillPoly(labels, [points], ids.get(name, SOME_INSTRUMENT))
    return LabelledFrame("cholec_instance_seg", image, labels, None, _instruments(ids))


def _polygons(root: Path, entry: dict[str, Any]) -> Iterator[tuple[str, int, np.ndarray]]:
    """Core name, number among its kind and corners (N, 2) of each drawn piece; pieces of a number are one."""
    names = {"bipolar": "bipolar forceps", "clipper": "clip applier", "irrigator": "suction irrigator"}
    for shape in json.loads((root / entry["instance_json"]).read_text())["shapes"]:
        name = names.get(shape["label"], shape["label"])
        yield name, int(shape.get("group_id") or 0), np.round(np.asarray(shape["points"])).astype(np.int32)


def _triplets(root: Path, entry: dict[str, Any], ids: dict[str, int]) -> LabelledFrame | None:
    """Words without masks: every pixel may be anything but an instrument that the frame does not show.

    A frame with neither labels nor the mark that it was looked at says nothing: None.
    """
    labels = entry.get("labels", [])
    if not labels and not entry.get("annotated"):
        return None
    image = _image(root, entry)
    h, w = image.shape[:2]
    words = [(str(label["instrument"]), str(label["verb"]), str(label["target"])) for label in labels]
    tools = tuple(core_tool(*said, label.get("bbox_xywh_norm"), (w, h)) for said, label in zip(words, labels))
    shown = {tool.instrument for tool in tools}
    return LabelledFrame(
        source="cholect50val",
        image=image,
        labels=np.full((h, w), REST, np.uint8),
        activity=activity_of(words),
        annotated=tuple(name for name in _instruments(ids) if name not in shown),
        phase=core_phase(labels[0]["phase"]) if labels else None,
        tools=tools,
    )


_READERS: dict[str, Callable[[Path, dict[str, Any], dict[str, int]], LabelledFrame | None]] = {
    "kvasir_seg": _kvasir,
    "segcol": _segcol,
    "gae": _some_instrument,
    "cataract": _some_instrument,
    "cholec80_video01_tool": _some_instrument,
    "cholecseg8k_crops": _cholecseg,
    "cholecseg8k_grid": _cholecseg,
    "cholec_instance_seg": _instances,
    "cholect50val": _triplets,
    **dict.fromkeys(_EVALUATION_ONLY, _some_instrument),
}
