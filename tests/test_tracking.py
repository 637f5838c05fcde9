"""Regions followed through time: ids through crossings, flicker, leaving and coming back; activities smoothed."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from describer.records import scene_from_dict, scene_to_dict
from describer.tracking import Tracker, best_pairs, sequence_of
from describer.types import Activity, FrameRef, Scene
from tests.scenes import SIZE_WH, disc, random_scene, rod, scene_of

W, H = SIZE_WH


def ref_of(index, time_s=None):
    return FrameRef(f"f{index}.png", index, time_s, SIZE_WH, "0" * 64)


def followed(scenes, fps=None):
    """The scenes of successive frames with their track ids; None stands for a frame that could not be read."""
    tracker, out = Tracker(), []
    for i, scene in enumerate(scenes):
        if scene is not None:
            ref = ref_of(i, None if fps is None else i / fps)
            out.append(tracker.follow(ref, scene))
            tracker = tracker.after(ref, out[-1])
    return out


def ids(scene):
    return [region.track_id for region in scene.regions]


def from_left(tip_x, y=40):
    return rod((0, y), (tip_x, y + 10))


def from_right(tip_x, y=40):
    return rod((W - 1, y), (tip_x, y + 10))


@pytest.mark.parametrize("swapped", [False, True], ids=["listed alike", "listed the other way round each other frame"])
def test_two_instruments_of_one_label_that_cross_keep_their_ids(swapped):
    scenes = []
    for step in range(12):
        tips = 30 + 8 * step
        pair = [
            ("grasper", rod((0, 20), (tips, 20 + 6 * step))),
            ("grasper", rod((W - 1, 20), (W - tips, 20 + 6 * step))),
        ]
        scenes.append(scene_of(*(pair[::-1] if swapped and step % 2 else pair)))
    assert any(np.logical_and(*(r.mask.to_array() for r in scene.regions)).any() for scene in scenes)
    found = [ids(scene)[::-1] if swapped and i % 2 else ids(scene) for i, scene in enumerate(followed(scenes))]
    assert found == [[1, 2]] * 12


def test_fast_motion_without_overlap_is_followed():
    scenes = [
        scene_of(("polyp", disc((20 + 22 * i, 30), (8, 8))), ("polyp", disc((20 + 22 * i, 100), (8, 8))))
        for i in range(6)
    ]
    assert [ids(scene) for scene in followed(scenes)] == [[1, 2]] * 6


def test_a_flickering_detection_keeps_its_id():
    both = scene_of(("grasper", from_left(60)), ("grasper", from_right(100)))
    one = scene_of(("grasper", from_right(98)))
    assert [ids(s) for s in followed([both, one, one, both])] == [[1, 2], [2], [2], [1, 2]]


def test_an_instrument_that_comes_back_where_it_left_has_its_id_again():
    liver = ("liver", disc((80, 100), (60, 20)))
    away = scene_of(liver)
    there = scene_of(("grasper", from_left(110)), liver)
    back = scene_of(("grasper", from_left(14)), liver)
    assert [ids(s) for s in followed([there, away, away, away, back])] == [[1, 2], [2], [2], [2], [1, 2]]
    # At another side, or of another label, or after its time is over, it is another one.
    assert ids(followed([there, away, scene_of(("grasper", from_right(140)))])[-1]) == [3]
    assert ids(followed([there, away, scene_of(("hook", from_left(110)))])[-1]) == [3]
    assert ids(followed([there, *[away] * 20, back])[-1]) == [3, 2]
    # At 25 frames a second 20 frames are less than a second.
    assert ids(followed([there, *[away] * 20, back], fps=25)[-1]) == [1, 2]


def test_an_id_is_never_of_two_labels():
    rng = np.random.default_rng(0)
    labels = {}
    for scene in followed([random_scene(rng) for _ in range(30)]):
        for region in scene.regions:
            assert labels.setdefault(region.track_id, region.label) == region.label
        counted = [r.track_id for r in scene.regions if r.kind in ("instrument", "pathology")]
        assert len(counted) == len(set(counted))


def test_a_tissue_has_its_labels_id_wherever_it_is():
    scenes = [
        scene_of(("liver", disc((20, 20), (12, 12)))),
        scene_of(("fat", disc((80, 80), (9, 9)))),
        scene_of(("liver", disc((140, 110), (12, 12)))),
    ]
    assert [ids(scene) for scene in followed(scenes)] == [[1], [2], [1]]


def test_an_unreadable_frame_between_two_changes_no_id():
    scene = scene_of(("grasper", from_left(60)), ("grasper", from_right(100)))
    assert [ids(s) for s in followed([scene, None, scene])] == [[1, 2]] * 2


def test_nothing_but_ids_and_activities_changes():
    scene = random_scene(np.random.default_rng(3))
    (out,) = followed([scene])
    bare = replace(out, regions=tuple(replace(r, track_id=None) for r in out.regions), activities=scene.activities)
    assert bare == scene


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_tracker_made_from_records_is_the_same(seed):
    rng = np.random.default_rng(seed)
    live = read = Tracker()
    for i in range(6):
        ref = ref_of(i, i / 7)
        scene = live.follow(ref, random_scene(rng))
        live = live.after(ref, scene)
        read = read.after(replace(ref, time_s=round(i / 7, 3)), scene_from_dict(scene_to_dict(scene), scene.size_wh))
        assert read == live


def labels(given, fps=None):
    """Smoothed labels of a row of (label, score)."""
    scenes = [Scene(SIZE_WH, activities=(Activity("activity", *pair),)) for pair in given]
    out = followed(scenes, fps)
    assert [scene.activities[0].raw for scene in out] == list(given)
    assert all(0 <= scene.activities[0].score <= 1 for scene in out)
    return [scene.activities[0].label for scene in out]


def test_a_blip_is_smoothed_away_and_a_change_followed_on_its_third_frame():
    cut, clip = ("cutting", 0.9), ("clipping", 0.9)
    assert labels([cut, cut, clip, cut, cut]) == ["cutting"] * 5
    assert labels([cut, cut, clip, clip, cut]) == ["cutting"] * 5
    assert labels([cut] * 3 + [clip] * 4) == ["cutting"] * 5 + ["clipping"] * 2
    assert labels([cut, *[("clipping", 0.45)] * 5]) == ["cutting"] * 4 + ["clipping"] * 2, "less sure, later"
    at_25 = labels([cut] * 50 + [clip] * 75, fps=25)
    assert at_25[:50] == ["cutting"] * 50
    assert at_25[-1] == "clipping"
    assert labels([cut, clip, cut, clip, cut, clip]) == ["cutting"] * 6, "no flipping to and fro"


def test_levels_are_smoothed_each_by_itself():
    scene = Scene(SIZE_WH, activities=(Activity("activity", "cutting", 0.5), Activity("phase", "dissection", 0.7)))
    (out,) = followed([scene])
    assert [(a.level, a.label, a.score) for a in out.activities] == [
        ("activity", "cutting", 0.5),
        ("phase", "dissection", 0.7),
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 10**6))
def test_best_pairs_is_the_best_of_all(rows, columns, seed):
    rng = np.random.default_rng(seed)
    gains = rng.integers(0, 5, (rows, columns)) * rng.random((rows, columns)).round(1)
    found = best_pairs(gains)
    assert len({r for r, _ in found}) == len({c for _, c in found}) == len(found)
    assert all(gains[pair] > 0 for pair in found)
    # Every way to give each row a column of its own, or none (the columns past the last).
    every = itertools.permutations(range(columns + rows), rows)
    best = max((sum(gains[r, c] for r, c in enumerate(way) if c < columns) for way in every), default=0)
    assert sum(gains[pair] for pair in found) == pytest.approx(best)


@pytest.mark.parametrize(
    ("source", "sequence"),
    [
        ("a.png", "."),
        ("case1/a.png", "case1"),
        ("case1/left/0001.png", "case1/left"),
        ("op.mp4#000123", "op.mp4"),
        ("case1/op.MP4#000123", "case1/op.MP4"),
        ("op#12.png", "."),
        ("odd#7", "."),
    ],
)
def test_the_sequence_of_a_frame(source, sequence):
    assert sequence_of(source) == sequence
