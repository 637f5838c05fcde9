"""The worst and the best items of a run, with what was said and pictures of both sides' regions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from describer.errors import InputError
from describer.eval.reports.report import Case, CasePicture, Cases, ItemScores, Skip, telling
from describer.evaluate.files import Side
from describer.evaluate.matching import Pair
from describer.frames import pixels_sha256, read_image
from describer.overlay import draw_overlay
from describer.taxonomy import load_taxonomy
from describer.types import Annotation
from describer.video import VIDEO_SUFFIXES

_EACH = 4
_WIDEST_PX = 720
_JPEG_QUALITY = 80
# What the items are ranked by, the first that there is.
_RANKED_BY = (
    ("segmentation", "miou"),
    ("vqa", "normalised"),
    ("cider_d", "cider_d"),
    ("rouge_l", "rouge_l"),
    ("entities", "f1"),
)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where frames may lie, tried in order; ``named`` when the user named a folder of frames."""

    roots: tuple[Path, ...]
    named: bool

    @classmethod
    def of(cls, run: Side, references: Side, frames: Path | None) -> Folders:
        """``frames`` first, then the source that the run's run.json names, then beside RUN and REF."""
        roots = [frames] if frames is not None else []
        for side in (run, references):
            source = _source_of_run(side.path.parent / "run.json")
            roots += [] if source is None else [source if source.is_dir() else source.parent]
        return cls(tuple(dict.fromkeys([*roots, run.path.parent, references.path.parent])), frames is not None)

    def picture(self, names: Iterable[str], sha256: frozenset[str]) -> np.ndarray | None:
        """RGB uint8 (H, W, 3) of the first name that is there with the right pixels (``sha256``, if any is known)."""
        for name in names:
            for root in self.roots:
                image = _read(root, name)
                if image is not None and (not sha256 or pixels_sha256(image) in sha256):
                    return image
        return None


def _source_of_run(path: Path) -> Path | None:
    try:
        return Path(json.loads(path.read_text(encoding="utf-8"))["settings"]["source"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no folder of `describer annotate`


def _read(root: Path, name: str) -> np.ndarray | None:
    file, hashed, number = name.rpartition("#")
    path = root / (file if hashed else name)
    if not path.is_file():
        return None
    if hashed and path.suffix.lower() in VIDEO_SUFFIXES and number.isdecimal():
        return _video_frame(path, int(number))
    try:
        return read_image(path)
    except InputError:
        return None


def _video_frame(path: Path, number: int) -> np.ndarray | None:
    # Seeking is inexact in some containers; the pixels are checked against the record's hash afterwards.
    capture = cv2.VideoCapture(str(path))
    try:
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        good, image = capture.read()
    finally:
        capture.release()
    return np.ascontiguousarray(image[:, :, ::-1]) if good else None


def make_cases(
    items: Sequence[ItemScores], pairs: Mapping[str, Pair], folders: Folders
) -> tuple[Cases | None, tuple[Skip, ...]]:
    """Up to four items at each end of the first score that ranks them, and what has no picture.

    None where no score is told of single items.
    """
    ranked = _ranking(items, pairs)
    if ranked is None:
        return None, ()
    order = np.argsort(ranked.values, kind="stable")
    order = order[::-1] if ranked.lower_is_better else order
    few = min(_EACH, (len(order) + 1) // 2)
    worst, best = order[:few], order[::-1][: min(few, len(order) - few)]
    missing: list[str] = []
    ends = [
        tuple(_case(ranked.ids[i], items, pairs[ranked.ids[i]], folders, missing) for i in end) for end in (worst, best)
    ]
    skips = (
        Skip("cases whose frame was not found", len(missing), "shown without a picture; name a folder with --frames",
             tuple(missing[:3])),
    ) if missing else ()  # fmt: skip
    return Cases(f"{ranked.name} of {ranked.about}", ends[0], ends[1]), skips


def _ranking(items: Sequence[ItemScores], pairs: Mapping[str, Pair]) -> ItemScores | None:
    """The scores to rank whole items by: region texts are parts of frames and do not serve."""
    whole = [item for item in items if item.ids and item.ids[0] in pairs]
    named = {(item.metric, item.key): item for item in reversed(whole)}
    return next((named[key] for key in _RANKED_BY if key in named), whole[0] if whole else None)


def _case(name: str, items: Sequence[ItemScores], pair: Pair, folders: Folders, missing: list[str]) -> Case:
    scores: dict[str, float] = {}
    for item in telling(items):
        if name in item.ids:
            scores.setdefault(item.name, item.values[item.ids.index(name)])
    pictures = _pictures(pair, folders)
    # Texts alone may well have no frames: that is worth a note only where frames are to be expected.
    if not pictures and (folders.named or pair.run.record is not None or pair.reference.record is not None):
        missing.append(name)
    return Case(name, scores, pair.run.texts, pair.reference.texts, pair.reference.question, pictures)


def _pictures(pair: Pair, folders: Folders) -> tuple[CasePicture, ...]:
    records = [(title, entry.record) for title, entry in (("run", pair.run), ("truth", pair.reference))]
    known = [(title, record) for title, record in records if isinstance(record, Annotation)]
    hashes = frozenset(record.frame.sha256 for _, record in known)
    names = [
        name.split(" | ", maxsplit=1)[0] for entry in (pair.run, pair.reference) for name in (entry.id, *entry.names)
    ]
    image = folders.picture(dict.fromkeys(names), hashes)
    if image is None:
        return ()
    if not known:
        return (packed_picture("frame", image),)
    size_wh = (image.shape[1], image.shape[0])
    return tuple(
        packed_picture(title, draw_overlay(image, record, load_taxonomy(record.provenance.taxonomy)))
        for title, record in known
        if record.frame.size_wh == size_wh
    )


def packed_picture(title: str, image: np.ndarray) -> CasePicture:
    """RGB uint8 (H, W, 3) as the JPEG of a report, at most 720 px wide."""
    height, width = image.shape[:2]
    if width > _WIDEST_PX:
        width, height = _WIDEST_PX, round(height * _WIDEST_PX / width)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return CasePicture(title, data.tobytes(), (width, height))
