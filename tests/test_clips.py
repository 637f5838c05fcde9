"""Questions on clips: answers read off every frame, told with the frames they hold of."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from describer.clips import OpenedClip, video_clip
from describer.errors import InputError
from describer.types import Scene
from tests.scenes import SIZE_WH, disc, frame_of, rod, scene_of
from tests.test_vqa import Asked, Parrot

LIVER = ("liver", disc((118, 64), (40, 50)))
HOOK = ("hook", rod((159, 20), (140, 30)))


def scene(*parts, activity="exploration") -> Scene:
    return scene_of(*parts, activity=activity)


def clip(*scenes: Scene, times=None, said="Yes.") -> tuple[OpenedClip, Parrot]:
    frames = [frame_of(one, i) for i, one in enumerate(scenes)]
    frames = [replace(f, ref=replace(f.ref, index=i, time_s=times and times[i])) for i, f in enumerate(frames)]
    vlm = Parrot(said)
    return OpenedClip(Asked(vlm), frames, scenes), vlm


def test_what_holds_throughout_is_said_once_of_all_frames():
    opened, _ = clip(*[scene(LIVER, HOOK)] * 3)
    answer = opened.ask("Which instruments are in view?")
    assert answer.text == "A hook." and [ref.index for ref in answer.frames] == [0, 1, 2]
    assert opened.scenes[-1].region(answer.region_ids[0]).label == "hook"


def test_a_yes_names_its_frames():
    parts = [(LIVER,), (LIVER, HOOK), (LIVER, HOOK), (LIVER,)]
    opened, _ = clip(*[scene(*some) for some in parts], times=[4.0, 5.0, 6.0, 7.0])
    answer = opened.ask("Is there a hook?")
    assert answer.text == "Yes, from 5.0 to 6.0 s." and [ref.index for ref in answer.frames] == [1, 2]
    assert opened.scenes[2].region(answer.region_ids[0]).label == "hook"
    assert opened.ask("When is the hook in view?").text == "From 5.0 to 6.0 s."
    assert opened.ask("When is the snare in view?").text == "At no time."
    assert opened.ask("Is there a snare?").text == "No."


def test_answers_that_change_are_told_with_their_frames():
    opened, _ = clip(scene(LIVER), scene(LIVER, HOOK), scene(LIVER, HOOK))
    answer = opened.ask("How many instruments are there?")
    assert answer.text == "In frame 1: none. In frames 2 to 3: one."
    assert len(answer.frames) == 3


def test_a_thing_that_stays_is_counted_once():
    moved = ("hook", rod((159, 24), (138, 34)))
    opened, _ = clip(scene(LIVER, HOOK), scene(LIVER, moved), scene(LIVER, moved))
    assert opened.ask("How many different hooks appear?").text == "One."
    assert {region.track_id for one in opened.scenes for region in one.regions if region.label == "hook"} == {2}


def test_one_frame_s_slip_does_not_change_the_activity():
    kinds = ["exploration", "exploration", "cutting", "exploration"]
    opened, _ = clip(*[scene(LIVER, activity=kind) for kind in kinds])
    assert opened.ask("What is the surgeon doing?").text == "Exploration."


def test_looks_are_asked_of_the_last_frame_once():
    opened, vlm = clip(*[scene(LIVER)] * 3, said="Yes, a little.")
    answer = opened.ask("Is there smoke?")
    assert answer.text == "Yes, a little." and [ref.index for ref in answer.frames] == [2]
    assert [len(batch) for batch in vlm.batches] == [1]


def test_no_frames():
    with pytest.raises(InputError, match="no frames"):
        clip()


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "case.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, SIZE_WH)
    for i in range(40):
        writer.write(np.full((SIZE_WH[1], SIZE_WH[0], 3), 5 * i, np.uint8))
    writer.release()
    return path


def test_the_seconds_before_a_moment_of_a_video(video):
    times = [frame.ref.time_s for frame in video_clip(video, 6.0)]
    assert times == [2.0, 3.0, 4.0, 5.0, 6.0]
    assert [frame.ref.time_s for frame in video_clip(video, 0.0)] == [0.0]


@pytest.mark.parametrize(("at_s", "said"), [(-1, "--at"), (60, "ends at 7.8 s")])
def test_moments_that_a_video_lacks(video, at_s, said):
    with pytest.raises(InputError, match=said):
        video_clip(video, at_s)
