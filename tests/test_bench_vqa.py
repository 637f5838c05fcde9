"""The bench of questions with a tiny scene model and a language model that always says the same."""

from __future__ import annotations

import json

import pytest

from describer import Describer, bench_vqa, instructions
from describer.vlm.base import Generated
from tests.tiny import save_tiny_scene_model


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instructions, "FRAME_WH", (160, 128))
        describer = Describer(str(save_tiny_scene_model(tmp_path_factory.mktemp("scene"))), "echo", device="cpu")
        patch.setattr(describer.vlm, "generate", lambda chats, settings: [Generated("Yes.", 0.5) for _ in chats])
        return bench_vqa.vqa_bench(describer, 2, per_frame=10)


def test_the_report_is_json_and_whole(report):
    assert json.loads(json.dumps(report)) == report
    assert report["frames"] == 2 and min(report["cost"].values()) > 0
    for part in (report["truth"], report["given"]):
        assert sum(entry["n"] for entry in part["by_type"].values()) == part["accuracy"]["n"] > 5
        assert part["regions_exist"]["share"] == 1.0


def test_the_given_scene_is_answered_exactly(report):
    """A random scene model is wrong about the frame, but what it found is told as it is."""
    given = report["given"]
    exact = ("existence", "count", "location", "relation", "comparison")
    assert all(given["by_type"][name]["share"] == 1.0 for name in exact if name in given["by_type"])
    assert given["regions_right"]["share"] == 1.0 and given["counts_within_1"]["share"] == 1.0
    assert report["truth"]["accuracy"]["share"] < given["accuracy"]["share"]


def test_a_model_that_says_yes_is_a_control_of_itself(report):
    controls = report["truth"]["controls"]
    assert controls["no image, no facts"]["accuracy"] == report["truth"]["model_alone"]["share"]
    assert controls[controls["best"]]["accuracy"] == max(
        entry["accuracy"] for entry in controls.values() if isinstance(entry, dict)
    )
