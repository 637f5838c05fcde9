"""Instruction data: seeded, true to the scene in the prompt, looks only where they are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from describer import instructions
from describer.claims import contradictions
from describer.instructions import corpus, samples_of, told_frames
from describer.mentions import find_labels
from describer.messages import chat_sha256, prompt_text
from describer.prompts.build import PromptOptions
from describer.prompts.grounding import ground
from describer.seg.synth.scene import CORE_NAMES
from describer.taxonomy import load_taxonomy
from tests.tiny import save_tiny_scene_model

OPTIONS = PromptOptions()


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(instructions, "FRAME_WH", (160, 128))


@pytest.fixture
def told():
    return list(told_frames(40, 3))


def test_frames_follow_their_seeds(told):
    assert [t.frame.ref.source for t in told] == ["synth-40", "synth-41", "synth-42"]
    again = next(iter(told_frames(41, 1)))
    assert np.array_equal(again.frame.image, told[1].frame.image) and again.scene == told[1].scene


def test_samples_are_the_same_for_the_same_generator(told):
    first, again, other = (samples_of(told[0], OPTIONS, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert [(chat_sha256(s.chat), s.answer) for s in first] == [(chat_sha256(s.chat), s.answer) for s in again]
    assert [s.answer for s in first] != [s.answer for s in other]


def test_answers_agree_with_the_scene_in_the_prompt(told):
    core = load_taxonomy("core")
    for item in told:
        samples = samples_of(item, OPTIONS, np.random.default_rng(0))
        assert 1 <= len(samples) <= 6 + 5 + 6
        for sample in samples:
            assert sample.answer and prompt_text(sample.chat)
        described = [s for s in samples if '"regions"' in prompt_text(s.chat) and s.answer.count(".") > 1]
        for sample in described[:1]:
            said = ground(sample.answer, item.scene, core, None, 1.0)
            assert said.ungrounded == () and contradictions(said, item.scene, core) == []


def test_regions_whose_looks_are_unknown_are_not_described(told):
    blind = replace(told[0], looks={})
    texts = [prompt_text(s.chat) for s in samples_of(blind, OPTIONS, np.random.default_rng(0))]
    seeing = [prompt_text(s.chat) for s in samples_of(told[0], OPTIONS, np.random.default_rng(0))]
    assert sum("Describe region" in text for text in texts) == 0 < sum("Describe region" in text for text in seeing)


def test_a_scene_model_gives_its_own_scenes(tmp_path, told):
    folder = save_tiny_scene_model(tmp_path / "scene")
    predicted = list(told_frames(40, 2, str(folder)))
    for item, true in zip(predicted, told):
        assert np.array_equal(item.frame.image, true.frame.image)
        assert item.scene != true.scene
        assert set(item.looks) <= {region.id for region in item.scene.regions}
        assert all(region.label in CORE_NAMES for region in item.scene.regions)
        assert samples_of(item, OPTIONS, np.random.default_rng(0))


def test_the_corpus_holds_prompts_and_answers():
    texts = corpus(40, 2, OPTIONS, workers=1)
    assert texts == corpus(40, 2, OPTIONS, workers=1)
    assert any('"contacts"' in text for text in texts) and any(text.endswith(".") for text in texts)


def test_summaries_of_parts_of_a_scene_name_only_what_their_facts_hold(told):
    for item in told:
        for sample in samples_of(item, OPTIONS, np.random.default_rng(4)):
            prompt = prompt_text(sample.chat)
            if '"contacts"' in prompt and "Describe the scene." in prompt:
                facts = json.loads(next(line for line in prompt.splitlines() if line.startswith("{")))
                labels = {row[1] for row in facts["instruments"] + facts["others"]}
                assert {found.label for found in find_labels(sample.answer, load_taxonomy("core"))} <= labels


def test_summaries_of_turned_and_renamed_scenes_follow_their_facts_and_not_the_picture(told):
    scene = max((item.scene for item in told), key=lambda scene: len(scene.regions))
    there = instructions._mirrored(scene)
    assert there != scene and [r.label for r in there.regions] == [r.label for r in scene.regions]
    swap = {"left": "right", "right": "left"}
    for one, other in zip(scene.regions, there.regions):
        assert other.place == " ".join(swap.get(word, word) for word in one.place.split())
        assert other.area_fraction == one.area_fraction and other.kind == one.kind
    assert instructions._mirrored(there).regions == scene.regions
    renamed = instructions._renamed(scene, np.random.default_rng(0))
    assert {r.label for r in renamed.regions} != {r.label for r in scene.regions}
    assert [r.kind for r in renamed.regions] == [r.kind for r in scene.regions]
    assert len({r.label for r in renamed.regions}) == len({r.label for r in scene.regions})
