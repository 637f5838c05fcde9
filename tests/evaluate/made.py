"""Small made-up runs and references, and the frames they speak of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from describer.frames import pixels_sha256
from describer.prompts.grounding import ground
from describer.prompts.sentences import region_sentence, scene_sentence
from describer.records import Record, to_line
from describer.taxonomy import load_taxonomy
from describer.types import Annotation, Description, FrameRef, Provenance, Scene
from tests.scenes import SIZE_WH, disc, rod, scene_of

CORE = load_taxonomy("core")


def scene(i: int) -> Scene:
    """One of a few unlike scenes."""
    parts = [("grasper", rod((0, 10 + 4 * i), (60, 40))), ("liver", disc((100 + 5 * i, 80), (40, 30)))]
    if i % 2:
        parts.append(("polyp", disc((30, 100), (8 + i, 9))))
    return scene_of(*parts, activity=("dissection", "suction")[i % 2])


def told(what: Scene) -> tuple[Description, ...]:
    """The scene's true sentences."""
    said = [ground(region_sentence(what, r.id), what, CORE, r.id, 0.75) for r in what.regions]
    return (*said, ground(scene_sentence(what, None), what, CORE, None, 0.5))


def record(source: str, what: Scene, sha256: str | None = None, taxonomy: str = "core") -> Annotation:
    digest = sha256 or f"{abs(hash(source)) % 16**8:064x}"
    ref = FrameRef(source, 0, None, what.size_wh, digest)
    return Annotation(ref, what, told(what), Provenance("made up", "made up", None, taxonomy))


def records(n: int = 4) -> list[Annotation]:
    """Frames of two videos: a/0.png, b/1.png, a/2.png ..."""
    return [record(f"{'ab'[i % 2]}/{i}.png", scene(i)) for i in range(n)]


def saying(annotation: Annotation, text: str | None) -> Annotation:
    """With another summary; None leaves it out."""
    kept = tuple(d for d in annotation.descriptions if d.region_id is not None)
    return replace(annotation, descriptions=kept if text is None else (*kept, Description(None, text, (), 0.25)))


def write(path: Path, rows: Iterable[Record]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(map(to_line, rows)), encoding="utf-8")
    return path


def write_json(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def write_lines(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def picture(path: Path, seed: int = 0) -> str:
    """Write a noise frame of the scenes' size; returns the hash of its pixels."""
    pixels = np.random.default_rng(seed).integers(0, 255, (SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels_sha256(pixels)
