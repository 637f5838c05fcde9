"""Draws a Scene on its frame: outlines and numbers for models, and for people a legend below the picture.

Colours are the taxonomy's. Every mark carries a white halo inside a dark edge, so that it stands out on
any tissue and for any kind of colour vision; the number, not the colour, is what names a region.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from describer.errors import InputError
from describer.taxonomy import Taxonomy
from describer.types import Annotation, Region, Scene

_FILL = 0.16
_WHITE = (255, 255, 255)
_DARK = (18, 20, 24)
_PANEL = (24, 26, 31)
_TEXT = (236, 238, 242)
_MUTED = (150, 156, 166)
_MIN_PANEL_WIDTH_PX = 300
_SHIFT = 3  # OpenCV draws at 1/8 px

_Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Everything that scales with the picture, in px."""

    stroke: int
    radius: int
    font: int

    @classmethod
    def of(cls, size_wh: tuple[int, int]) -> _Sizes:
        side = math.sqrt(size_wh[0] * size_wh[1])
        return cls(max(1, round(side / 280)), max(7, round(side / 54)), max(12, round(side / 44)))


@dataclass(frozen=True, slots=True)
class _Mark:
    """A region on the picture: where its number stands, and the inner point it stands for.

    ``mask`` is uint8 and holds the region's box alone, whose upper left corner is ``corner_xy`` of the picture.
    """

    region: Region
    mask: np.ndarray
    corner_xy: tuple[int, int]
    colour: tuple[int, int, int]
    anchor_xy: tuple[float, float]
    badge_xy: tuple[float, float]


def draw_overlay(image: np.ndarray, what: Annotation | Scene, taxonomy: Taxonomy) -> np.ndarray:
    """The picture for people: light fills, outlines, numbers, and a legend strip below it.

    ``image`` RGB uint8 ``(H, W, 3)`` at the scene's size. The result's rows 0 to H hold the picture, so
    its pixels keep their coordinates; the strip below (never above or beside) has the activity, and each
    region's number, label and score. Where regions are followed through time, #N is a region's track. Raises
    TaxonomyError for a label the taxonomy lacks.
    """
    scene = what.scene if isinstance(what, Annotation) else what
    _check_same_size(image, scene)
    sizes = _Sizes.of(scene.size_wh)
    marks = _marks(scene, taxonomy, scene.size_wh, sizes)
    picture = image.copy()
    for mark in marks:
        _fill(picture, mark)
    _draw_marks(picture, marks, sizes)
    _write_tracks(picture, marks, sizes)
    panel = _panel(scene, marks, sizes)
    canvas = np.empty((picture.shape[0] + panel.shape[0], panel.shape[1], 3), dtype=np.uint8)
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    canvas[: picture.shape[0], picture.shape[1] :] = _PANEL
    canvas[picture.shape[0] :] = panel
    return canvas


def numbered_overlay(image: np.ndarray, scene: Scene, taxonomy: Taxonomy) -> np.ndarray:
    """The picture for models: outlines and numbers only, the same size as ``image``.

    ``image`` RGB uint8 ``(H, W, 3)`` may be a resized copy of the frame: marks are drawn after resizing,
    so they stay sharp. Without regions the picture itself comes back.
    """
    size_wh = (int(image.shape[1]), int(image.shape[0]))
    sizes = _Sizes.of(size_wh)
    picture = image.copy()
    _draw_marks(picture, _marks(scene, taxonomy, size_wh, sizes), sizes)
    return picture


def badge_places(scene: Scene, taxonomy: Taxonomy) -> dict[int, tuple[_Point, _Point]]:
    """Where each region's number stands, by id: (the inner point it stands for, its own place), (x, y) in px."""
    marks = _marks(scene, taxonomy, scene.size_wh, _Sizes.of(scene.size_wh))
    return {mark.region.id: (mark.anchor_xy, mark.badge_xy) for mark in marks}


