"""Controls on models whose way of cheating is known."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from describer import Describer
from describer.controls import Case, answers_of, other_frames, reworded, run_controls, summaries_of
from describer.errors import InputError
from describer.eval.registry import metric
from describer.vlm.base import Generated
from tests.tiny import save_tiny_scene_model

COLOURS = ("red", "green", "blue")


def picture(colour: int) -> np.ndarray:
    image = np.zeros((16, 16, 3), np.uint8)
    image[..., colour] = 200
    return image


def colour_cases(n_videos: int = 8, n_frames: int = 3) -> list[Case]:
    """Two questions a frame: its colour, and one that is always answered yes."""
    cases = []
    for video in range(n_videos):
        for i in range(n_frames):
            colour, frame = (video + i) % 3, f"{video}/{i}"
            about = (picture(colour), frame, str(video))
            cases.append(Case(*about, COLOURS[colour], "What colour is the square?", "colour"))
            cases.append(Case(*about, "Yes.", "Is there a square?", "exists"))
    return cases


def seeing(image, question):
    if "square" not in question:
        return "?"
    if "colour" not in question:
        return "Yes."
    return "black" if image is None or not image.any() else COLOURS[int(image[0, 0].argmax())]


def blind(image, question):
    return "red" if "colour" in question else "Yes."


def test_a_model_that_sees_beats_every_control():
    report = run_controls(seeing, colour_cases())
    assert report.model.value == 1.0
    scores = {control.name: control.score.value for control in report.controls}
    assert scores["black image"] == scores["no image"] == 0.5
    assert scores["constant answer"] == pytest.approx((1 / 3 + 1) / 2)
    assert 0.5 <= scores["another frame's image"] < 0.75
    best = report.best
    assert best.score.value == max(scores.values())
    assert best.margin.difference.value == pytest.approx(1 - best.score.value)
    assert best.margin.p_value < 0.05 and best.margin.difference.low > 0
    assert (report.model.n, report.model.n_videos) == (48, 8)
    assert "8 videos" in report.headline() and best.name in report.headline()
    assert report.reworded.score.value == 1.0 and report.skipped == {}


def test_a_model_that_guesses_has_no_margin():
    report = run_controls(blind, colour_cases())
    assert report.best.margin.difference.value <= 0
    assert all(c.same_text == 1.0 for c in report.controls if c.name != "constant answer")
    assert report.best.margin.p_value > 0.05


def test_a_model_that_hangs_on_the_wording_is_found_out():
    def brittle(image, question):
        return seeing(image, question) if question.startswith(("What colour", "Is there")) else "?"

    report = run_controls(brittle, colour_cases())
    assert (report.model.value, report.reworded.score.value) == (1.0, 0.0)
    assert "reworded question" not in [control.name for control in report.controls]


def test_no_constant_answer_beats_the_control():
    cases = colour_cases() + [Case(picture(0), "x", "x", "green", "What colour is the square?", "colour")] * 5
    constant = {c.name: c.score.value for c in run_controls(blind, cases).controls}["constant answer"]
    for colour in COLOURS:
        always = run_controls(lambda _, q, c=colour: c if "colour" in q else "Yes.", cases)
        assert always.model.value <= constant + 1e-12


def test_descriptions_with_a_caption_metric():
    texts = {0: "A grasper.", 1: "The liver and a grasper.", 2: "A snare."}
    cases = [Case(picture(i % 3), str(i), str(i // 2), texts[i % 3]) for i in range(12)]

    def describe(image, _):
        return "Nothing." if image is None or not image.any() else texts[int(image[0, 0].argmax())]

    def entity_f1(said, true):
        return metric("entities").function(said, true).items["f1"]

    report = run_controls(describe, cases, entity_f1)
    assert report.model.value == 1.0 and report.best.margin.difference.value > 0
    assert report.reworded is None and "reworded question" in report.skipped


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=20), st.integers(0, 5))
def test_every_frame_gets_another_and_each_is_used_once(videos, seed):
    cases = [Case(i, str(i), video, "") for i, video in enumerate(videos)]
    others = other_frames(cases, seed)
    assert all(other.frame != frame for frame, other in others.items())
    assert sorted(other.frame for other in others.values()) == sorted(others)
    if 2 * max(map(videos.count, videos)) <= len(videos):
        assert all(others[case.frame].video != case.video for case in cases)


def test_one_frame_has_no_other_and_the_report_says_so():
    report = run_controls(seeing, colour_cases(1, 1))
    assert "another frame's image" in report.skipped
    assert [control.name for control in report.controls] == ["black image", "no image", "constant answer"]


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("Is there a snare?", "Can you see a snare?"),
        ("Are there any clips?", "Can you see any clips?"),
        ("Is there another tool?", "Can you see another tool?"),
        ("How many graspers are in view?", "What is the number of graspers?"),
        ("Where is the tip of the hook located?", "What is the position of the tip of the hook?"),
        ("What colour is the liver?", "Name the colour of the liver."),
        ("What is the surgeon doing?", "In this picture, what is the surgeon doing?"),
    ],
)
def test_rewordings(question, wanted):
    assert reworded(question) == wanted != question


def test_bad_input_is_named():
    with pytest.raises(InputError, match="at least one case"):
        run_controls(seeing, [])
    with pytest.raises(InputError, match=r"gone\.png"):
        run_controls(seeing, [Case("gone.png", "1", "a", "red", "What colour is the square?")])


def test_a_describer_without_an_image_gets_words_alone(tmp_path):
    describer = Describer(str(save_tiny_scene_model(tmp_path)), "echo", device="cpu")
    sent = []

    def generate(chats, settings=None):
        sent.extend(chats)
        return [Generated("said", 0.9)] * len(chats)

    describer.vlm.generate = generate
    image = np.random.default_rng(0).integers(0, 255, (64, 80, 3), dtype=np.uint8)
    ask, summarise = answers_of(describer), summaries_of(describer)
    assert [ask(None, "Is there a snare?"), summarise(None, ""), ask(image, "Where?")] == ["said"] * 3
    words = [[getattr(part, "text", None) for message in chat for part in message.parts] for chat in sent]
    assert None not in words[0] and "Is there a snare?" in words[0][-1]
    assert None not in words[1] and "{" not in words[1][-1]
    assert None in words[2]
    assert summarise(image, "") == "said"


def test_the_runner_loads_no_torch():
    code = "import sys, describer.controls; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
