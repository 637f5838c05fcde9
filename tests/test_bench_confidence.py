import json
from dataclasses import replace

import pytest

from describer import bench_confidence
from describer.bench_confidence import (
    FIT_SEED,
    HELD_OUT_SEED,
    calibrated,
    is_right,
    measure_confidence,
    scores,
    to_text,
)
from describer.confidence import read_calibration
from describer.errors import InputError
from describer.instructions import told_frames
from describer.pipeline import Describer, kind_of
from describer.prompts.sentences import region_sentence, scene_sentence
from describer.seg.synth import render
from describer.types import Scene
from describer.vlm.base import Generated, GenerationSettings
from describer.vlm.local import TransformersVLM
from tests.tiny import save_tiny_scene_model
from tests.vlm.tiny import save_tiny_llava


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_scene_model(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def describer(folder):
    return Describer(str(folder), "echo", device="cpu")


@pytest.fixture(scope="module")
def told():
    return next(told_frames(3, 1))


def test_true_sentences_are_right_and_each_kind_of_wrong_is_not(describer, told):
    region = told.scene.regions[0]
    true = region_sentence(told.scene, region.id)
    whole = scene_sentence(told.scene)
    assert is_right(true, told, region.id, describer) and is_right(whole, told, None, describer)
    assert not is_right(f"{true} A polyp and a snare.", told, region.id, describer)
    assert not is_right(f"Nine {region.label}s.", told, region.id, describer)
    # The region is none of what was rendered.
    assert not is_right(true, replace(told, looks={}), region.id, describer)
    # What the given scene holds but was not rendered is not right either, nor a summary without an instrument there.
    empty = replace(told, scene=Scene(told.scene.size_wh))
    assert not is_right("Nothing is in view.", empty, None, describer)


def test_texts_are_measured_fitted_scored_and_kept(describer, tmp_path, monkeypatch, told):
    monkeypatch.setattr(bench_confidence, "_FEWEST", 1)
    monkeypatch.setattr(
        bench_confidence,
        "told_frames",
        lambda first, n, model: [
            replace(told, frame=replace(told.frame, ref=replace(told.frame.ref, index=first + i))) for i in range(n)
        ],
    )
    seen = []
    calibration, found = measure_confidence(describer, 2, 1, tmp_path, seen.append)
    assert sum(seen) == 3 and calibration.made_with["vlm"] == "echo" and "980_000_000" in calibration.split
    n = len(told.scene.regions) + 1
    assert found["all"]["n"] == n and sum(found[kind]["n"] for kind in found if kind != "all") == n
    rows = [json.loads(line) for line in (tmp_path / "confidence.jsonl").read_text().splitlines()[1:]]
    assert [row["seed"] for row in rows] == [FIT_SEED, FIT_SEED + 1, HELD_OUT_SEED]
    monkeypatch.setattr(describer, "said_of", lambda *_: pytest.fail("measured again"))
    assert measure_confidence(describer, 2, 1, tmp_path)[1] == found


def test_scores_are_of_raw_and_calibrated():
    texts = [["scene", 0.9, i % 2 == 0] for i in range(40)] + [["tissue", 0.8, True]] * 12
    texts += [["instrument", 0.7, False]] * 12
    calibration = calibrated(texts, "here", {"vlm": "x"})
    found = scores(calibration, texts)
    assert found["scene"]["raw"]["ece"] == pytest.approx(0.4) and found["scene"]["calibrated"]["ece"] < 0.05
    assert found["all"]["n"] == 64 and found["all"]["right"] == 0.5
    assert found["all"]["calibrated"]["brier"] < found["all"]["raw"]["brier"]
    assert "0.400 -> 0.0" in to_text(found)
    with pytest.raises(InputError, match="texts about scenes"):
        calibrated([text for text in texts if text[0] != "scene"], "here", {})


def test_a_model_that_tells_no_probabilities_is_refused(describer, tmp_path, monkeypatch):
    silent = lambda chats, settings: [Generated("Nothing.", None) for _ in chats]  # noqa: E731
    monkeypatch.setattr(describer.vlm, "generate", silent)
    with pytest.raises(InputError, match="tells no token probabilities"):
        measure_confidence(describer, 1, 1, tmp_path)


def test_an_adapter_s_curves_are_applied_named_and_its_base_s_are_not(folder, tmp_path):
    image = render(0, "laparoscopy", (128, 96)).image
    options = {"device": "cpu", "prompt": "none", "generation": GenerationSettings(max_new_tokens=2)}
    vlm = save_tiny_llava(tmp_path / "vlm")
    plain = Describer(str(folder), str(vlm), **options)
    assert plain.provenance().generation["confidence"] == "raw"
    raw = plain.annotate(image)
    points = {"raw": [0.0, 1.0], "right": [0.25, 0.25], "n": 9}
    kept = {"split": "here", "made_with": {}, "curves": {"tissue": points}}
    (vlm / "confidence.json").write_text(json.dumps(kept))
    told = Describer(str(folder), str(vlm), **options)
    assert told.provenance().generation["confidence"] == read_calibration(vlm).name
    made = told.annotate(image)
    assert [d.text for d in made.descriptions] == [d.text for d in raw.descriptions]
    for before, after in zip(raw.descriptions, made.descriptions):
        tissue = kind_of(raw.scene, before.region_id) == "tissue"
        assert after.confidence == (0.25 if tissue else before.confidence)
    bare = TransformersVLM.load(str(vlm))
    assert bare.calibration is not None
