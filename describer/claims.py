"""Checks what a text claims of a scene beyond its entity words: places, entry sides and counts."""

from __future__ import annotations

import re

import numpy as np

from describer.geometry import entry_side, place_of, raster_of, tip_of
from describer.mentions import find_labels
from describer.taxonomy import Taxonomy
from describer.types import PLACES, Description, Region, Scene
from describer.wording import COUNT_WORDS

_ROWS = {"upper": "upper", "top": "upper", "lower": "lower", "bottom": "lower"}
_MIDDLE = ("center", "centre", "middle")
_PLACE = re.compile(
    r"\b(upper|top|lower|bottom|center|centre|middle)[\s-](left|right|center|centre|middle)\b"
    r"|\b(?:in|at|near|around) the (center|centre|middle)\b(?![\s-](?:left|right|center|centre|middle)\b)"
)
_SIDE = re.compile(r"\bfrom the (left|right|top|bottom)\b")
_COUNT = re.compile(rf"\b({'|'.join(COUNT_WORDS)}|\d+)\s+(?:(?:pairs|areas|pieces) of |\w+ )?$")


def contradictions(description: Description, scene: Scene, taxonomy: Taxonomy) -> list[str]:
    """Place and count words of a description that the masks refute, each as one short sentence.

    A place word belongs to the last mention before it in the same sentence. It is right when the region's
    centroid or tip lies there or its mask reaches that cell at all; "from the left" is right when the mask
    reaches that side. A count is refuted when the scene has fewer such regions, and in a description of the
    whole scene also when it has more.
    """
    mentions = {start: region_id for start, _, region_id in description.mentions}
    found = find_labels(description.text, taxonomy)
    lower = description.text.lower()
    out = []
    for i, word in enumerate(found):
        after = lower[word.end : found[i + 1].start if i + 1 < len(found) else len(lower)]
        clause = re.split(r"[.;]", after, maxsplit=1)[0]
        meant = _meant(scene, mentions.get(word.start), word.label, description.region_id)
        out += _count_refuted(lower[: word.start], word.label, scene, description.region_id is None)
        if meant:
            out += _places_refuted(clause, word.label, meant)
    return out


def _meant(scene: Scene, linked: int | None, label: str, about: int | None) -> list[Region]:
    """Regions that a mention can speak of: the described one itself, otherwise any of its label."""
    if linked is None:
        return []
    if linked == about:
        return [scene.region(linked)]
    return [region for region in scene.regions if region.label == label]


def _count_refuted(before: str, label: str, scene: Scene, whole: bool) -> list[str]:
    match = _COUNT.search(before)
    if match is None:
        return []
    word = match.group(1)
    claimed = int(word) if word.isdigit() else COUNT_WORDS[word]
    true = sum(region.label == label for region in scene.regions)
    wrong = claimed > true or (whole and claimed != true) or (claimed == 0 and true > 0)
    return [f"{word} {label}: the masks show {true}"] if wrong else []


def _place_word(match: re.Match[str]) -> str:
    row, column, _ = match.groups()
    if row is None:
        return "center"
    row = _ROWS.get(row, "center")
    column = "center" if column in _MIDDLE else column
    return "center" if row == column == "center" else f"{row} {column}"


def _places_refuted(clause: str, label: str, regions: list[Region]) -> list[str]:
    masks = [raster_of(region.mask) for region in regions] if _speaks_of_places(clause) else []
    out = []
    for match in _PLACE.finditer(clause):
        place = _place_word(match)
        if not any(_reaches(region, mask, place) for region, mask in zip(regions, masks)):
            out.append(f"{label} in the {place}: its mask lies in the {regions[0].place}")
    for match in _SIDE.finditer(clause):
        if not any(_reaches_side(mask, match.group(1)) for mask in masks):
            side = entry_side(masks[0])
            out.append(f"{label} from the {match.group(1)}: its mask enters from {side or 'no side'}")
    return out


def _speaks_of_places(clause: str) -> bool:
    return bool(_PLACE.search(clause) or _SIDE.search(clause))


def _reaches(region: Region, mask: np.ndarray, place: str) -> bool:
    if region.place == place or not mask.any():
        return True
    height, width = mask.shape
    if place_of(tip_of(mask), (width, height)) == place:
        return True
    index = PLACES.index(place)
    ys, xs = np.nonzero(mask)
    row = np.minimum(3 * (ys + 0.5) // height, 2)
    column = np.minimum(3 * (xs + 0.5) // width, 2)
    return bool(np.any((row == index // 3) & (column == index % 3)))


def _reaches_side(mask: np.ndarray, side: str) -> bool:
    edges = {"left": mask[:, :2], "right": mask[:, -2:], "top": mask[:2], "bottom": mask[-2:]}
    return bool(edges[side].any())