def _check_same_size(image: np.ndarray, scene: Scene) -> None:
    size_wh = (image.shape[1], image.shape[0])
    if size_wh != scene.size_wh:
        raise InputError(f"the picture is {size_wh} and the scene {scene.size_wh} (W, H); give the scene's own frame.")


def _marks(scene: Scene, taxonomy: Taxonomy, size_wh: tuple[int, int], sizes: _Sizes) -> list[_Mark]:
    """Large regions first, so that small ones are drawn on top; numbers are placed small ones first."""
    regions = sorted(scene.regions, key=lambda region: (region.area_fraction, region.id))
    badges: list[tuple[float, float]] = []
    marks = []
    for region in regions:
        mask: np.ndarray = region.mask.to_array().astype(np.uint8)
        if size_wh != scene.size_wh:
            mask = cv2.resize(mask, size_wh, interpolation=cv2.INTER_NEAREST)
        # What follows is done on the region's box alone: most regions are small, and pictures are large.
        left, top, width, height = _box(region, mask)
        part = np.ascontiguousarray(mask[top : top + height, left : left + width])
        anchor, badge = _place_badge(mask, part, (left, top), badges, sizes.radius)
        badges.append(badge)
        marks.append(_Mark(region, part, (left, top), taxonomy.label(region.label).colour, anchor, badge))
    return marks[::-1]


def _box(region: Region, mask: np.ndarray) -> tuple[int, int, int, int]:
    """x, y, width and height, at least a pixel each: a region may vanish in a small picture."""
    if mask.shape == region.mask.size_hw:
        x0, y0, x1, y1 = region.box_xyxy
        return x0, y0, max(1, x1 - x0), max(1, y1 - y0)
    x, y, width, height = cv2.boundingRect(mask)
    return x, y, max(1, width), max(1, height)


def _place_badge(
    mask: np.ndarray, part: np.ndarray, corner_xy: tuple[int, int], taken: list[_Point], radius: int
) -> tuple[_Point, _Point]:
    """(anchor, badge): the innermost free point of the mask, or beside the mask where it is too thin.

    ``part`` is what of the mask lies in its box, the box's upper left corner being ``corner_xy``.
    """
    left, top = corner_xy
    # A border of zeros: a region cut by the frame's edge keeps its number off that edge.
    inside = cv2.distanceTransform(cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)
    inside = np.ascontiguousarray(inside[1:-1, 1:-1])
    _, _, _, (x, y) = cv2.minMaxLoc(inside)
    anchor = (float(x + left), float(y + top))
    for at in taken:
        cv2.circle(inside, (round(at[0]) - left, round(at[1]) - top), round(2.4 * radius), 0.0, -1)
    _, depth, _, (x, y) = cv2.minMaxLoc(inside)
    if depth >= 0.8 * radius:
        return (float(x + left), float(y + top)), (float(x + left), float(y + top))
    return anchor, _beside(mask, anchor, taken, radius)


def _beside(mask: np.ndarray, anchor: _Point, taken: list[_Point], radius: int) -> _Point:
    """The nearest free place around ``anchor`` whose disc covers least of the mask and of other numbers."""
    height, width = mask.shape
    best, best_cost = anchor, math.inf
    for ring in (1.8, 2.6, 3.6, 5.0):
        for step in range(16):
            angle = 2 * math.pi * step / 16
            x = min(max(anchor[0] + ring * radius * math.cos(angle), 1.3 * radius), width - 1.3 * radius)
            y = min(max(anchor[1] + ring * radius * math.sin(angle), 1.3 * radius), height - 1.3 * radius)
            crowd = sum(max(0.0, 2.4 * radius - math.dist((x, y), other)) for other in taken)
            top, left = max(0, round(y - radius)), max(0, round(x - radius))
            hidden = float(mask[top : top + 2 * radius, left : left + 2 * radius].mean())
            cost = 4.0 * crowd / radius + 3.0 * hidden + 0.4 * math.dist((x, y), anchor) / radius
            if cost < best_cost:
                best, best_cost = (x, y), cost
    return best


