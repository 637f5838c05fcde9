"""The procedural renderer: determinism, agreement of its labels with one another, balance, bad arguments."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from describer.colours import name_colour
from describer.errors import DescriberError
from describer.seg.synth import COLOUR_WORDS, CORE_NAMES, PROCEDURES, SynthFrame, render, render_tools
from describer.seg.synth.effects import smudged
from describer.seg.synth.laparoscopy import EVENTS
from describer.seg.synth.render import redder
from describer.seg.synth.scene import COLONOSCOPY_ACTIVITIES, ESD_ACTIVITIES, IGNORE, LAPAROSCOPY_ACTIVITIES
from describer.taxonomy import load_taxonomy

SIZE = (192, 160)
ACTIVITIES = (*LAPAROSCOPY_ACTIVITIES, *ESD_ACTIVITIES, *COLONOSCOPY_ACTIVITIES)
INSTRUMENTS = CORE_NAMES[1:10]


@pytest.fixture(scope="module")
def frames() -> list[SynthFrame]:
    return [render(seed, procedure, SIZE) for procedure in PROCEDURES for seed in range(24)]


@pytest.mark.parametrize("procedure", [*PROCEDURES, "mixed"])
def test_same_arguments_give_the_same_bytes(procedure: str) -> None:
    first, again = render(11, procedure, SIZE), render(11, procedure, SIZE)
    for name in ("image", "labels", "instances", "depth"):
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes()
    assert (first.objects, first.view, first.activity) == (again.objects, again.view, again.activity)
    assert render(12, procedure, SIZE).image.tobytes() != first.image.tobytes()


def test_shapes_types_and_ranges(frames: list[SynthFrame]) -> None:
    for frame in frames:
        assert frame.image.shape == (160, 192, 3) and frame.image.dtype == np.uint8
        assert frame.labels.shape == (160, 192) and frame.labels.dtype == np.uint8
        assert frame.instances.shape == (160, 192) and frame.instances.dtype == np.uint16
        assert frame.depth.shape == (160, 192) and frame.depth.dtype == np.float32
        assert frame.depth.min() >= 0.1 and frame.depth.max() <= 1.0
        assert set(np.unique(frame.labels)) <= {*range(len(CORE_NAMES)), IGNORE}
        assert frame.image.std() > 8


def test_names_are_the_core_taxonomy() -> None:
    core = load_taxonomy("core")
    assert tuple(label.name for label in sorted(core.labels, key=lambda label: label.code)) == CORE_NAMES[1:]
    assert tuple(core.activities) == ACTIVITIES


def test_objects_and_maps_agree(frames: list[SynthFrame]) -> None:
    for frame in frames:
        ids = {int(i) for i in np.unique(frame.instances) if i}
        assert ids == {item.instance_id for item in frame.objects}
        for item in frame.objects:
            inside = frame.labels[frame.instances == item.instance_id]
            assert set(np.unique(inside)) == {CORE_NAMES.index(item.label)}
            assert item.appearance.colour in COLOUR_WORDS
            if item.acts_on is not None:
                assert item.label in INSTRUMENTS and item.acts_on in ids and item.action
            else:
                assert item.action is None
        assert not frame.instances[(frame.labels == 0) | (frame.labels == IGNORE)].any()
        assert frame.instances[(frame.labels > 0) & (frame.labels != IGNORE)].all()


def test_instruments_stand_before_the_tissue_they_touch(frames: list[SynthFrame]) -> None:
    nearer = []
    for frame in frames:
        for item in frame.objects:
            if item.acts_on is not None:
                tool = np.median(frame.depth[frame.instances == item.instance_id])
                nearer.append(tool < np.median(frame.depth[frame.instances == item.acts_on]))
    assert np.mean(nearer) > 0.7


def test_activity_shows(frames: list[SynthFrame]) -> None:
    """What is done is done with its instrument, unless out of view; resting scenes have none at work."""
    shown: Counter[bool] = Counter()
    for frame in frames:
        labels = {item.label for item in frame.objects}
        if frame.activity in EVENTS:
            shown[EVENTS[frame.activity].instrument in labels] += 1
        if frame.activity == "exploration":
            assert all(item.action is None for item in frame.objects)
        if frame.activity == "inspection":
            assert "snare" not in labels
        if frame.activity == "polypectomy":
            shown["snare" in labels] += 1
        if frame.activity == "marking":
            assert "submucosa" not in labels
        if frame.activity == "submucosal dissection":
            shown["mucosal flap" in labels] += 1
    assert shown[True] > 0.9 * shown.total()


def test_every_activity_and_class_occurs() -> None:
    frames = [render(seed, "mixed", (96, 96)) for seed in range(150)]
    assert {frame.activity for frame in frames} == set(ACTIVITIES)
    assert {item.label for frame in frames for item in frame.objects} == set(CORE_NAMES[1:])


def test_frames_of_tools_show_every_kind_alike() -> None:
    made = [render_tools(seed, SIZE) for seed in range(40)]
    assert made[3].image.tobytes() == render_tools(3, SIZE).image.tobytes()
    assert {frame.activity for frame in made} == {""}
    seen = Counter(item.label for frame in made for item in frame.objects if item.label in INSTRUMENTS)
    kinds = {event.instrument for event in EVENTS.values()}
    assert set(seen) == kinds and min(seen.values()) > 0.25 * max(seen.values())


def test_most_colonoscopies_have_a_polyp() -> None:
    having = [any(o.label == "polyp" for o in render(seed, "colonoscopy", (96, 96)).objects) for seed in range(60)]
    assert 0.6 < np.mean(having) < 0.95


def test_jaws_have_a_state_and_other_instruments_none(frames: list[SynthFrame]) -> None:
    for frame in frames:
        for item in frame.objects:
            jawed = item.label in ("grasper", "bipolar forceps", "scissors", "clip applier", "needle driver")
            assert (item.appearance.state is not None) == jawed


@pytest.mark.parametrize(
    ("rgb", "word"),
    [
        ((10, 10, 10), "black"),
        ((250, 250, 250), "white"),
        ((170, 40, 40), "red"),
        ((90, 20, 18), "dark red"),
        ((225, 185, 80), "yellow"),
        ((80, 110, 190), "blue"),
        ((220, 130, 125), "pink"),
    ],
)
def test_colour_words(rgb: tuple[int, int, int], word: str) -> None:
    assert name_colour(np.array(rgb)) == word


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((0, "dentistry", SIZE), "dentistry"), ((0, "esd", (40, 200)), "size_wh"), ((-1, "esd", SIZE), "seed")],
)
def test_bad_arguments_are_named(arguments: tuple[int, str, tuple[int, int]], named: str) -> None:
    with pytest.raises(DescriberError, match=named):
        render(*arguments)


@pytest.mark.parametrize(("seed", "size_wh", "named"), [(0, (40, 200), "size_wh"), (-1, SIZE, "seed")])
def test_frames_of_tools_refuse_the_same(seed: int, size_wh: tuple[int, int], named: str) -> None:
    with pytest.raises(DescriberError, match=named):
        render_tools(seed, size_wh)


@pytest.mark.parametrize("seed", range(5))
def test_dirt_on_the_lens_can_be_seen(seed: int) -> None:
    clean = np.random.default_rng(seed).uniform(0.1, 0.6, (3, 256, 320)).astype(np.float32)
    change = np.abs(smudged(np.random.default_rng(seed), clean.copy()) - clean).mean(0)
    assert 0.003 < (change > 0.05).mean() < 0.3


def test_blood_is_what_is_redder_than_around_it() -> None:
    picture = np.full((128, 160, 3), (200, 150, 140), np.uint8)
    spot, everywhere = np.zeros((128, 160), bool), np.ones((128, 160), bool)
    spot[50:70, 60:90] = True
    assert not redder(picture, spot, everywhere)[spot].any()
    picture[spot] = (120, 20, 15)
    assert redder(picture, spot, everywhere)[spot].mean() > 0.9
    assert redder(picture, everywhere, everywhere).all()  # nothing but blood in view
    assert not redder(picture.mean(2, keepdims=True).repeat(3, 2), spot, everywhere)[spot].any()
