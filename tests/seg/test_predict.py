"""Frames to scenes with a random scene model: order, batches, sizes, and what damaged folders say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from describer.errors import DescriberError, ModelError
from describer.seg.image import TRAIN_HW
from describer.seg.model import SceneOutput
from describer.seg.predict import ScenePredictor, scene_model_folder
from describer.seg.synth import CORE_NAMES, render
from tests.tiny import save_tiny_scene_model, tiny_scene_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_scene_model(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def predictor(folder: Path) -> ScenePredictor:
    return ScenePredictor.load(str(folder))


def frames() -> list[np.ndarray]:
    sizes = [(160, 128), (128, 160), (160, 128), (161, 97), (160, 128)]
    return [render(i, "laparoscopy", size).image for i, size in enumerate(sizes)]


def test_a_batch_gives_what_one_by_one_gives_in_order(predictor: ScenePredictor) -> None:
    images = frames()
    together = predictor.predict(images, batch_size=2)
    assert together == [predictor.predict([image])[0] for image in images]
    assert [scene.size_wh for scene in together] == [(i.shape[1], i.shape[0]) for i in images]
    assert any(scene.regions for scene in together)
    assert predictor.predict([]) == []


def test_a_saved_model_predicts_what_it_did_before(predictor: ScenePredictor) -> None:
    images = frames()[:1]
    assert ScenePredictor(tiny_scene_model(), "here").predict(images) == predictor.predict(images)


def test_the_likeliest_activity_comes_with_its_probability(predictor: ScenePredictor) -> None:
    (activity,) = predictor.predict(frames()[:1])[0].activities
    assert activity.level == "activity" and activity.label in predictor.taxonomy.activities
    assert 1 / len(predictor.taxonomy.activities) <= activity.score <= 1


@pytest.mark.parametrize("hw", [(1, 1), (16, 16), (8, 400), (719, 1279)])
def test_any_size_of_frame(predictor: ScenePredictor, hw: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*hw, 3), dtype=np.uint8)
    scene = predictor.predict([image])[0]
    assert scene.size_wh == (hw[1], hw[0])
    assert predictor.predict([image])[0] == scene


def test_name_of_is_what_the_model_sees_there(predictor: ScenePredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    logits = torch.zeros(1, len(CORE_NAMES), 90, 120)
    logits[:, CORE_NAMES.index("liver")] = 5
    logits[:, CORE_NAMES.index("liver"), :45] = 0
    logits[:, CORE_NAMES.index("hook"), :45] = 5
    fixed = SceneOutput(logits=logits, activity_logits=None, disparity=None)
    monkeypatch.setattr(predictor, "forward", lambda images: fixed)
    image = np.zeros((900, 1200, 3), np.uint8)
    for row, label in ((100, "hook"), (800, "liver")):
        mask = np.zeros((900, 1200), bool)
        mask[row, 601] = True  # one pixel, lost in any mask of the working size
        name, score = predictor.name_of(image, mask)
        assert name == label and 0.8 < score <= 1


def _truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def _lose_the_classifier(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in tensors.items() if not name.startswith("classify")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def _set(**fields: object):
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | fields))

    return change


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded"),
        (lambda folder: (folder / "config.json").write_text("[]"), "not 'describer_scene'"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no file named model.safetensors"),
        (_truncate, "cannot be loaded"),
        (_lose_the_classifier, "lack 2 tensors"),
        (_set(model_type="dinov2"), "is of a 'dinov2' model"),
        (_set(decoder_width=17), "multiple of 16"),
        (_set(decoder_width="wide"), "cannot be loaded"),
        (_set(class_names=list(CORE_NAMES[:-1])), "cannot be loaded"),
        (_set(class_names=[*CORE_NAMES[:-1], "spoon"]), "lacks its classes spoon"),
        (_set(taxonomy="nowhere"), "'nowhere' is unknown"),
    ],
)
def test_what_is_wrong_with_a_folder_is_one_sentence(folder: Path, tmp_path: Path, damage, said: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    damage(copy)
    with pytest.raises(DescriberError) as caught:
        ScenePredictor.load(str(copy))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_scene_models_are_looked_for(folder: Path) -> None:
    assert scene_model_folder(str(folder)) == folder.resolve()
    with pytest.raises(ModelError, match="describer train scene"):
        scene_model_folder("nowhere")


def test_every_frame_is_seen_at_the_size_the_model_was_trained_at(
    predictor: ScenePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = predictor.model.forward
    monkeypatch.setattr(predictor.model, "forward", lambda pixels: seen.append(tuple(pixels.shape)) or real(pixels))
    predictor.predict([np.zeros((hw[0], hw[1], 3), np.uint8) for hw in ((60, 300), (200, 90))])
    assert seen == [(2, 3, *TRAIN_HW)]


def test_depth_is_of_the_same_forward_and_ends_with_the_view(
    predictor: ScenePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    hw = (120, 160)
    logits = torch.full((1, len(CORE_NAMES), 30, 40), -9.0)
    logits[:, 10] = 9  # liver all over, but for a surround on the left and a hole in the middle
    logits[:, 0, :, :8] = 99
    logits[:, 0, 14:18, 20:24] = 99
    disparity = torch.linspace(0.2, 0.8, 40).expand(1, 1, 30, 40)
    asked: list[int] = []
    output = SceneOutput(logits=logits, disparity=(disparity,))
    monkeypatch.setattr(predictor, "forward", lambda images: asked.append(len(images)) or output)
    (scene,) = predictor.predict([np.zeros((*hw, 3), np.uint8)], depth=True)
    assert asked == [1] and scene.depth is not None and scene.depth.shape == hw
    assert np.isnan(scene.depth[:, :30]).all() and np.isfinite(scene.depth[:, 34:]).all()
    assert (np.diff(scene.depth[60, 40:]) <= 0).all()  # nearer to the right
    assert scene.depth[60, 158] == pytest.approx(1 / (0.01 + 0.99 * 0.8), rel=0.02)
    assert predictor.predict([np.zeros((*hw, 3), np.uint8)])[0].depth is None
