"""`describer synth`: a folder of rendered frames with every label they were made from.

OUT/images/000000.jpg        RGB                   OUT/depth/000000.png   uint16, 65535 = farthest, 1024 steps
OUT/masks/000000.png         core class ids        OUT/annotations.jsonl  true scenes and sentences
OUT/instances/000000.png     uint16 instance ids   OUT/questions.jsonl    questions and true answers
OUT/synth.json               seed, procedure, size: enough to make the same bytes again
"""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from describer import __version__
from describer.errors import InputError, OutputError
from describer.frames import pixels_sha256, read_image
from describer.prompts.grounding import ground
from describer.prompts.questions import questions
from describer.prompts.sentences import region_sentence, scene_sentence
from describer.records import to_line
from describer.seg.synth import SMALLEST_SIDE_PX, SynthFrame, render
from describer.seg.truth import true_scene, visible_tips
from describer.taxonomy import load_taxonomy
from describer.types import Annotation, Appearance, Description, FrameRef, Provenance, Scene

PROCEDURES = ("laparoscopy", "esd", "colonoscopy", "mixed")
_FOLDERS = ("images", "masks", "instances", "depth")
# Maps of few values pack best unfiltered, a slope as differences to the left; both several times cheaper than
# letting the encoder try every filter.
FLAT_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
_SLOPE_PNG = [
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB),
]
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt


def true_descriptions(scene: Scene, looks: dict[int, Appearance], view: Any) -> tuple[Description, ...]:
    """The true sentences of a rendered scene: one a region, then the whole."""
    taxonomy = load_taxonomy("core")
    said = [ground(region_sentence(scene, r.id, looks.get(r.id)), scene, taxonomy, r.id, 1.0) for r in scene.regions]
    return (*said, ground(scene_sentence(scene, view), scene, taxonomy, None, 1.0))


def true_annotation(
    frame: SynthFrame, source: str, index: int, stored: np.ndarray | None = None
) -> tuple[Annotation, dict[int, Appearance]]:
    """The record of a rendered frame, all of it true, and the looks of its regions.

    The hash is that of ``stored``, what a reader of the source sees, where that differs from the frame's image.
    """
    scene, looks = true_scene(frame, load_taxonomy("core"))
    size_wh = (frame.image.shape[1], frame.image.shape[0])
    ref = FrameRef(source, index, None, size_wh, pixels_sha256(frame.image if stored is None else stored))
    made = Provenance("synth", "synth", None, "core", version=__version__)
    return Annotation(ref, scene, true_descriptions(scene, looks, frame.view), made), looks


def kept_frame(folder: Path, source: str, index: int, frame: SynthFrame) -> tuple[Annotation, dict[int, Appearance]]:
    """Write a rendered frame's picture to ``folder/source``, a JPEG; its true record and the looks of its regions."""
    save_image(folder / source, frame.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    return true_annotation(frame, source, index, read_image(folder / source))


def _write_one(job: tuple[Path, int, int, str, tuple[int, int]]) -> tuple[str, list[str]]:
    out, index, seed, procedure, size_wh = job
    frame = render(seed, procedure, size_wh)
    name = f"{index:06d}"
    record, looks = kept_frame(out, f"images/{name}.jpg", index, frame)
    save_image(out / "masks" / f"{name}.png", frame.labels, FLAT_PNG)
    save_image(out / "instances" / f"{name}.png", frame.instances, FLAT_PNG)
    save_image(out / "depth" / f"{name}.png", _depth_levels(frame.depth), _SLOPE_PNG)
    tips = visible_tips(record.scene, frame)
    asked = questions(record.scene, looks, frame.view, np.random.default_rng([seed, 7]), tips=tips)
    lines = [
        json.dumps(
            {
                "source": record.frame.source,
                "question": q.question,
                "answer": q.answer,
                "type": q.type,
                "kind": q.kind,
                "region_ids": list(q.region_ids),
                "about": q.about,
                "choices": list(q.choices),
            }
        )
        for q in asked
    ]
    return to_line(record), lines


def _depth_levels(depth: np.ndarray) -> np.ndarray:
    """Relative depth as uint16: 1024 even steps from 0 to 65535, the farthest pixel 65535."""
    steps = np.round(depth * np.float32(1023 / depth.max())).astype(np.uint16)
    return (steps << 6) | (steps >> 4)


def save_image(path: Path, image: np.ndarray, options: list[int]) -> None:
    """Encode an array as OpenCV does and write it; OutputError when it cannot be written."""
    done, data = cv2.imencode(path.suffix, image, options)
    if not done:
        raise OutputError(f"{path} could not be encoded; report this with the seed.")
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}); choose another folder.") from error


