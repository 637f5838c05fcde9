"""An Annotation as what the page draws: outlines, numbers, colours, and sentences cut where they name a region.

Everything is plain JSON. The page puts every text in as text, never as markup.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from describer.geometry import size_word
from describer.mentions import find_labels
from describer.overlay import badge_places
from describer.taxonomy import Taxonomy
from describer.types import Annotation, Description, Region, Scene

# Okabe and Ito's eight without black, which no one sees on tissue, then lighter ones of Paul Tol's: told apart with
# any kind of colour vision. Lines of the second round are dashed, so that no two look the same.
_COLOURS = (
    "#56B4E9", "#F0E442", "#009E73", "#E69F00", "#CC79A7", "#0072B2", "#D55E00",
    "#EEEEEE", "#99DDFF", "#EEDD88", "#44BB99", "#FFAABB", "#BBCC33", "#EE8866",
)  # fmt: skip
_SOLID = 7
_LONGER_SIDE_PX = 1600
_JPEG_QUALITY = 90
_SURE, _FAIRLY = 0.85, 0.6
# Points of an outline this near to its line are left out, as a share of the picture's longer side.
_SMOOTH = 1 / 1500


def colour_of(region_id: int) -> str:
    """The page's colour of a region's number."""
    return _COLOURS[(region_id - 1) % len(_COLOURS)]


def sureness(confidence: float | None) -> str:
    """A confidence in words and per cent."""
    if confidence is None:
        return "not known how sure"
    word = "sure" if confidence >= _SURE else "fairly sure" if confidence >= _FAIRLY else "unsure"
    # Nothing a model says is certain, whatever its rounding.
    return f"{word}, over 99 %" if confidence >= 0.995 else f"{word}, {100 * confidence:.0f} %"


def data_uri(image: np.ndarray, longer_side_px: int = _LONGER_SIDE_PX) -> str:
    """RGB uint8 ``(H, W, 3)`` as a JPEG inside of the page itself: there is no address others could fetch."""
    scale = longer_side_px / max(image.shape[:2])
    if scale < 1:
        size_wh = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        image = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return jpeg_uri(data.tobytes())


def jpeg_uri(data: bytes) -> str:
    """A JPEG file as an address of its own."""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def depth_uri(depth: np.ndarray | None) -> str | None:
    """A depth map (h, w), NaN where unknown, as a picture: near bright, far dark, unknown black."""
    if depth is None:
        return None
    near = 1 / depth
    known = np.isfinite(near)
    if not known.any():
        return None
    low, high = np.percentile(near[known], [1, 99])
    share = np.clip((np.nan_to_num(near) - low) / max(float(high - low), 1e-9), 0, 1)
    # Cividis looks the same to eyes that do not tell red from green.
    picture = cv2.applyColorMap((255 * share).astype(np.uint8), cv2.COLORMAP_CIVIDIS)[..., ::-1]
    return data_uri(picture * known[..., None].astype(np.uint8))


def outline(mask: np.ndarray) -> str:
    """The border of a bool ``(H, W)`` mask as an SVG path in its pixels, holes included (fill rule evenodd)."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    near_px = max(mask.shape) * _SMOOTH
    pieces = []
    for contour in contours:
        points = cv2.approxPolyDP(contour, near_px, True)[:, 0]
        if len(points) > 2:
            pieces.append("M" + "L".join(f"{x + 0.5:g} {y + 0.5:g}" for x, y in points) + "Z")
    return "".join(pieces)


def parts_of(description: Description, taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """The text in pieces: {"text"}, with "region" where it names one, "ungrounded" where none stands behind it."""
    text = description.text
    spans: list[tuple[int, int, dict[str, Any]]] = [(a, b, {"region": i}) for a, b, i in description.mentions]
    linked = {start for start, _, _ in spans}
    if description.ungrounded:
        for found in find_labels(text, taxonomy):
            if found.start not in linked and text[found.start : found.end] in description.ungrounded:
                spans.append((found.start, found.end, {"ungrounded": True}))
    parts, at = [], 0
    for start, end, marks in sorted(spans, key=lambda span: span[:2]):
        if start < at:
            continue
        if start > at:
            parts.append({"text": text[at:start]})
        parts.append({"text": text[start:end], **marks})
        at = end
    return [*parts, {"text": text[at:]}] if at < len(text) else parts


def view_of(
    annotation: Annotation, taxonomy: Taxonomy, notes: Mapping[int | None, str] | None = None
) -> dict[str, Any]:
    """All that the page shows of a frame beside its pixels.

    ``notes`` are short remarks by region id (None = the whole frame), as "drawn by hand".
    """
    scene, notes = annotation.scene, notes or {}
    said = {description.region_id: description for description in annotation.descriptions}
    places = badge_places(scene, taxonomy)
    regions = []
    for region in scene.regions:
        anchor, badge = places[region.id]
        regions.append(
            {
                **_region(region, scene),
                **_sentence(said.get(region.id), taxonomy),
                "anchor": anchor,
                "badge": badge,
                "note": notes.get(region.id, ""),
            }
        )
    return {
        "name": annotation.frame.source,
        "size_wh": list(scene.size_wh),
        "activities": [
            {"level": said.level, "label": said.label, "sure": sureness(said.score)} for said in scene.activities
        ],
        "summary": _sentence(said.get(None), taxonomy),
        "note": notes.get(None, ""),
        "regions": regions,
        "labels": [label.name for label in taxonomy.labels],
    }


def _sentence(description: Description | None, taxonomy: Taxonomy) -> dict[str, Any]:
    if description is None:
        return {"parts": [], "text": "", "text_sure": "", "refuted": [], "withheld": []}
    return {
        "parts": parts_of(description, taxonomy),
        "text": description.text,
        "text_sure": sureness(description.confidence),
        "refuted": list(description.flags),
        "withheld": list(description.withheld),
    }


def _region(region: Region, scene: Scene) -> dict[str, Any]:
    deeds = [deed for deed in scene.interactions if deed.region_id == region.id and deed.verb]
    return {
        "id": region.id,
        "label": region.label,
        "kind": region.kind,
        "colour": colour_of(region.id),
        "dashed": region.id > _SOLID,
        "path": outline(region.mask.to_array()),
        "box": list(region.box_xyxy),
        "sure": sureness(region.score),
        "place": region.place,
        "size": f"{size_word(region.area_fraction)}, {100 * region.area_fraction:.1f} % of the view",
        "track": region.track_id,
        "touches": _named(scene, scene.related(region.id, "touches")),
        "does": [
            f"{' '.join(filter(None, (deed.verb, deed.target)))} ({sureness(deed.score)})" for deed in deeds
        ],
    }  # fmt: skip


def _named(scene: Scene, ids: Sequence[int]) -> list[dict[str, Any]]:
    return [{"id": i, "label": scene.region(i).label} for i in sorted(set(ids))]
