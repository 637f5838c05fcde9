"""Describer from end to end with a tiny random scene model and the echo language model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from describer import Describer
from describer.abstention import Threshold
from describer.errors import DescriberError, InputError, ModelError, RecordError
from describer.frames import as_frame
from describer.pipeline import pick_device
from describer.records import from_dict, to_dict
from describer.seg.synth import render
from describer.types import Annotation, Mask
from describer.vlm.base import Generated, GenerationSettings
from tests.tiny import save_tiny_scene_model, tiny_scene_model

HW = (128, 160)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_scene_model(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def describer(folder: Path) -> Describer:
    return Describer(str(folder), "echo", device="cpu")


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return render(0, "laparoscopy", (HW[1], HW[0])).image


@pytest.fixture(scope="module")
def annotation(describer: Describer, image: np.ndarray) -> Annotation:
    return describer.annotate(image)


def test_every_region_and_the_whole_are_described(annotation: Annotation) -> None:
    ids = [region.id for region in annotation.scene.regions]
    assert len(ids) >= 2
    assert [said.region_id for said in annotation.descriptions] == [*ids, None]
    for said in annotation.descriptions[:-1]:
        region = annotation.scene.region(said.region_id)
        assert said.text.startswith(f"The {region.label} is at {region.place}.")
        start, end, linked = said.mentions[0]
        assert said.text[start:end] == region.label and annotation.scene.region(linked).label == region.label
    assert from_dict(to_dict(annotation)) == annotation


def test_one_record_whatever_the_image_comes_as(describer, image, annotation, tmp_path) -> None:
    path = tmp_path / "frame.png"
    Image.fromarray(image).save(path)
    forms = [path, str(path), Image.fromarray(image), image, torch.from_numpy(image.copy()).permute(2, 0, 1)]
    for form in forms:
        record = describer.annotate(form)
        assert replace(record, frame=replace(record.frame, source=annotation.frame.source)) == annotation
    assert describer.annotate(path).frame.source == "frame.png"


def test_a_batch_is_its_frames_one_by_one_in_order(describer) -> None:
    images = [render(i, "colonoscopy", size).image for i, size in enumerate([(160, 128), (128, 128), (160, 128)])]
    together = describer.annotate(images)
    assert [record.frame.index for record in together] == [0, 1, 2]
    alone = [describer.annotate_frames([as_frame(image, index=i)])[0] for i, image in enumerate(images)]
    assert together == alone
    assert describer.annotate([]) == [] and describer.annotate_frames([]) == []


def test_a_given_scene_is_the_one_spoken_of(describer, image, annotation) -> None:
    given = replace(annotation.scene, regions=annotation.scene.regions[:1], relations=())
    (record,) = describer.annotate_frames([as_frame(image)], [given])
    assert record.scene == given
    assert [said.region_id for said in record.descriptions] == [given.regions[0].id, None]
    with pytest.raises(ValueError, match="zip"):
        describer.annotate_frames([as_frame(image)], [])


def test_describe_by_id_is_the_annotation_s_sentence(describer, image, annotation) -> None:
    for said in annotation.descriptions[:-1]:
        assert describer.describe(image, said.region_id) == said
    assert describer.describe(image, np.int64(1)) == annotation.descriptions[0]


def test_a_point_and_a_box_mean_the_region_there(describer, image, annotation) -> None:
    region = min(annotation.scene.regions, key=lambda r: r.area_fraction)
    ys, xs = np.nonzero(region.mask.to_array())
    at = len(xs) // 2
    assert describer.describe(image, (float(xs[at]), float(ys[at]))).region_id == region.id
    assert describer.describe(image, region.box_xyxy).region_id is not None


def test_a_mask_is_a_region_of_its_own(describer, image, annotation) -> None:
    mask = np.zeros(HW, bool)
    mask[40:80, 50:90] = True
    said = describer.describe(image, mask)
    assert said.region_id == len(annotation.scene.regions) + 1
    assert said == describer.describe(image, Mask.from_array(mask))


@pytest.mark.parametrize(
    ("region", "error"),
    [
        (99, RecordError),
        (0, RecordError),
        ((500, 500), InputError),
        ((10, 10, 10, 40), InputError),
        ((1, 2, 3), InputError),
        ("gallbladder", InputError),
        ((float("nan"), 3), InputError),
        (np.ones((4, 4), bool), InputError),
        (np.zeros(HW, bool), InputError),
    ],
)
def test_a_region_that_cannot_be(describer, image, region, error) -> None:
    with pytest.raises(error) as caught:
        describer.describe(image, region)
    assert "\n" not in str(caught.value)


def test_ask_about_the_frame_and_about_a_region(describer, image, annotation) -> None:
    answer = describer.ask(image, "Which instruments are visible?")
    assert answer.question == "Which instruments are visible?" and answer.text
    assert answer.provenance == annotation.provenance and not answer.abstained
    assert set(answer.region_ids) <= {region.id for region in annotation.scene.regions}
    about = describer.ask(image, "What is this?", region=1)
    assert about.region_ids == (1,) and annotation.scene.region(1).label in about.text.lower()
    assert describer.ask(image, "And now?").text != answer.text


@pytest.mark.parametrize(("question", "region", "error"), [("  ", None, InputError), ("What?", 77, RecordError)])
def test_a_question_that_cannot_be_answered(describer, image, question, region, error) -> None:
    with pytest.raises(error):
        describer.ask(image, question, region)


def test_an_unsure_answer_is_marked(describer, image, monkeypatch) -> None:
    monkeypatch.setattr(describer.vlm, "generate", lambda chats, settings: [Generated("Maybe.", 0.1) for _ in chats])
    assert describer.ask(image, "Is there smoke?").abstained


def test_the_threshold_of_the_model_decides_what_is_held_back(describer, image, monkeypatch) -> None:
    said = describer.ask(image, "Is there smoke?")
    assert not said.abstained
    for confidence, held in ((said.confidence, False), (said.confidence + 1e-3, True)):
        picked = Threshold(confidence, 0.2, 0.1, 0.5, 20, "made")
        monkeypatch.setattr(describer.vlm, "threshold", picked, raising=False)
        assert describer.ask(image, "Is there smoke?").abstained is held


def test_settings_hold_what_changes_the_output_and_nothing_else(describer, folder) -> None:
    settings = describer.settings()
    assert json.loads(json.dumps(settings)) == settings
    assert Describer(str(folder), "echo", device="cpu").settings() == settings
    other = Describer(str(folder), "echo", device="cpu", prompt="facts", generation=GenerationSettings(seed=5))
    changed = {key for key, value in other.settings().items() if value != settings[key]}
    assert changed == {"generation", "prompt_options"}


def test_depth_comes_with_the_scene_where_asked_for(folder, image, annotation) -> None:
    deep = Describer(str(folder), "echo", device="cpu", depth=True)
    assert deep.settings()["depth"] and annotation.scene.depth is None
    seen = deep.annotate(image)
    assert seen == annotation and seen.scene.depth is not None
    known = np.isfinite(seen.scene.depth)
    assert known.any() and (seen.scene.depth[known] >= 1).all() and (seen.scene.depth[known] <= 100).all()


def test_depth_of_a_model_that_tells_none_is_refused(folder, tmp_path) -> None:
    model = tiny_scene_model()
    model.config.depth, model.depth = False, None
    model.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="tells no depth"):
        Describer(str(tmp_path), "echo", device="cpu", depth=True)


def test_what_is_shown_to_the_language_model_matters(folder, image, annotation) -> None:
    marked = Describer(str(folder), "echo", device="cpu", prompt="facts,overlay,crop").annotate(image)
    assert marked.scene == annotation.scene
    assert marked.descriptions[0].text != annotation.descriptions[0].text


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"scene_model": "nowhere"}, ModelError),
        ({"vlm": "gpt"}, ModelError),
        ({"adapter": "some-lora"}, ModelError),
        ({"quantize": "4bit"}, ModelError),
        ({"prompt": "pictures"}, InputError),
    ],
)
def test_models_and_options_that_do_not_exist(folder, options, error) -> None:
    with pytest.raises(error) as caught:
        Describer(**({"scene_model": str(folder), "vlm": "echo", "device": "cpu"} | options))
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_an_image_that_is_none_is_refused(describer, tmp_path) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    for bad in (tmp_path / "notes.png", tmp_path / "absent.png", 3.5, np.zeros((4, 4, 7), np.uint8)):
        with pytest.raises(DescriberError):
            describer.annotate(bad)


def test_devices(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (pick_device("auto"), pick_device("cpu")) == ("cpu", "cpu")
    with pytest.raises(InputError, match="no GPU"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (pick_device("auto"), pick_device("cuda:1")) == ("cuda", "cuda:1")
