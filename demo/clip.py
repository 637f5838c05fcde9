"""A clip: its frames annotated one after another, and what the timeline shows of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from describer.demo.limits import Limits
from describer.demo.view import colour_of, jpeg_uri, sureness, view_of
from describer.errors import InputError
from describer.frames import iter_frames
from describer.taxonomy import Taxonomy
from describer.tracked import TrackedDescriber
from describer.types import Annotation, Failure, Frame
from describer.video import sampled_count

if TYPE_CHECKING:
    from describer.pipeline import Describer

_STILL_PX = 960
_STILL_QUALITY = 85
_AT_ONCE = 2
_FOLLOWED = ("instrument", "pathology")


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """What there is of a clip so far: annotations in order and a JPEG of each frame; ``note`` says what is missing."""

    name: str
    total: int
    annotations: tuple[Annotation, ...] = ()
    stills: tuple[bytes, ...] = ()
    note: str = ""
    finished: bool = False
    left_s: float | None = None


def annotate_clip(
    use: Callable[[], AbstractContextManager[Describer]], path: Path, name: str, fps: float, limits: Limits
) -> Iterator[Clip]:
    """The clip with more and more of its frames, followed through time; the last one is ``finished``.

    ``use`` gives the models for a few frames at a time, so that others get their turn in between. InputError when
    the file is no video or too long.
    """
    fps, note = _allowed_rate(path, name, fps, limits)
    clip = Clip(name, sampled_count(path, fps), note=note)
    yield clip
    started_s = time.monotonic()
    tracked: TrackedDescriber | None = None
    for frames, failure in _batches(path, name, fps, limits.clip_frames):
        if frames:
            with use() as describer:
                tracked = tracked or TrackedDescriber(describer)
                made = tracked.annotate_frames(frames)
            stills = tuple(_still(frame.image) for frame in frames)
            annotations = tuple(replace(a, scene=replace(a.scene, depth=None)) for a in made)
            clip = replace(clip, annotations=clip.annotations + annotations, stills=clip.stills + stills)
        if failure:
            clip = replace(clip, note=f"{clip.note} {failure}".strip())
        spent_s = time.monotonic() - started_s
        done = len(clip.annotations)
        if spent_s > limits.clip_work_s and done < clip.total:
            late = f"Stopped after {limits.clip_work_s / 60:.0f} minutes; cut the clip or take fewer frames a second."
            clip = replace(clip, note=f"{clip.note} {late}".strip())
            break
        yield replace(clip, left_s=spent_s / done * max(clip.total - done, 0) if done else None)
    if not clip.annotations:
        raise InputError(clip.note or f"{name}: no frame of the video could be read; export it again.")
    yield replace(clip, finished=True, left_s=None)


def _allowed_rate(path: Path, name: str, fps: float, limits: Limits) -> tuple[float, str]:
    """The rate that keeps the number of frames within the limit, and a word on it where it is another."""
    seconds = sampled_count(path, 1.0)
    if seconds > limits.clip_s:
        raise InputError(f"{name} is {seconds} s long, at most {limits.clip_s:.0f} s are taken; cut it.")
    if sampled_count(path, fps) <= limits.clip_frames:
        return fps, ""
    slower = limits.clip_frames / (seconds + 1)
    return slower, f"Taken at {slower:.2g} frames a second, because at most {limits.clip_frames} frames are described."


def _batches(path: Path, name: str, fps: float, most: int) -> Iterator[tuple[list[Frame], str]]:
    """(frames, what went wrong after them), under the visitor's own name of the file."""
    batch: list[Frame] = []
    for item in iter_frames(str(path), fps=fps, limit=most):
        if isinstance(item, Failure):
            # The file lies under a name of ours; the visitor knows it under theirs.
            yield batch, item.error.replace(str(path), name).replace(path.name, name)
            batch = []
            continue
        source = item.ref.source.replace(path.name, name, 1)
        batch.append(replace(item, ref=replace(item.ref, source=source)))
        if len(batch) == _AT_ONCE:
            yield batch, ""
            batch = []
    if batch:
        yield batch, ""


def _still(image: np.ndarray) -> bytes:
    scale = min(1.0, _STILL_PX / max(image.shape[:2]))
    size_wh = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA) if scale < 1 else image
    return bytes(cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _STILL_QUALITY])[1])


def timeline_of(clip: Clip) -> dict[str, Any]:
    """What the page shows of a clip: rows of stretches, each [first frame, last frame], and the frames' times."""
    times = [a.frame.time_s if a.frame.time_s is not None else float(i) for i, a in enumerate(clip.annotations)]
    return {
        "name": clip.name,
        "times_s": times,
        "total": clip.total,
        "note": clip.note,
        "finished": clip.finished,
        "left_s": clip.left_s,
        "rows": [*_activity_rows(clip.annotations), *_track_rows(clip.annotations)],
    }


def _activity_rows(annotations: Sequence[Annotation]) -> list[dict[str, Any]]:
    levels = dict.fromkeys(said.level for a in annotations for said in a.scene.activities)
    rows = []
    for level in levels:
        labels = [next((s.label for s in a.scene.activities if s.level == level), "") for a in annotations]
        rows.append({"title": level, "colour": "", "stretches": _stretches(labels)})
    return rows


def _track_rows(annotations: Sequence[Annotation]) -> list[dict[str, Any]]:
    """A row for each thing followed, in the order in which they came into view."""
    seen: dict[int, str] = {}
    for annotation in annotations:
        for region in annotation.scene.regions:
            if region.kind in _FOLLOWED and region.track_id is not None:
                seen.setdefault(region.track_id, region.label)
    rows = []
    for track, label in seen.items():
        there = [label if any(r.track_id == track for r in a.scene.regions) else "" for a in annotations]
        rows.append({"title": f"{label} #{track}", "colour": colour_of(track), "stretches": _stretches(there)})
    return rows


def _stretches(labels: Sequence[str]) -> list[dict[str, Any]]:
    """Neighbours alike as one; "" is nothing."""
    found: list[dict[str, Any]] = []
    for i, label in enumerate(labels):
        if found and found[-1]["label"] == label and found[-1]["last"] == i - 1:
            found[-1]["last"] = i
        elif label:
            found.append({"first": i, "last": i, "label": label})
    return found


def frame_of(clip: Clip, index: int, taxonomy: Taxonomy) -> dict[str, Any]:
    """One frame of the clip as the page draws it; InputError when there is none of that number."""
    if not 0 <= index < len(clip.annotations):
        raise InputError(f"the clip has no frame {index}; it has {len(clip.annotations)}.")
    annotation = clip.annotations[index]
    view = view_of(annotation, taxonomy)
    tracks = {region.id: region.track_id for region in annotation.scene.regions}
    for region in view["regions"]:
        # A thing keeps its colour through the clip.
        region["colour"] = colour_of(tracks[region["id"]] or region["id"])
    said = [f"{a.label} ({sureness(a.score)})" for a in annotation.scene.activities]
    picture = jpeg_uri(clip.stills[index])
    return {"index": index, "time_s": annotation.frame.time_s, "view": view, "picture": picture, "said": said}
