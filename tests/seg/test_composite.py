"""Composites: every pasted pixel is labelled and nothing else changes its label; shafts come in over the border."""

from __future__ import annotations

import numpy as np
import pytest

from describer.errors import InputError
from describer.seg.codes import IGNORE, REST, SOME_INSTRUMENT
from describer.seg.synth.composite import Background, Composite, CutOut, composite, cut_out, cut_out_picture, view_of

HW = (96, 120)
GRASPER, HOOK = 1, 3


def frame(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Reddish tissue with grey instruments."""
    noise = np.random.default_rng(seed).integers(-9, 9, (*labels.shape, 3))
    colour = np.where((labels == REST)[..., None], (170, 90, 80), (120, 122, 126))
    return (colour + noise).clip(0, 255).astype(np.uint8)


def bar(code: int, rows: slice, columns: slice) -> np.ndarray:
    labels = np.full(HW, REST, np.uint8)
    labels[rows, columns] = code
    return labels


def pieces() -> list[CutOut]:
    labels = bar(GRASPER, slice(40, 54), slice(0, 60))
    labels[70:, 80:92] = HOOK
    return cut_out(frame(labels), labels, (GRASPER, HOOK))


def tissue(labels: np.ndarray | None = None) -> Background:
    labels = np.full(HW, REST, np.uint8) if labels is None else labels
    return Background(frame(labels, 1), labels, np.zeros(HW, np.uint16))


def made(seed: int, background: Background | None = None) -> Composite:
    return composite(background or tissue(), pieces(), np.random.default_rng(seed))


def test_instruments_are_cut_out_with_their_entry_and_tip() -> None:
    grasper, hook = pieces()
    assert (grasper.code, hook.code) == (GRASPER, HOOK)
    assert grasper.rgb.shape[:2] == grasper.alpha.shape and abs(grasper.alpha.shape[1] - 60) <= 2
    assert grasper.entry_xy_px[:, 0].max() < 5 and grasper.tip_xy_px[0] > 55
    assert hook.entry_xy_px[:, 1].min() > 20 and hook.tip_xy_px[1] < 5


@pytest.mark.parametrize(
    ("rows", "columns", "why"),
    [
        (slice(40, 54), slice(20, 60), "touches no border"),
        (slice(40, 54), slice(0, 120), "goes across the view"),
        (slice(40, 42), slice(0, 6), "a speck"),
        (slice(0, 60), slice(0, 90), "fills the view"),
    ],
)
def test_what_is_no_cut_out(rows: slice, columns: slice, why: str) -> None:
    labels = bar(GRASPER, rows, columns)
    assert cut_out(frame(labels), labels, (GRASPER,)) == [], why


def test_a_round_view_is_a_border_too() -> None:
    ys, xs = np.mgrid[: HW[0], : HW[1]]
    outside = np.hypot(ys - 48, xs - 60) > 46
    labels = bar(GRASPER, slice(42, 54), slice(0, 60))
    image = frame(labels)
    image[outside] = 0
    assert np.mean(view_of(image) != ~outside) < 0.03
    (cut,) = cut_out(image, labels, (GRASPER,))
    assert cut.alpha.shape[1] < 50  # the part in the dark is not there
    labels[:] = REST
    result = composite(Background(image, labels, np.zeros(HW, np.uint16)), [cut], np.random.default_rng(0))
    assert result.pasted and not result.instances[outside & ~view_of(image)].any()


@pytest.mark.parametrize("seed", range(6))
def test_labels_say_what_was_pasted_and_nothing_else_changes(seed: int) -> None:
    known = np.full(HW, 10, np.uint8)
    known[:, 90:] = SOME_INSTRUMENT
    known[:20] = IGNORE
    background = tissue(known)
    result = made(seed, background)
    assert result.pasted
    for thing in result.pasted:
        here = result.instances == thing.instance_id
        assert here.any() and (result.labels[here] == thing.code).all()
        rows, columns = np.nonzero(here)
        at_border = rows.min() == 0 or columns.min() == 0 or rows.max() == HW[0] - 1 or columns.max() == HW[1] - 1
        assert at_border, "an instrument floats"
        if thing.tip_xy_px is not None:
            assert here[int(thing.tip_xy_px[1]), int(thing.tip_xy_px[0])]
    elsewhere = result.instances == 0
    assert (result.labels == known)[elsewhere].all()
    assert set(np.unique(result.instances)) == {0, *(thing.instance_id for thing in result.pasted)}
    assert background.labels is known and not background.instances.any()


def test_beside_its_mask_an_instrument_only_casts_a_shadow() -> None:
    brighter = []
    for seed in range(12):
        background = tissue()
        result = made(seed, background)
        away = np.ones(HW, bool)
        for y, x in zip(*np.nonzero(result.instances), strict=True):
            away[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = False
        brighter.append((result.image.astype(int) - background.image)[away].max())
    # Smoke, which one frame in eight has, lies over everything.
    assert sorted(brighter)[len(brighter) // 2] <= 1


def test_the_same_seed_gives_the_same_frame() -> None:
    first, again, other = made(3), made(3), made(4)
    for name in ("image", "labels", "instances"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert first.pasted == again.pasted and not np.array_equal(first.image, other.image)


def test_instances_of_the_background_keep_their_ids() -> None:
    labels = np.full(HW, REST, np.uint8)
    labels[:, :30] = HOOK
    instances = np.where(labels == HOOK, 7, 0).astype(np.uint16)
    result = composite(Background(frame(labels), labels, instances), pieces(), np.random.default_rng(1))
    assert min(thing.instance_id for thing in result.pasted) == 8
    assert (result.labels[result.instances == 7] == HOOK).all()


def test_a_picture_with_transparency_is_brought_to_the_size_of_an_instrument() -> None:
    rgba = np.zeros((300, 900, 4), np.uint8)
    rgba[100:200, 100:] = (90, 90, 95, 255)
    cut = cut_out_picture(rgba, HOOK, (HW[1], HW[0]))
    assert cut is not None and abs(cut.alpha.shape[1] - 0.6 * HW[1]) <= 2
    assert cut.entry_xy_px[:, 0].min() > 60 and cut.tip_xy_px[0] < 3
    assert cut.rgb[cut.alpha > 0].min() >= 85  # no dark fringe where it is transparent
    for opaque in (np.s_[0:0, 0:0], np.s_[100:200, 100:800]):
        nothing = np.zeros_like(rgba)
        nothing[opaque] = 255
        assert cut_out_picture(nothing, HOOK, (HW[1], HW[0])) is None


def test_a_black_picture_has_no_room() -> None:
    dark = Background(np.zeros((*HW, 3), np.uint8), np.full(HW, REST, np.uint8), np.zeros(HW, np.uint16))
    result = composite(dark, pieces(), np.random.default_rng(0))
    assert result.pasted == () and not result.image.any()


def test_a_background_s_labels_are_of_its_size() -> None:
    with pytest.raises(InputError, match="same size"):
        Background(np.zeros((*HW, 3), np.uint8), np.zeros((4, 4), np.uint8), np.zeros(HW, np.uint16))
