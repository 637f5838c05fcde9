"""Annotations as a COCO instances file: what pycocotools and every labelling tool that reads COCO take.

Masks stay run lengths, boxes become xywh, the score and what else COCO has no field for go to ``attributes``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from describer import __version__
from describer.taxonomy import Taxonomy
from describer.types import Annotation, Region

_USE = "For research and annotation, not for clinical decisions."


def to_coco(annotations: Iterable[Annotation], taxonomy: Taxonomy) -> dict[str, Any]:
    """The COCO dict of the annotations, in their order.

    Images are numbered from 1 and named by their source; category ids are the taxonomy's order from 1, the same in
    every file; each region's sentence is its ``caption``.
    """
    categories = {label.name: i for i, label in enumerate(taxonomy.labels, start=1)}
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for image_id, annotation in enumerate(annotations, start=1):
        width, height = annotation.frame.size_wh
        said = {description.region_id: description.text for description in annotation.descriptions}
        images.append(
            {
                "id": image_id,
                "file_name": annotation.frame.source,
                "width": width,
                "height": height,
                "caption": said.get(None, ""),
                "activities": {activity.level: activity.label for activity in annotation.scene.activities},
            }
        )
        for region in annotation.scene.regions:
            entry = _object(region, len(objects) + 1, image_id, categories[taxonomy.label(region.label).name])
            objects.append({**entry, "caption": said.get(region.id, "")})
    return {
        "info": {"description": _USE, "version": __version__, "contributor": "describer"},
        "licenses": [],
        "images": images,
        "annotations": objects,
        "categories": [
            {"id": categories[label.name], "name": label.name, "supercategory": label.kind} for label in taxonomy.labels
        ],
    }


def _object(region: Region, object_id: int, image_id: int, category_id: int) -> dict[str, Any]:
    x0, y0, x1, y1 = region.box_xyxy
    return {
        "id": object_id,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": {"size": list(region.mask.size_hw), "counts": region.mask.counts},
        "area": region.mask.area_px,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": 0,
        "score": round(region.score, 4),
        "attributes": {"region_id": region.id, "track_id": region.track_id, "place": region.place},
    }
