"""Subtitles: stretches, clocks, and nothing that a player would take for markup."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from describer.export.subtitles import Cue, cues_of, to_srt, to_vtt
from describer.frames import as_frame
from describer.types import Activity, Annotation
from tests.demo.fake import FakeDescriber


def clip(labels: list[str], step_s: float = 1.0) -> list[Annotation]:
    made = FakeDescriber().annotate_frames([as_frame(np.zeros((120, 160, 3), np.uint8))])[0]
    out = []
    for i, label in enumerate(labels):
        frame = replace(made.frame, source=f"c.mp4#{i:06d}", time_s=i * step_s, index=i)
        regions = made.scene.only([1, 2])
        out.append(replace(made, frame=frame, scene=replace(regions, activities=(Activity("activity", label, 0.9),))))
    return out


def test_stretches_of_the_same_are_one_cue_and_the_last_frame_lasts_as_long_as_the_others():
    tools = "grasper (grasp liver)"
    assert cues_of(clip(["cutting", "cutting", "suction"], 0.5)) == [
        Cue(0.0, 1.0, f"Cutting\n{tools}"),
        Cue(1.0, 1.5, f"Suction\n{tools}"),
    ]
    assert cues_of([]) == []


def test_srt_and_vtt_have_their_clocks_and_numbers():
    made = clip(["cutting", "suction"], 3600.25)
    assert to_srt(made).splitlines()[:3] == ["1", "00:00:00,000 --> 01:00:00,250", "Cutting"]
    assert to_vtt(made).splitlines()[:3] == ["WEBVTT", "", "00:00:00.000 --> 01:00:00.250"]
    assert len(re.findall("-->", to_srt(made))) == 2
    assert to_srt(made).count("\n\n") == 1


def test_a_label_cannot_bring_markup_or_a_cue_of_its_own():
    text = to_vtt(clip(["<script>a</script> --> 00:09"]))
    assert "<" not in text and text.count("-->") == 1
