"""Annotations to and from the JSON on disk: one object a line, masks as COCO compressed RLE.

Numbers are rounded to what they mean (scores 4 decimals, area fractions 5, times 3), so writing what
was read gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from describer.errors import RecordError
from describer.types import (
    SCHEMA_VERSION,
    Activity,
    Annotation,
    Appearance,
    Description,
    Failure,
    FrameRef,
    Interaction,
    Mask,
    Provenance,
    Region,
    Relation,
    Scene,
    View,
)

Record = Annotation | Failure
_Looks = TypeVar("_Looks", Appearance, View)


class TornRecordError(RecordError):
    """The last line of a file stops short: its writer was killed; every line before it is whole."""


def to_line(record: Record) -> str:
    """The record as one line of JSON, with its newline."""
    return json.dumps(to_dict(record), ensure_ascii=False, separators=(", ", ": ")) + "\n"


def to_dict(record: Record) -> dict[str, Any]:
    """The record as the JSON object of the on-disk layout."""
    if isinstance(record, Failure):
        frame: dict[str, Any] = {"source": record.source, "index": record.index}
        return {"schema_version": record.schema_version, "frame": frame, "error": record.error}
    ref = record.frame
    return {
        "schema_version": record.schema_version,
        "frame": {
            "source": ref.source,
            "index": ref.index,
            "time_s": None if ref.time_s is None else round(float(ref.time_s), 3),
            "size_wh": list(ref.size_wh),
            "sha256": ref.sha256,
        },
        "scene": scene_to_dict(record.scene),
        "descriptions": [_description_to_dict(description) for description in record.descriptions],
        "depth": record.depth,
        "provenance": provenance_to_dict(record.provenance),
    }


def scene_to_dict(scene: Scene) -> dict[str, Any]:
    """Regions, relations and activities as they stand in a record."""
    return {
        "regions": [_region_to_dict(region) for region in scene.regions],
        "relations": [[r.subject, r.predicate, r.object] for r in scene.relations],
        "activities": [_activity_to_dict(activity) for activity in scene.activities],
        "interactions": [_interaction_to_dict(deed) for deed in scene.interactions],
        "view": None if scene.view is None else _looks_to_dict(scene.view),
    }


def _looks_to_dict(looks: Appearance | View) -> dict[str, Any]:
    return asdict(looks) | {"scores": {name: round(float(score), 4) for name, score in looks.scores.items()}}


def _interaction_to_dict(deed: Interaction) -> dict[str, Any]:
    return {
        "region_id": deed.region_id,
        "verb": deed.verb,
        "target": deed.target,
        "target_id": deed.target_id,
        "score": round(float(deed.score), 4),
    }


def _activity_to_dict(activity: Activity) -> dict[str, Any]:
    data = {"level": activity.level, "label": activity.label, "score": round(float(activity.score), 4)}
    if activity.raw is None:
        return data
    return {**data, "raw": {"label": activity.raw[0], "score": round(float(activity.raw[1]), 4)}}


def provenance_to_dict(provenance: Provenance) -> dict[str, Any]:
    """What made a record, as it stands in one."""
    return {
        "scene_model": provenance.scene_model,
        "vlm": provenance.vlm,
        "adapter": provenance.adapter,
        "taxonomy": provenance.taxonomy,
        "prompts": dict(provenance.prompts),
        "generation": dict(provenance.generation),
        "version": provenance.version,
    }


def _region_to_dict(region: Region) -> dict[str, Any]:
    return {
        "id": region.id,
        "label": region.label,
        "kind": region.kind,
        "score": round(float(region.score), 4),
        "mask": {"size": list(region.mask.size_hw), "counts": region.mask.counts},
        "box_xyxy": list(region.box_xyxy),
        "area_fraction": round(float(region.area_fraction), 5),
        "place": region.place,
        "depth_rank": region.depth_rank,
        "track_id": region.track_id,
        "appearance": None if region.appearance is None else _looks_to_dict(region.appearance),
    }


def _description_to_dict(description: Description) -> dict[str, Any]:
    return {
        "region_id": description.region_id,
        "text": description.text,
        "mentions": [list(mention) for mention in description.mentions],
        "confidence": None if description.confidence is None else round(float(description.confidence), 4),
        "ungrounded": list(description.ungrounded),
        "flags": list(description.flags),
        "withheld": list(description.withheld),
    }


def from_dict(data: Any) -> Record:
    """The record of a JSON object; keys it does not know are left aside. Raises RecordError."""
    if not isinstance(data, dict):
        raise RecordError(f"a record must be a JSON object, got {type(data).__name__}")
    version = data.get("schema_version")
    if version != SCHEMA_VERSION:
        raise RecordError(f"schema_version is {version!r}, this version of describer reads {SCHEMA_VERSION}")
    try:
        if "error" in data:
            return Failure(str(data["frame"]["source"]), str(data["error"]), int(data["frame"].get("index", 0)))
        return _annotation(data)
    except KeyError as error:
        raise RecordError(f"the key {error.args[0]!r} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"a value has the wrong type or length ({error})") from error


def _annotation(data: Mapping[str, Any]) -> Annotation:
    frame = data["frame"]
    width, height = (int(side) for side in frame["size_wh"])
    ref = FrameRef(frame["source"], int(frame["index"]), frame["time_s"], (width, height), frame["sha256"])
    made = data["provenance"]
    provenance = Provenance(
        made["scene_model"], made["vlm"], made["adapter"], made["taxonomy"],
        dict(made["prompts"]), dict(made["generation"]), made["version"],
    )  # fmt: skip
    descriptions = tuple(_description(entry) for entry in data["descriptions"])
    scene = scene_from_dict(data["scene"], ref.size_wh)
    return Annotation(ref, scene, descriptions, provenance, depth=data.get("depth"))


def scene_from_dict(data: Mapping[str, Any], size_wh: tuple[int, int]) -> Scene:
    """The inverse of ``scene_to_dict``; raises RecordError, or KeyError and TypeError of a damaged dict."""
    return Scene(
        size_wh,
        tuple(_region(entry) for entry in data["regions"]),
        tuple(Relation(int(first), str(predicate), int(second)) for first, predicate, second in data["relations"]),
        tuple(_activity(entry) for entry in data["activities"]),
        tuple(_interaction(entry) for entry in data.get("interactions", ())),  # older records have none
        _looks(View, data.get("view")),
    )


def _looks(kind: type[_Looks], data: Mapping[str, Any] | None) -> _Looks | None:
    """The looks of a record; None where nobody looked, as in older records."""
    return None if data is None else kind(**{field.name: data[field.name] for field in fields(kind)})


def _interaction(data: Mapping[str, Any]) -> Interaction:
    return Interaction(data["region_id"], data["verb"], data["target"], data["target_id"], float(data["score"]))


def _activity(data: Mapping[str, Any]) -> Activity:
    raw = data.get("raw")
    own = None if raw is None else (str(raw["label"]), float(raw["score"]))
    return Activity(data["level"], data["label"], float(data["score"]), own)


def _region(data: Mapping[str, Any]) -> Region:
    height, width = (int(side) for side in data["mask"]["size"])
    x0, y0, x1, y1 = (int(value) for value in data["box_xyxy"])
    return Region(
        id=int(data["id"]),
        label=str(data["label"]),
        kind=data["kind"],
        mask=Mask((height, width), str(data["mask"]["counts"])),
        score=float(data["score"]),
        box_xyxy=(x0, y0, x1, y1),
        area_fraction=float(data["area_fraction"]),
        place=data["place"],
        depth_rank=data["depth_rank"],
        track_id=data["track_id"],
        appearance=_looks(Appearance, data.get("appearance")),
    )


def _description(data: Mapping[str, Any]) -> Description:
    return Description(
        region_id=None if data["region_id"] is None else int(data["region_id"]),
        text=str(data["text"]),
        mentions=tuple((int(start), int(end), int(region)) for start, end, region in data["mentions"]),
        confidence=None if data["confidence"] is None else float(data["confidence"]),
        ungrounded=tuple(str(word) for word in data["ungrounded"]),
        flags=tuple(str(what) for what in data.get("flags", ())),  # older records have none
        withheld=tuple(str(what) for what in data.get("withheld", ())),
    )


def read_records(path: str | Path) -> Iterator[Record]:
    """The records of a JSONL file, one at a time.

    Raises RecordError with ``file:line`` for a damaged line, and TornRecordError when only the last
    line is unfinished (after all whole records have been given).
    """
    for number, line in _lines(Path(path)):
        try:
            yield from_dict(json.loads(line))
        except (ValueError, RecordError) as error:
            if not line.endswith(b"\n") and not isinstance(error, RecordError):
                raise TornRecordError(
                    f"{path}:{number}: the last record is unfinished; run the same describer annotate again."
                ) from error
            reason = str(error) if isinstance(error, RecordError) else "not valid JSON"
            raise RecordError(f"{path}:{number}: {reason}; mend or remove this line.") from error


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise RecordError(f"{path} cannot be read ({error.strerror}); check the path.") from error


def whole_lines_end(path: str | Path) -> int:
    """Byte offset just after the last newline: what follows is a line whose writer was killed."""
    with Path(path).open("rb") as file:
        end = file.seek(0, 2)
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0
