"""`describer train scene --data`: one command from a folder of frames to a model that is loaded and used."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from describer.cli import app
from describer.errors import InputError
from describer.scene_training import SceneTraining, read_options, size_of, train_on, training
from describer.seg.config import SceneConfig
from describer.seg.model import SceneModel
from describer.seg.predict import ScenePredictor
from describer.seg.vocabulary import Vocabulary
from describer.synthesis import write_dataset
from describer.taxonomy import load_taxonomy

TINY = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 56}


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "frames"
    write_dataset(folder, 12, seed=5, size_wh=(140, 112), workers=1)
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    words = Vocabulary.of(load_taxonomy("core"))
    config = SceneConfig(
        backbone=TINY,
        feature_layers=[1, 2, 3, 4],
        decoder_width=16,
        class_names=words.classes,
        activity_names=words.activities,
        verb_names=words.verbs,
        target_names=words.targets,
        input_hw=(56, 70),
    )
    SceneModel(config).save_pretrained(folder)
    return folder


def options(frames: Path, start: Path, **changed: Any) -> SceneTraining:
    plan = {"data": (str(frames),), "start": str(start), "steps": 4, "batch_size": 2}
    return SceneTraining(**(plan | changed))


def test_a_folder_becomes_a_model_with_scores_and_a_card(frames: Path, start: Path, tmp_path: Path) -> None:
    said: list[str] = []
    out = train_on(options(frames, start), tmp_path / "out", said.append)
    scene = ScenePredictor.load(str(out)).predict([np.zeros((60, 80, 3), np.uint8)])[0]
    assert scene.size_wh == (80, 60)
    card = (out / "README.md").read_text()
    assert "not for clinical decisions" in card and f"| {frames} | train |" in card and "mIoU" in card
    with (out / "scores.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [1, 2, 3, 4]
    with (out / "gradients.csv").open() as file:
        row = next(csv.DictReader(file))
    assert -1 <= float(row["segmentation/activity"]) <= 1
    assert any("best model is chosen" in line for line in said) and "min left" in said[-1]


def test_the_written_options_make_the_same_model(frames: Path, start: Path, tmp_path: Path) -> None:
    first = train_on(options(frames, start, adapter="tesla"), tmp_path / "first")
    again = train_on(training(read_options(first / "options.yaml"), {}), tmp_path / "again")
    one, two = (SceneModel.from_pretrained(folder).state_dict() for folder in (first, again))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert (first / "adapter.safetensors").is_file()


def test_a_backbone_of_ones_own(frames: Path, tmp_path: Path) -> None:
    from transformers import Dinov2Config, Dinov2Model

    Dinov2Model(Dinov2Config(**TINY, patch_size=14)).save_pretrained(tmp_path / "dino")
    plan = options(frames, tmp_path, backbone=str(tmp_path / "dino"), size_hw=(56, 70), steps=1)
    model = SceneModel.from_pretrained(train_on(plan, tmp_path / "out"))
    assert model.config.backbone["hidden_size"] == 32 and model.config.input_hw == [56, 70]


def test_a_label_set_of_ones_own_goes_along_with_the_model(start: Path, tmp_path: Path) -> None:
    data = tmp_path / "mine"
    for kind, value in (("images", 90), ("masks", 7)):
        for case in ("a", "b", "c"):
            (data / kind / case).mkdir(parents=True)
            shape = (60, 80, 3) if kind == "images" else (60, 80)
            Image.fromarray(np.full(shape, value, np.uint8)).save(data / kind / case / "1.png")
    label = {"name": "needle", "kind": "instrument", "colour": [9, 9, 9], "code": 7}
    (data / "taxonomy.yaml").write_text(yaml.safe_dump({"source": "mine", "labels": [label]}))
    out = train_on(options(data, start, steps=1), tmp_path / "out")
    shutil.rmtree(data)
    assert ScenePredictor.load(str(out)).taxonomy.names == ("needle",)


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "scene.yaml"
    path.write_text(yaml.safe_dump({"data": ["a", "b=0.5"], "lr": 0.1, "size_hw": [224, 280]}))
    made = training(read_options(path), {"lr": 0.2, "seed": None})
    assert (made.data, made.lr, made.seed, made.size_hw) == (("a", "b=0.5"), 0.2, 0, (224, 280))


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"data": ()}, "--data"),
        ({"size_hw": (100, 70)}, "multiples of 14"),
        ({"data": ("x=much",)}, "no share"),
        ({"best": "f1"}, "--best f1"),
    ],
)
def test_mistakes_are_named(frames: Path, start: Path, tmp_path: Path, changed: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        train_on(options(frames, start, **changed), tmp_path / "out")


def test_files_and_sizes_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "scene.yaml"
    path.write_text("speed: 3\n")
    with pytest.raises(InputError, match="speed"):
        read_options(path)
    with pytest.raises(InputError, match="--config"):
        read_options(tmp_path / "absent.yaml")
    with pytest.raises(InputError, match="height x width"):
        size_of("224")


def test_the_command(frames: Path, start: Path, tmp_path: Path) -> None:
    arguments = ["train", "scene", "--data", str(frames), "--start", str(start), "--steps", "1", "--batch-size", "2"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "model.safetensors").is_file()
