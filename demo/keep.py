"""Annotations out of the page: as files for the visitor, and into a folder that training reads."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np
from PIL import Image

from describer.demo.visit import Visit
from describer.errors import OutputError, RecordError
from describer.export.coco import to_coco
from describer.records import read_records, to_line
from describer.taxonomy import Taxonomy
from describer.types import Annotation

_writing = threading.Lock()


def native_text(annotations: Sequence[Annotation]) -> str:
    """One record a line, as `describer annotate` writes them."""
    return "".join(map(to_line, annotations))


def coco_text(annotations: Sequence[Annotation], taxonomy: Taxonomy) -> str:
    """A COCO instances file."""
    return json.dumps(to_coco(annotations, taxonomy), ensure_ascii=False)


def save_for_training(visit: Visit, folder: Path) -> str:
    """Put the frame and its record into ``folder``, which `describer train scene --data` reads; its name there.

    The frame is written as PNG, so that its pixels stay those that were annotated. A frame that was saved before gets
    its new record in the old one's place. OutputError when the folder cannot be written.
    """
    with _writing:
        try:
            return _save(visit, folder)
        except OSError as error:
            raise OutputError(f"{folder} cannot be written ({error.strerror or error}); check --save-to.") from error
        except RecordError as error:
            raise OutputError(f"{str(error).rstrip('.')}; mend it before more is saved.") from error


def _save(visit: Visit, folder: Path) -> str:
    records = folder / "annotations.jsonl"
    name = _free_name(visit, folder)
    annotation = replace(visit.annotation, frame=replace(visit.annotation.frame, source=name))
    (folder / "images").mkdir(parents=True, exist_ok=True)
    _write_picture(visit.frame.image, folder / "images" / name)
    kept = [record for record in _records(records) if record.frame.source != name]
    _replace(records, native_text([*kept, annotation]).encode())
    return name


def _free_name(visit: Visit, folder: Path) -> str:
    """The frame's name as PNG; with some of its pixels' hash where another frame has that name."""
    ref = visit.frame.ref
    name = f"{PurePath(ref.source).stem or 'frame'}.png"
    taken = {record.frame.source: record.frame.sha256 for record in _records(folder / "annotations.jsonl")}
    return name if taken.get(name, ref.sha256) == ref.sha256 else f"{PurePath(name).stem}-{ref.sha256[:8]}.png"


def _records(path: Path) -> list[Annotation]:
    if not path.exists():
        return []
    return [record for record in read_records(path) if isinstance(record, Annotation)]


def _write_picture(image: np.ndarray, path: Path) -> None:
    temporary = path.with_suffix(".partial")
    Image.fromarray(image).save(temporary, format="PNG")
    temporary.replace(path)


def _replace(path: Path, data: bytes) -> None:
    """So that a reader finds the old file or the new one, never half of one."""
    temporary = path.with_suffix(".partial")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
