"""The renderer's entry point: seed and procedure in, one labelled frame out."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from describer.colours import BLOWN_REGION, BLOWN_VIEW, is_blown, mean_colour, name_colour
from describer.errors import InputError
from describer.seg.synth import colonoscopy, effects, esd, laparoscopy
from describer.seg.synth.arrays import Array, Rng
from describer.seg.synth.scene import (
    COLONOSCOPY_ACTIVITIES,
    CORE_NAMES,
    ESD_ACTIVITIES,
    IGNORE,
    LAPAROSCOPY_ACTIVITIES,
    PROCEDURES,
    SynthFrame,
    SynthObject,
)
from describer.seg.synth.stage import Draft, Stage
from describer.types import Appearance, View

_MIX = (0.55, 0.2, 0.25)
_ACTIVITIES = {
    "laparoscopy": LAPAROSCOPY_ACTIVITIES,
    "esd": ESD_ACTIVITIES,
    "colonoscopy": COLONOSCOPY_ACTIVITIES,
}
_BUILDERS = {"laparoscopy": laparoscopy.build, "esd": esd.build, "colonoscopy": colonoscopy.build}
SMALLEST_SIDE_PX = 96
# Objects with less of the frame than this are not described, and their pixels are ignored.
_SMALLEST = 0.0004
_SOME_BLOOD = 0.008  # of the view
_REDDER = 0.04  # more of the light is red than around it: less is not seen as blood


def render(seed: int, procedure: str = "mixed", size_wh: tuple[int, int] = (640, 512)) -> SynthFrame:
    """Render one labelled frame; the same arguments give the same bytes.

    `procedure` is one of laparoscopy, esd, colonoscopy or mixed; `size_wh` is (width, height) in pixels, at
    least 96 each. Raises InputError for other values.
    """
    if procedure not in (*PROCEDURES, "mixed"):
        names = ", ".join((*PROCEDURES, "mixed"))
        raise InputError(f"procedure must be one of {names}, got '{procedure}'.")
    _check(seed, size_wh)
    rng = np.random.default_rng([seed, (*PROCEDURES, "mixed").index(procedure)])
    if procedure == "mixed":
        procedure = str(rng.choice(PROCEDURES, p=_MIX))
    names_of = _ACTIVITIES[procedure]
    activity = names_of[int(rng.integers(len(names_of)))]
    stage = _BUILDERS[procedure](rng, (size_wh[1], size_wh[0]), activity)
    return _finish(rng, stage, procedure, activity)


def render_tools(seed: int, size_wh: tuple[int, int] = (640, 512)) -> SynthFrame:
    """One frame of one to three laparoscopic instruments of any kinds over any tissue; its activity is unknown ("").

    A procedure shows one kind at work and rarely the rest; a model learns kinds several times faster from these.
    Raises InputError as `render` does.
    """
    _check(seed, size_wh)
    rng = np.random.default_rng([seed, len(PROCEDURES) + 1])
    return _finish(rng, laparoscopy.build_tools(rng, (size_wh[1], size_wh[0])), "laparoscopy", "")


def _check(seed: int, size_wh: tuple[int, int]) -> None:
    if min(size_wh) < SMALLEST_SIDE_PX:
        least = (SMALLEST_SIDE_PX, SMALLEST_SIDE_PX)
        raise InputError(f"size_wh must be at least {least}, got {size_wh}; render larger and reduce.")
    if seed < 0:
        raise InputError(f"seed must be 0 or more, got {seed}.")


def _finish(rng: Rng, stage: Stage, procedure: str, activity: str) -> SynthFrame:
    """Smoke, lens and camera over the lit scene; labels cut to the view; objects from the final pixels."""
    canvas = stage.canvas
    veil = effects.smoke(rng, stage.image, stage.smoke_at, stage.smoke_chance)
    inside = effects.scope_border(rng, stage.size_hw, effects.pick_border(rng, procedure))
    image = effects.grade(rng, stage.image, inside)
    image, blurred, dirty = effects.lens(rng, image)
    picture = effects.camera(rng, image, inside)
    if procedure != "laparoscopy" and rng.random() < 0.35:
        inside = effects.overlay_text(rng, picture, inside)
    labels, instances = canvas.labels, canvas.instances
    labels[~inside] = 0
    instances[~inside] = 0
    canvas.cover["smoke"] = veil
    objects = _objects(stage, picture, labels, instances, blurred)
    view = _view(stage, picture, inside, blurred, dirty)
    depth = np.where(inside, stage.depth, 1.0).astype(np.float32)
    return SynthFrame(picture, labels, instances, depth, procedure, activity, objects, view)


def _objects(stage: Stage, picture: Array, labels: Array, instances: Array, blurred: bool) -> tuple[SynthObject, ...]:
    """Every instance still visible; specks are handed to the ignore label."""
    counts = np.bincount(instances.ravel(), minlength=stage.canvas.next_id)
    keep = np.flatnonzero(counts >= max(12, _SMALLEST * instances.size))
    kept = frozenset(int(i) for i in keep if i)
    specks = [i for i in np.flatnonzero(counts) if i and int(i) not in kept]
    if specks:
        lost = np.isin(instances, specks)
        labels[lost] = IGNORE
        instances[lost] = 0
    step = 2 if instances.size > 60000 else 1
    small_ids, small_labels = np.ascontiguousarray(instances[::step, ::step]), labels[::step, ::step]
    small_picture = picture[::step, ::step]
    cover = {name: field[::step, ::step] for name, field in stage.canvas.cover.items()}
    found = []
    for instance in sorted(kept):
        pixels = np.flatnonzero(small_ids == instance)
        if not len(pixels):
            continue
        # Some thousand pixels tell the looks of a large thing as well as all of them.
        where = np.divmod(pixels[:: max(1, len(pixels) // 3000)], small_ids.shape[1])
        draft = stage.drafts.get(instance)
        label = draft.label if draft is not None else CORE_NAMES[int(small_labels[where][0])]
        look = _appearance(small_picture[where], {n: f[where] for n, f in cover.items()}, label, draft, blurred)
        if draft is None:
            found.append(SynthObject(instance, label, look))
            continue
        target = draft.acts_on if draft.acts_on in kept else None
        action = draft.action if target is not None else None
        found.append(SynthObject(instance, label, look, target, action, _visible_tip(stage, draft)))
    return tuple(found)


def _visible_tip(stage: Stage, draft: Draft) -> tuple[float, float] | None:
    """An instrument's tip if it lies in the view."""
    if draft.tip_xy_px is None:
        return None
    x, y = draft.tip_xy_px
    h, w = stage.size_hw
    return (float(x), float(y)) if 0 <= x < w and 0 <= y < h else None