def _fill(picture: np.ndarray, mark: _Mark) -> None:
    (x, y), (height, width) = mark.corner_xy, mark.mask.shape
    part = picture[y : y + height, x : x + width]
    tints = np.rint((1 - _FILL) * np.arange(256)[:, None] + _FILL * np.array(mark.colour)).astype(np.uint8)
    part[:] = cv2.copyTo(cv2.LUT(part, tints[None]), mark.mask, part.copy())


def _draw_marks(picture: np.ndarray, marks: list[_Mark], sizes: _Sizes) -> None:
    for mark in marks:
        lines = _outline(mark.mask, mark.corner_xy, sizes.stroke)
        for colour, extra in ((_DARK, 5), (_WHITE, 3), (mark.colour, 0)):
            width_px = sizes.stroke + extra * max(1, sizes.stroke // 2)
            cv2.polylines(picture, lines, True, colour, width_px, cv2.LINE_AA, _SHIFT)
    for mark in marks:
        if mark.badge_xy != mark.anchor_xy:
            ends = np.round(np.array([mark.badge_xy, mark.anchor_xy]) * 2**_SHIFT).astype(np.int32)
            for colour, width_px in ((_DARK, sizes.stroke + 2), (_WHITE, sizes.stroke)):
                cv2.polylines(picture, [ends], False, colour, width_px, cv2.LINE_AA, _SHIFT)
    for mark in marks:
        _stamp(picture, mark.badge_xy, mark.region.id, mark.colour, sizes.radius)


def _outline(mask: np.ndarray, corner_xy: tuple[int, int], stroke: int) -> list[np.ndarray]:
    """Closed contours in 1/8 px, rounded over a few px so that they do not show the pixel staircase."""
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=corner_xy)
    reach = stroke + 1
    lines = []
    for contour in contours:
        points: np.ndarray = contour[:, 0].astype(np.float32)
        if len(points) > 4 * reach:
            ring = np.concatenate([points[-reach:], points, points[:reach]])
            # So smooth a line needs no point a pixel, and drawing costs as much as there are points.
            points = cv2.blur(ring, (1, 2 * reach + 1))[reach:-reach][:: max(1, stroke - 1)]
        lines.append(np.round(points * 2**_SHIFT).astype(np.int32))
    return lines


@functools.lru_cache(maxsize=16)
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


@functools.lru_cache(maxsize=512)
def _badge(number: int, colour: tuple[int, int, int], radius: int) -> Image.Image:
    """RGBA disc of ``colour`` with its number, drawn 4 times as large and reduced for smooth edges."""
    scale, half = 4, radius + 2
    tile = Image.new("RGBA", (2 * half * scale,) * 2, (0, 0, 0, 0))
    draw = ImageDraw.Draw(tile)
    middle = half * scale
    ring = max(1.0, radius / 7)
    for fill, reach in ((_DARK, radius + 1.2), (_WHITE, radius), (colour, radius - ring)):
        draw.circle((middle, middle), reach * scale, fill=(*fill, 255))
    light = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    font = _font(round(radius * scale * (1.25 if number < 10 else 1.0)))
    ink = _DARK if light else _WHITE
    draw.text((middle, middle), str(number), ink, font, "mm", stroke_width=1, stroke_fill=ink)
    return tile.resize((2 * half, 2 * half), Image.Resampling.LANCZOS)


def _stamp(picture: np.ndarray, at_xy: _Point, number: int, colour: tuple[int, int, int], radius: int) -> None:
    """Blend a badge centered at ``at_xy`` onto the picture, clipped at its edges."""
    tile = np.asarray(_badge(number, colour, radius)).astype(np.float32)
    half = tile.shape[0] // 2
    x0, y0 = round(at_xy[0]) - half, round(at_xy[1]) - half
    left, top = max(0, -x0), max(0, -y0)
    part = picture[max(0, y0) : y0 + 2 * half, max(0, x0) : x0 + 2 * half]
    tile = tile[top : top + part.shape[0], left : left + part.shape[1]]
    alpha = tile[:, :, 3:] / 255
    part[:] = np.rint(part * (1 - alpha) + tile[:, :, :3] * alpha).astype(np.uint8)


