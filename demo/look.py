"""A picture to its annotation, and what a visitor marks by hand to one more region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from describer.demo.visit import Visit
from describer.errors import InputError
from describer.frames import as_frame
from describer.pick import as_mask, region_at
from describer.seg.regions import add_region
from describer.types import Annotation, Frame

if TYPE_CHECKING:
    from describer.pipeline import Describer

_MOST_POINTS = 20_000
_BY_HAND = "marked by hand"
_NOT_SURGICAL = (
    "Hardly anything here has the colours of tissue. If this is not an endoscopic or laparoscopic frame, none of what "
    "is said of it holds."
)
_NOTHING = "The model found nothing here. Mark a place by hand, or try another frame."
# Share of the lit pixels that are reddish to yellow. Photographs, screenshots and noise had 0.04 to 0.37; of 20 sets of
# endoscopic frames 15 lie above 0.6 throughout, while bluish cameras and narrow-band light fall below: hence a word of
# doubt and no refusal. What the model is sure of does not tell: it is as sure of photographs.
_WARM_SHARE = 0.38
_LIT = 40
_SMALL_WH = (96, 72)


def look_at(describer: Describer, image: np.ndarray, name: str) -> Visit:
    """A visitor's picture, RGB uint8 ``(H, W, 3)``, as `Describer.annotate` sees it."""
    frame = as_frame(image, source=name)
    annotation = describer.annotate_frames([frame])[0]
    note = doubt(annotation, image)
    return Visit(frame, annotation, {None: note} if note else {})


def doubt(annotation: Annotation, image: np.ndarray) -> str:
    """One line where the picture, RGB uint8 ``(H, W, 3)``, may show no surgery, else nothing."""
    if not annotation.scene.regions:
        return _NOTHING
    small = cv2.resize(image, _SMALL_WH, interpolation=cv2.INTER_AREA).astype(np.float32)
    red, green, blue = small[..., 0], small[..., 1], small[..., 2]
    lit = small.max(axis=-1) > _LIT
    warm = lit & (red > 1.12 * blue) & (red >= 0.95 * green)
    return _NOT_SURGICAL if np.count_nonzero(warm) < _WARM_SHARE * np.count_nonzero(lit) else ""


def mark(describer: Describer, visit: Visit, drawn: Mapping[str, Any]) -> tuple[Visit, int]:
    """The visit with what is marked, and that region's id.

    ``drawn`` is what `pointed` reads. A point or box on a found region means that region; else a region is made
    of the marked pixels, named as what the model sees most of in them, and described.
    """
    scene = visit.annotation.scene
    target = pointed(drawn, scene.size_wh)
    found = region_at(scene, target)
    if found is not None:
        return visit, found.id
    mask = as_mask(target, (scene.size_wh[1], scene.size_wh[0]))
    label, score = describer.scene_model.name_of(visit.frame.image, mask)
    larger, region_id = add_region(scene, mask, label, describer.taxonomy.label(label).kind, score)
    said = describer.annotate_frames([visit.frame], [larger])[0].descriptions
    own = [description for description in said if description.region_id == region_id]
    before = visit.annotation.descriptions
    annotation = replace(visit.annotation, scene=larger, descriptions=(*before[:-1], *own, *before[-1:]))
    visit = replace(visit, notes={**visit.notes, region_id: _BY_HAND})
    return visit.corrected(annotation, f"region {region_id} ({label}) {_BY_HAND}"), region_id


def describe_again(describer: Describer, visit: Visit) -> Visit:
    """The texts anew, of the scene as corrected; those that a person wrote stay."""
    fresh = describer.annotate_frames([visit.frame], [visit.annotation.scene])[0]
    kept = {said.region_id: said for said in visit.annotation.descriptions if said.region_id in visit.by_hand}
    said = tuple(kept.get(description.region_id, description) for description in fresh.descriptions)
    return visit.corrected(replace(visit.annotation, descriptions=said), "texts written anew by the model")


def pointed(drawn: Mapping[str, Any], size_wh: tuple[int, int]) -> np.ndarray | tuple[float, ...]:
    """A point (x, y), a box (x0, y0, x1, y1) or a painted bool ``(H, W)`` mask, in pixels of the frame.

    ``drawn`` comes from the browser: {"point": [x, y]}, {"box": [x0, y0, x1, y1]}, or {"strokes": [[[x, y], ...],
    ...], "radius": px}. InputError for anything else.
    """
    try:
        if "point" in drawn:
            x, y = (float(value) for value in drawn["point"])
            return x, y
        if "box" in drawn:
            x0, y0, x1, y1 = (float(value) for value in drawn["box"])
            return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
        return _painted(drawn["strokes"], float(drawn["radius"]), size_wh)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError("the mark could not be read; draw it again.") from error


def _painted(strokes: Sequence[Sequence[Sequence[float]]], radius_px: float, size_wh: tuple[int, int]) -> np.ndarray:
    if sum(len(stroke) for stroke in strokes) > _MOST_POINTS:
        raise InputError("that is too much paint for one mark; draw it in larger strokes.")
    mask = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    width_px = int(np.clip(2 * radius_px, 1, max(size_wh)))
    for stroke in strokes:
        points = np.array(stroke, dtype=np.float64).reshape(-1, 2)
        if len(points) and np.isfinite(points).all():
            # Strokes may leave the frame; far coordinates would overflow OpenCV's.
            points = np.clip(points, -width_px, np.add(size_wh, width_px))
            cv2.polylines(mask, [np.rint(points).astype(np.int32)], False, 1, width_px)
    if not mask.any():
        raise InputError("nothing is painted; draw over what you mean.")
    return mask.astype(bool)


def still_of(image: np.ndarray, annotation: Annotation) -> Visit:
    """A visit of a frame annotated before, as one of a clip's."""
    return Visit(Frame(image, annotation.frame), annotation)


def too_long(text: str, most_chars: int, what: str) -> str:
    """The text, stripped; InputError when it is longer than the page takes."""
    text = str(text).strip()
    if len(text) > most_chars:
        raise InputError(f"{what} has {len(text)} characters, at most {most_chars} are taken; shorten it.")
    return text
