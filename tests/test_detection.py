"""Detection scores of a scene model: exact where a perfect model is asked, silent on what frames do not tell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from describer import detection
from describer.detection import BoxedFrame, box_scores, real_boxes, rendered_boxes
from describer.seg.predict import ScenePredictor
from describer.seg.synth import render
from describer.seg.truth import true_scene
from describer.taxonomy import load_taxonomy
from describer.types import Scene
from tests.tiny import tiny_scene_model

SEED, FRAMES = 11, 3
SMALL_WH = (160, 128)


@pytest.fixture(scope="module")
def frames() -> list[BoxedFrame]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection, "_RENDERED_WH", SMALL_WH)
        return list(rendered_boxes(FRAMES, SEED))


class Perfect(ScenePredictor):
    """Finds the true Scenes of the rendered frames, in the order in which they are asked for."""

    def __init__(self) -> None:
        super().__init__(tiny_scene_model(), "perfect")
        self._seed = SEED

    def predict(self, images: object, batch_size: int = 8) -> list[Scene]:
        scenes = []
        for _ in images:  # type: ignore[attr-defined]
            scenes.append(true_scene(render(self._seed, "mixed", SMALL_WH), load_taxonomy("core"))[0])
            self._seed += 1
        return scenes


def test_a_perfect_model_scores_one(frames: list[BoxedFrame]) -> None:
    scores = box_scores(Perfect(), frames)
    boxes = [label for frame in frames for label, _ in frame.boxes]
    tools = [label for label in boxes if load_taxonomy("core").label(str(label)).kind == "instrument"]
    assert tools and scores["n"] == FRAMES
    for part, count in (("all", len(boxes)), ("instruments", len(tools)), ("any instrument", len(tools))):
        assert scores[part] == {"ap": 1.0, "ap50": 1.0, "ap75": 1.0, "n_objects": count}


def test_a_random_model_scores_little(frames: list[BoxedFrame]) -> None:
    scores = box_scores(ScenePredictor(tiny_scene_model(), "tiny"), frames)
    assert scores["n"] == FRAMES and scores["all"]["ap"] < 0.3


def test_wrong_kinds_cost_the_kinds_only(frames: list[BoxedFrame]) -> None:
    turned = [
        BoxedFrame(f.name, f.image, tuple(("snare" if b else b, box) for b, box in f.boxes if _tool(b)), complete=False)
        for f in frames
    ]
    scores = box_scores(Perfect(), turned)
    assert scores["all"] is None and scores["any instrument"]["ap"] == 1.0
    assert scores["instruments"]["ap"] < 0.5


def _tool(label: str | None) -> bool:
    return load_taxonomy("core").label(str(label)).kind == "instrument"


def test_real_instances_are_read_with_what_is_known_of_them(tmp_path: Path) -> None:
    image = np.full((40, 60, 3), 90, np.uint8)
    numbered = np.zeros((40, 60), np.uint8)
    numbered[5:20, 0:30], numbered[30:, 10:20] = 20, 40
    shapes = [("grasper", 1, (0, 0, 9, 9)), ("grasper", 1, (20, 0, 29, 9)), ("bipolar", 1, (40, 20, 59, 39))]
    drawn = [
        {"label": label, "group_id": group, "points": [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]}
        for label, group, (x0, y0, x1, y1) in shapes
    ]
    entries = []
    for folder, more in (
        ("endovis15_rigid", {"instance_mask": "endovis15_rigid/i.png"}),
        ("cholec_instance_seg", {"instance_json": "cholec_instance_seg/i.json"}),
        ("gae", {"mask": "endovis15_rigid/i.png"}),
    ):
        (tmp_path / folder).mkdir()
        Image.fromarray(image).save(tmp_path / folder / "a.png")
        entries.append({"file": f"{folder}/a.png", "type": "image", **more})
    Image.fromarray(numbered).save(tmp_path / "endovis15_rigid" / "i.png")
    (tmp_path / "cholec_instance_seg" / "i.json").write_text(json.dumps({"shapes": drawn}))
    index = tmp_path / "index.json"
    index.write_text(json.dumps(entries))

    (held,) = real_boxes(index, "evaluation only")["endovis15_rigid"]
    assert held.boxes == ((None, (0, 5, 30, 20)), (None, (10, 30, 20, 40)))
    (named,) = real_boxes(index, "train")["cholec_instance_seg"]
    assert named.boxes == (("grasper", (0, 0, 30, 10)), ("bipolar forceps", (40, 20, 60, 40)))
    assert not named.complete and list(real_boxes(index, "held out")) == []
    unnamed = box_scores(ScenePredictor(tiny_scene_model(), "tiny"), [held])
    assert unnamed["instruments"] is None and unnamed["any instrument"]["n_objects"] == 2