def _start_worker() -> None:
    # One OpenCV thread each: more would fight over the cores that the other workers use.
    cv2.setNumThreads(1)
    # Freed full-frame arrays go back to the system and are zeroed again at the next use, a fifth of all time.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 27)
        mallopt(_M_TRIM_THRESHOLD, 1 << 28)


def parallel(function: Callable[[Any], Any], jobs: list[Any], workers: int) -> Iterator[Any]:
    """``map`` over processes, in order; in this process when one worker is enough."""
    if workers <= 1 or len(jobs) < 4:
        yield from map(function, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(workers, initializer=_start_worker) as pool:
        yield from pool.imap(function, jobs, chunksize=1)


def write_dataset(
    out: str | Path,
    n: int,
    seed: int = 0,
    procedure: str = "mixed",
    size_wh: tuple[int, int] = (640, 512),
    workers: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Path:
    """Render ``n`` labelled frames into ``out``; the same arguments give the same bytes.

    InputError for an unknown procedure, n < 1, a side under 96 px or a negative seed; OutputError when ``out``
    holds anything but these same frames, perhaps unfinished.
    """
    if procedure not in PROCEDURES:
        raise InputError(f"--procedure {procedure!r} is unknown; use one of {', '.join(PROCEDURES)}.")
    if n < 1:
        raise InputError(f"--n must be at least 1, got {n}.")
    if min(size_wh) < SMALLEST_SIDE_PX:
        raise InputError(f"--size {size_wh[0]}x{size_wh[1]} is too small; use at least {SMALLEST_SIDE_PX} px a side.")
    if seed < 0:
        raise InputError(f"--seed must be 0 or more, got {seed}.")
    folder = Path(out)
    settings = {"n": n, "seed": seed, "procedure": procedure, "size_wh": list(size_wh), "version": __version__}
    prepare_folder(folder, settings)
    jobs = [(folder, i, seed * 1_000_003 + i, procedure, size_wh) for i in range(n)]
    with (
        (folder / "annotations.jsonl").open("w", encoding="utf-8", newline="\n") as records,
        (folder / "questions.jsonl").open("w", encoding="utf-8", newline="\n") as asked,
    ):
        for line, lines in parallel(_write_one, jobs, workers or os.cpu_count() or 1):
            records.write(line.rstrip("\n") + "\n")
            asked.writelines(f"{text}\n" for text in lines)
            if progress is not None:
                progress(1)
    return folder


def _read_marker(marker: Path) -> Any:
    try:
        return json.loads(marker.read_text(encoding="utf-8"))
    except ValueError:
        return None


def prepare_folder(folder: Path, settings: dict[str, Any], parts: tuple[str, ...] = _FOLDERS) -> None:
    """Make a synth folder with its parts and synth.json; OutputError when it holds anything of other settings."""
    marker = folder / "synth.json"
    try:
        filled = folder.exists() and any(folder.iterdir())
        if filled and not marker.is_file():
            raise OutputError(f"{folder} is not empty and was not made by `describer synth`; choose another folder.")
        if filled and _read_marker(marker) != settings:
            raise OutputError(f"{folder} holds frames of other synth options (synth.json); choose another folder.")
        for name in parts:
            (folder / name).mkdir(parents=True, exist_ok=True)
        marker.write_text(json.dumps(settings, indent=1) + "\n")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}); choose another folder.") from error
