"""The project's own rendered scenes: folders that ``describer synth`` wrote (see describer/synthesis.py).

ROOT/synth.json marks them; images/, masks/ (core class ids), depth/ (uint16) and annotations.jsonl, one record a
frame. Every frame is a scene of its own, so every frame is a group.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from describer.errors import RecordError
from describer.pictures import read_image
from describer.records import read_records
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.files import pictures, read_codes, read_map
from describer.seg.datasets.recorded import activity_of, tools_of
from describer.types import Annotation, Failure


def read(root: Path) -> Iterator[Listed]:
    left = {path.stem for path in pictures(root / "images")}
    try:
        for record in read_records(root / "annotations.jsonl"):
            if isinstance(record, Failure):
                yield Problem(record.source, record.error, "render it again")
                continue
            stem = Path(record.frame.source).stem
            missing = [part for part in _parts(stem) if not (root / part).is_file()]
            if missing:
                yield Problem(record.frame.source, f"{' and '.join(missing)} is missing", "run describer synth again")
            else:
                yield _item(root, stem, record)
            left.discard(stem)
    except RecordError as error:
        yield Problem("annotations.jsonl", str(error).removesuffix("."), "run describer synth again")
    for stem in sorted(left):
        yield Problem(f"images/{stem}.jpg", "image without a record", "run the same describer synth again to finish")


def _parts(stem: str) -> tuple[str, str, str]:
    return f"images/{stem}.jpg", f"masks/{stem}.png", f"depth/{stem}.png"


def _item(root: Path, stem: str, record: Annotation) -> Item:
    image, mask, depth = (root / part for part in _parts(stem))
    return Item(
        name=record.frame.source,
        group=stem,
        image=partial(read_image, image),
        codes=partial(read_codes, mask),
        activity=activity_of(record, "activity"),
        phase=activity_of(record, "phase"),
        tools=lambda size_wh: tools_of(record),
        depth=partial(_read_depth, depth),
    )


def _read_depth(path: Path) -> NDArray[np.float32]:
    return read_map(path).astype(np.float32) / 65535.0


DATASET = Dataset(
    name="synth",
    title="scenes rendered by describer synth",
    layout="synth.json, images/, masks/, depth/, annotations.jsonl",
    marks=("synth.json", "annotations.jsonl", "images", "masks"),
    taxonomy="core",
    read=read,
    grouping="every frame is a scene of its own",
    licence="yours: made by this program",
)