def _appearance(pixels: Array, cover: dict[str, Array], label: str, draft: Draft | None, blurred: bool) -> Appearance:
    """What the final pixels (N, 3) and the effect layers over them show."""
    name: Literal["none", "blood", "smoke", "char"] = "none"
    if label != "blood" and float((cover["blood"] > 0.45).mean()) > 0.15:
        name = "blood"
    elif float((cover["char"] > 0.45).mean()) > 0.15:
        name = "char"
    elif float(cover["smoke"].mean()) > 0.3:
        name = "smoke"
    blown = is_blown(pixels) & (cover["glare"] > 0.4)
    state: Literal["open", "closed"] | None = None
    if draft is not None and draft.state is not None:
        state = "open" if draft.state == "open" else "closed"
    sharp = not blurred and not (draft is not None and draft.moving)
    return Appearance(name_colour(mean_colour(pixels)), name, bool(blown.mean() > BLOWN_REGION), sharp, state)


def redder(picture: Array, part: Array, inside: Array) -> Array:
    """Where ``part`` (H, W) of a picture (H, W, 3) is redder than what lies around it: what one sees as blood."""
    light = picture.astype(np.float32) + 8  # the red share of near black means nothing
    red = light[..., 0] / light.sum(2)

    def mean(of: Array, reach: float) -> Array:
        size = (2 * int(reach * red.shape[1]) + 1,) * 2
        total, count = (cv2.boxFilter(x, -1, size, normalize=False) for x in (red * of, of.astype(np.float32)))
        return np.where(count > 0, total / np.maximum(count, 1), 0.0)

    redder: Array = mean(part, 0.015) - mean(inside & ~part, 0.08) > _REDDER
    return redder


def _view(stage: Stage, picture: Array, inside: Array, blurred: bool, dirty: bool) -> View:
    """The view's disturbances, measured on what was drawn."""
    step = 4 if inside.size > 60000 else 2
    seen = np.nonzero(inside[::step, ::step])
    smoke = float(stage.canvas.cover["smoke"][::step, ::step][seen].mean())
    bloody = stage.canvas.labels[::step, ::step] == CORE_NAMES.index("blood")
    bloody = (bloody | (stage.canvas.cover["blood"][::step, ::step] > 0.45)) & inside[::step, ::step]
    stands_out = bloody & redder(picture[::step, ::step], bloody, inside[::step, ::step])
    blood = float(bloody[seen].mean()) if stands_out[seen].mean() > _SOME_BLOOD else 0.0
    blown = float(is_blown(picture[::step, ::step][seen]).mean())
    return View(
        smoke="heavy" if smoke > 0.4 else ("light" if smoke > 0.12 else "none"),
        blood="a lot" if blood > 0.07 else ("some" if blood > _SOME_BLOOD else "none"),
        glare=blown > BLOWN_VIEW,
        blur=blurred,
        dirt=dirty,
    )
