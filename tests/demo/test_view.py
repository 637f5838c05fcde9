"""What the page draws: outlines that cover their masks, sentences cut at their mentions."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pytest

from describer.demo.view import depth_uri, outline, parts_of, sureness, view_of
from describer.frames import as_frame
from describer.taxonomy import load_taxonomy
from describer.types import Description
from tests.demo.fake import FakeDescriber
from tests.scenes import disc, random_scene, rod

CORE = load_taxonomy("core")


def filled(path: str, hw: tuple[int, int]) -> np.ndarray:
    """The pixels inside of an SVG path of straight lines, evenodd."""
    rings = [
        np.array([[float(v) for v in point.split()] for point in ring.split("L")]) - 0.5
        for ring in re.findall(r"M([^Z]*)Z", path)
    ]
    canvas = np.zeros(hw, np.uint8)
    cv2.fillPoly(canvas, [np.rint(ring).astype(np.int32) for ring in rings], 1)
    return canvas.astype(bool)


@pytest.mark.parametrize("name", ["disc", "rod", "ring", "two"])
def test_an_outline_covers_its_mask(name):
    size = (320, 240)
    masks = {
        "disc": disc((160, 120), (80, 60), size),
        "rod": rod((0, 10), (300, 200), 12, size),
        "ring": disc((160, 120), (80, 60), size) & ~disc((160, 120), (40, 30), size),
        "two": disc((60, 60), (30, 30), size) | disc((250, 180), (30, 30), size),
    }
    mask = masks[name]
    drawn = filled(outline(mask), mask.shape)
    assert np.count_nonzero(drawn & mask) / np.count_nonzero(drawn | mask) > 0.97


def test_parts_put_together_are_the_text_and_name_the_regions():
    text = "A grasper touches the liver, and a hook."
    said = Description(1, text, ((2, 9, 1), (22, 27, 2)), 0.9, ("hook",))
    parts = parts_of(said, CORE)
    assert "".join(part["text"] for part in parts) == text
    assert [(p["text"], p["region"]) for p in parts if "region" in p] == [("grasper", 1), ("liver", 2)]
    assert [p["text"] for p in parts if p.get("ungrounded")] == ["hook"]


@pytest.mark.parametrize("seed", range(8))
def test_any_scene_becomes_plain_json_with_every_region(seed):
    scene = random_scene(np.random.default_rng(seed))
    frame = as_frame(np.zeros((128, 160, 3), np.uint8))
    annotation = FakeDescriber().annotate_frames([frame], [scene])[0]
    view = json.loads(json.dumps(view_of(annotation, CORE)))
    assert [region["id"] for region in view["regions"]] == [region.id for region in scene.regions]
    looks = {(region["colour"], region["dashed"]) for region in view["regions"][:14]}
    assert len(looks) == len(view["regions"][:14])
    for region in view["regions"]:
        x, y = region["badge"]
        assert 0 <= x <= 160 and 0 <= y <= 128


def test_sureness_in_words():
    assert [sureness(score) for score in (0.97, 0.7, 0.2, None, 1.0)] == [
        "sure, 97 %",
        "fairly sure, 70 %",
        "unsure, 20 %",
        "not known how sure",
        "sure, over 99 %",
    ]


def test_depth_shows_near_things_bright_and_nothing_where_it_is_not_known():
    depth = np.full((40, 60), 50.0, np.float32)
    depth[:, :20], depth[:, 40:] = 2.0, np.nan
    uri = depth_uri(depth)
    import base64

    data = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    assert picture[:, 5].mean() > picture[:, 30].mean() + 50 > 50 and picture[:, 55].mean() < 5
    assert depth_uri(None) is None and depth_uri(np.full((4, 4), np.nan, np.float32)) is None
