"""Places and contacts read out of texts: canonical sentences read back, rewordings, what is wrong or left out."""

from __future__ import annotations

import numpy as np
import pytest

from describer.eval.told import agreement, contacts_told, places_told, said_right
from describer.prompts.facts import contacts_of, targets_of, tip_place
from describer.prompts.sentences import region_sentence, scene_sentence
from describer.seg.synth import render
from describer.seg.truth import true_scene
from describer.taxonomy import load_taxonomy

CORE = load_taxonomy("core")


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("A grasper enters from the left with its tip in the upper center.", ["from the left", "upper center"]),
        ("Top-left grasper.", []),  # before any label
        ("The liver lies in the middle; a hook in the bottom right.", ["center", "lower right"]),
        ("The liver fills a large part of the view around the centre left.", ["center left"]),
    ],
)
def test_places_belong_to_the_label_before_them(text: str, places: list[str]) -> None:
    assert [place for label, place in places_told(text, CORE) if label] == places


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        (
            "A hook enters from the left, at work on the liver and touching the fat and another hook.",
            {("hook acts on", "liver"), ("hook touches", "fat"), ("hook touches", "hook")},
        ),
        ("A grasper lies in the center, touching nothing.", {("grasper touches", "nothing")}),
        (
            "Cutting: a hook in the center touching the gallbladder, a grasper in the upper left at work on fat, "
            "and scissors in the center touching the liver; the bowel and fat are in view.",
            {("hook touches", "gallbladder"), ("grasper acts on", "fat"), ("scissors touches", "liver")},
        ),
        ("The liver is touched by a hook and next to fat.", {("liver touches", "hook"), ("liver touches", "fat")}),
        ("The liver and fat are in view.", set()),
    ],
)
def test_contacts_have_their_subject(text: str, pairs: set[tuple[str, str]]) -> None:
    assert set(contacts_told(text, CORE)) == pairs


def test_canonical_sentences_are_read_back_whole() -> None:
    for seed in range(4):
        frame = render(seed, "laparoscopy", (160, 128))
        scene, _ = true_scene(frame, CORE)
        for region in scene.regions:
            text = region_sentence(scene, region.id)
            objects = {other.label for other in (*contacts_of(scene, region), *targets_of(scene, region))}
            assert {label for _, label in contacts_told(text, CORE)} - {"nothing"} == objects, text
            if region.kind == "instrument":
                assert (region.label, tip_place(region)) in places_told(text, CORE)
        assert places_told(scene_sentence(scene), CORE)


def test_wrong_and_missing_words_both_count() -> None:
    true = "A grasper enters from the left with its tip in the center, touching the liver."
    assert agreement([true], [true], places_told, CORE).value == 1
    assert (
        agreement(["A grasper enters from the right with its tip in the center."], [true], places_told, CORE).count == 1
    )
    assert agreement(["A grasper."], [true], places_told, CORE) == type(agreement([], [], places_told, CORE))(0, 2)
    assert agreement([f"{true} It is next to fat."], [true], contacts_told, CORE).value == pytest.approx(0.5)
    with pytest.raises(ValueError):
        agreement([true], [], contacts_told, CORE)


def test_of_what_is_said_only_what_is_wrong_counts() -> None:
    true = "A grasper enters from the left with its tip in the center, touching the liver."
    less = "A grasper enters from the left."
    wrong = "A grasper enters from the left with its tip in the upper left."
    assert said_right([less, wrong], [true, true], places_told, CORE).value == pytest.approx(2 / 3)
    assert said_right(["A grasper."], [true], places_told, CORE).of == 0


def test_another_scenes_sentence_scores_lower() -> None:
    texts = [scene_sentence(true_scene(render(seed, "laparoscopy", (160, 128)), CORE)[0]) for seed in range(6)]
    shuffled = list(np.roll(texts, 1))
    assert agreement(shuffled, texts, places_told, CORE).value < 0.7
