"""The project's own annotations: what ``describer annotate`` wrote, as a person has corrected it.

ROOT/annotations.jsonl, one record a frame. The frames are looked for below ROOT, below ROOT/images, and where run.json
says that they came from; their pixels must be those that were annotated. A region's pixels are its label; where
regions overlap, instruments lie on top and small things on large ones. Pixels of no region are nothing that is
counted, no instrument and no pathology; what tissue they are is left open, because records drop small parts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from describer.errors import InputError, RecordError
from describer.frames import pixels_sha256
from describer.pictures import read_image
from describer.records import read_records
from describer.seg.codes import REST
from describer.seg.datasets.clip import Clip
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.naming import group_of
from describer.seg.datasets.recorded import activity_of, tools_of
from describer.taxonomy import Taxonomy, load_taxonomy
from describer.types import Annotation, Failure, Region

_RECORDS = "annotations.jsonl"
_LAYERS = ("other", "anatomy", "pathology", "instrument")
_COUNTED = ("pathology", "instrument")


def read(root: Path) -> Iterator[Listed]:
    taxonomy = load_taxonomy(taxonomy_of(root))
    frames = _Frames(root)
    try:
        for record in read_records(root / _RECORDS):
            yield _listed(record, taxonomy, frames)
    except RecordError as error:
        yield Problem(_RECORDS, str(error).removesuffix("."), "mend the file")


def taxonomy_of(root: Path) -> str:
    """The label set of the first annotation, by name or as its file in the folder; InputError when there is none."""
    for record in read_records(root / _RECORDS):
        if isinstance(record, Annotation):
            name = record.provenance.taxonomy
            own = root / f"{name}.yaml"
            return str(own) if own.is_file() else name
    raise InputError(f"{root / _RECORDS} holds no annotated frame; run describer annotate with -o {root}.")


def _listed(record: Annotation | Failure, taxonomy: Taxonomy, frames: _Frames) -> Listed:
    if isinstance(record, Failure):
        return Problem(record.source, record.error.removesuffix("."), "annotate it again or leave it out")
    source = record.frame.source
    if record.provenance.taxonomy != taxonomy.name:
        other = f"annotated with taxonomy {record.provenance.taxonomy!r}, the others with {taxonomy.name!r}"
        return Problem(source, other, "keep one taxonomy a folder")
    odd = sorted(
        {region.label for region in record.scene.regions} - {x.name for x in taxonomy.labels if x.code is not None}
    )
    if odd:
        return Problem(
            source, f"taxonomy {taxonomy.name!r} has no mask code for {', '.join(odd)}", "rename the regions"
        )
    if not frames.has(source):
        return Problem(source, "the annotated frame is not there", f"copy it to {frames.root / 'images' / source}")
    return Item(
        name=source,
        group=group_of(source),
        image=partial(_image, frames, record),
        codes=partial(_codes, record, taxonomy),
        annotated=tuple(label.name for label in taxonomy.labels if label.kind in _COUNTED),
        activity=activity_of(record, "activity"),
        phase=activity_of(record, "phase"),
        tools=lambda size_wh: tools_of(record),
    )


class _Frames:
    """Finds a record's frame again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._clip: Clip | None = None
        self._places = [root, root / "images", root / "frames", *_source_of_run(root)]

    def has(self, source: str) -> bool:
        return self._path(source) is not None

    def image(self, source: str) -> NDArray[np.uint8]:
        path = self._path(source)
        if path is None:
            raise InputError(f"{source}: the annotated frame is not there; restore it.")
        number = source.partition("#")[2]
        if not number:
            return read_image(path)
        if self._clip is None or self._clip.path != path:
            if self._clip is not None:
                self._clip.close()
            self._clip = Clip(path)
        return self._clip.frame(int(number))

    def _path(self, source: str) -> Path | None:
        name = source.partition("#")[0]
        found = (place if place.is_file() and place.name == name else place / name for place in self._places)
        return next((path for path in found if path.is_file()), None)


def _source_of_run(root: Path) -> list[Path]:
    try:
        return [Path(json.loads((root / "run.json").read_text(encoding="utf-8"))["settings"]["source"])]
    except (OSError, ValueError, KeyError, TypeError):
        # An exported or moved folder has no run.json; the frames are then looked for beside the records.
        return []


def _image(frames: _Frames, record: Annotation) -> NDArray[np.uint8]:
    image = frames.image(record.frame.source)
    if pixels_sha256(image) != record.frame.sha256:
        raise InputError(f"{record.frame.source}: its pixels are not those that were annotated; restore the frame.")
    return image


def _codes(record: Annotation, taxonomy: Taxonomy) -> NDArray[np.uint8]:
    width, height = record.frame.size_wh
    codes = np.full((height, width), REST, np.uint8)
    for region in sorted(record.scene.regions, key=_layer):
        code = taxonomy.label(region.label).code
        if code is not None:
            codes[region.mask.to_array()] = code
    return codes


def _layer(region: Region) -> tuple[int, float]:
    return _LAYERS.index(region.kind), -region.area_fraction


DATASET = Dataset(
    name="annotations",
    title="annotations of describer annotate, corrected by a person",
    layout="annotations.jsonl, and the frames beside it or where run.json says; NAME.yaml of a taxonomy of your own",
    marks=(_RECORDS,),
    taxonomy=taxonomy_of,
    read=read,
    grouping="the video, else the folder, else the frame's name without its number",
    licence="yours",
    notes="Uncorrected records teach a model its own mistakes.",
)