def _write_tracks(picture: np.ndarray, marks: list[_Mark], sizes: _Sizes) -> None:
    """Each followed region's track below its number."""
    followed = [mark for mark in marks if mark.region.track_id is not None]
    if not followed:
        return
    sheet = Image.fromarray(picture)
    draw = ImageDraw.Draw(sheet)
    font = _font(max(9, round(1.1 * sizes.radius)))
    for mark in followed:
        at_xy = (mark.badge_xy[0], mark.badge_xy[1] + 1.1 * sizes.radius)
        width_px = max(2, sizes.stroke)
        draw.text(at_xy, f"#{mark.region.track_id}", _WHITE, font, "mt", stroke_width=width_px, stroke_fill=_DARK)
    picture[:] = np.asarray(sheet)


def _name(region: Region) -> str:
    return region.label if region.track_id is None else f"{region.label} #{region.track_id}"


def _panel(scene: Scene, marks: list[_Mark], sizes: _Sizes) -> np.ndarray:
    """The strip below the picture: a title line, then the legend in as many columns as fit."""
    width = max(scene.size_wh[0], _MIN_PANEL_WIDTH_PX)
    pad, row = sizes.font, round(1.9 * sizes.font)
    font, title_font = _font(sizes.font), _font(round(1.2 * sizes.font))
    ordered = sorted(marks, key=lambda mark: mark.region.id)
    radius = round(0.68 * sizes.font)
    score_px = font.getlength("0.00")
    label_px = max((font.getlength(_name(mark.region)) for mark in ordered), default=0.0)
    cell = 2 * radius + label_px + score_px + 3.2 * pad
    columns = max(1, min(int((width - pad) // cell), len(ordered) or 1))
    rows = math.ceil(len(ordered) / columns)
    # Fill the width with what the rows need, so that a legend of two rows is not one full and one short.
    columns = math.ceil(len(ordered) / rows) if rows else 1
    step = (width - pad) / columns if rows > 1 else min(cell, (width - pad) / columns)
    title_h = round(2.4 * sizes.font)
    sheet = Image.new("RGB", (width, title_h + rows * row + pad // 2), _PANEL)
    draw = ImageDraw.Draw(sheet)
    _title(draw, scene, (pad, title_h // 2), title_font, font)
    strip = np.array(sheet)
    sheet_marks = [(mark, pad + (i % columns) * step, title_h + (i // columns + 0.5) * row - 0.2 * row)
                   for i, mark in enumerate(ordered)]  # fmt: skip
    for mark, x, y in sheet_marks:
        _stamp(strip, (x + radius, y), mark.region.id, mark.colour, radius)
    labelled = Image.fromarray(strip)
    draw = ImageDraw.Draw(labelled)
    for mark, x, y in sheet_marks:
        text_x = x + 2 * radius + 0.6 * pad
        draw.text((text_x, y), _name(mark.region), font=font, fill=_TEXT, anchor="lm")
        score_x = text_x + font.getlength(_name(mark.region)) + 0.6 * pad
        draw.text((score_x, y), f"{mark.region.score:.2f}", font=font, fill=_MUTED, anchor="lm")
    return np.asarray(labelled)


def _title(draw: ImageDraw.ImageDraw, scene: Scene, at_xy: tuple[int, int], font: Any, small: Any) -> None:
    x: float = at_xy[0]
    y = at_xy[1]
    for activity in scene.activities:
        draw.text((x, y), activity.label, font=font, fill=_TEXT, anchor="lm")
        x += font.getlength(activity.label) + 0.5 * at_xy[0]
        draw.text((x, y), f"{activity.score:.2f}", font=small, fill=_MUTED, anchor="lm")
        x += small.getlength("0.00") + 1.2 * at_xy[0]
    count = len(scene.regions)
    words = "no regions found" if count == 0 else f"{count} region{'s' if count > 1 else ''}"
    draw.text((x, y), words, font=small, fill=_MUTED, anchor="lm")
