import re

import numpy as np
import pytest

from describer.mentions import find_labels
from describer.prompts.facts import listed
from describer.prompts.grounding import contradictions, ground
from describer.prompts.sentences import region_sentence, scene_sentence, view_sentence
from describer.taxonomy import load_taxonomy
from describer.types import Appearance, Relation, Scene, View
from describer.wording import parse_appearance
from tests.prompts.test_facts import hook_at_work
from tests.scenes import (
    SIZE_WH,
    disc,
    random_appearance,
    random_scene,
    random_view,
    rod,
    scene_of,
)

CORE = load_taxonomy("core")
SEEDS = range(200)


def assert_fluent(text: str) -> None:
    assert text[0].isupper() and text.endswith(".")
    assert "  " not in text and " ," not in text and "None" not in text
    # "a" before a vowel, "an" before a consonant, an article twice, an article before a plural.
    assert not re.search(
        r"\ba [aeio]|\ban [^aeiou]|\b(?:a|an|the) (?:a|an|the)\b|\ban? \w*(?:scissors|forceps)\b", text
    )
    assert not re.search(r"\b(?:scissors|forceps|dots) (?:is|enters|lies|covers|fills|takes|shows)\b", text)
    assert not re.search(r"\d", text)
    # The same place or thing twice in one list, as in "lower left and lower left" or "the liver and the liver".
    for part in re.split(r"[.;:]| touching | next to | touched by | at work on | in the ", text):
        items = [item for item in re.split(r", and |, | and ", part) if item]
        assert len(set(items)) == len(items), text


def test_a_hook_at_work():
    look = Appearance("black", "blood", glare=False, sharp=True, state=None)
    assert region_sentence(hook_at_work(), 2, look) == (
        "A hook enters from the right with its tip in the center, touching a grasper, the gallbladder and "
        "the liver. It is black with bloodstains."
    )


def test_a_liver():
    assert region_sentence(hook_at_work(), 1, Appearance("dark red", glare=True)) == (
        "The liver fills a large part of the view around the center right, touched by a hook and a "
        "grasper. Its surface is glistening dark red."
    )


def test_what_is_acted_on_is_said():
    scene = hook_at_work()
    acts = Relation(2, "acts on", 4)
    scene = Scene(scene.size_wh, scene.regions, (*scene.relations, acts), scene.activities)
    assert "at work on the gallbladder and touching a grasper" in region_sentence(scene, 2)
    assert "a hook in the center right at work on the gallbladder" in scene_sentence(scene)


def test_the_scene():
    assert scene_sentence(hook_at_work(), View(smoke="light", dirt=True)) == (
        "Dissection: a hook in the center right touching the gallbladder, and a grasper in the upper right "
        "touching the liver; liver and gallbladder are in view. "
        "The view is slightly smoky with dirt on the lens."
    )


def test_neighbours_of_one_label_are_named_once():
    scene = scene_of(
        ("mucosa", disc((80, 64), (60, 20))),
        ("polyp", disc((80, 34), (8, 10))),
        ("polyp", disc((60, 34), (8, 12))),
        ("polyp", disc((70, 16), (20, 12))),
    )
    assert region_sentence(scene, 1).endswith("next to polyps.")
    assert region_sentence(scene, 4) == "A small polyp lies in the upper center, next to other polyps."


def test_a_second_thing_of_the_acted_on_label_is_another():
    scene = scene_of(
        ("snare", rod((80, 127), (80, 64))),
        ("polyp", disc((80, 48), (12, 11))),
        ("polyp", disc((95, 80), (10, 10))),
    )
    scene = Scene(scene.size_wh, scene.regions, (*scene.relations, Relation(1, "acts on", 2)))
    assert region_sentence(scene, 1).endswith("at work on a polyp and touching another polyp.")


def test_equal_labels_are_counted():
    scene = scene_of(
        ("grasper", rod((0, 10), (40, 20))),
        ("grasper", rod((159, 110), (120, 100))),
        ("fat", disc((80, 60), (8, 8))),
        ("fat", disc((80, 90), (8, 8))),
    )
    assert scene_sentence(scene) == ("Two graspers in the upper left and lower right; two areas of fat are in view.")


def test_of_equal_instruments_only_that_is_said_which_holds_for_all():
    parts = [
        ("grasper", rod((0, 20), (40, 20))),
        ("grasper", rod((159, 110), (120, 110))),
        ("fat", disc((50, 24), (8, 12))),
        ("liver", disc((110, 110), (9, 12))),
    ]
    assert scene_sentence(scene_of(*parts[:3])).startswith("Two graspers in the upper left and lower right; fat")
    text = "Two graspers in the upper left and lower right touching fat and the liver; "
    assert scene_sentence(scene_of(*parts)).startswith(text)


@pytest.mark.parametrize(
    ("scene", "text"),
    [
        (Scene(SIZE_WH), "No instrument is in view."),
        (scene_of(("fat", disc((80, 60), (9, 9)))), "No instrument is in view; fat is in view."),
        (scene_of(("hook", rod((50, 50), (60, 60)))), "A hook in the center."),
    ],
)
def test_scenes_with_little_in_them(scene, text):
    assert scene_sentence(scene) == text


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (View(), "The view is clear."),
        (View("heavy", "some", blur=True), "The view is very smoky, slightly bloody and blurred."),
        (View(glare=True), "The view has glare."),
        (
            View("none", "a lot", glare=True, dirt=True),
            "The view is very bloody with glare and dirt on the lens.",
        ),
    ],
)
def test_views(view, text):
    assert view_sentence(view) == text


def test_what_is_not_known_is_not_said():
    text = region_sentence(hook_at_work(), 2, Appearance())
    assert text == region_sentence(hook_at_work(), 2)
    assert text.count(".") == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_every_region_sentence_is_true_fluent_and_readable_back(seed):
    rng = np.random.default_rng(seed)
    scene = random_scene(rng)
    for region in scene.regions:
        look = random_appearance(rng, region.kind == "instrument")
        text = region_sentence(scene, region.id, look)
        said = ground(text, scene, CORE, region.id, 1.0)
        assert said.ungrounded == () and said.mentions[0][2] == region.id, text
        assert contradictions(said, scene, CORE) == [], text
        assert parse_appearance(text) == look, text
        assert_fluent(text)
        assert text == region_sentence(scene, region.id, look)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_scene_sentence_is_true_fluent_and_complete(seed):
    rng = np.random.default_rng(seed)
    scene, view = random_scene(rng), random_view(rng)
    text = scene_sentence(scene, view)
    said = ground(text, scene, CORE, None, 1.0)
    assert said.ungrounded == (), text
    assert contradictions(said, scene, CORE) == [], text
    assert {found.label for found in find_labels(text, CORE)} == {region.label for region in listed(scene)}
    assert_fluent(text)


@pytest.mark.parametrize("name", ["endovis17", "endovis18", "cholecseg8k", "cholect50", "mtlesd"])
def test_other_label_sets_read_as_well(name):
    taxonomy = load_taxonomy(name)
    for seed in range(20):
        scene = random_scene(np.random.default_rng(seed), taxonomy)
        for region in scene.regions:
            text = region_sentence(scene, region.id)
            assert ground(text, scene, taxonomy, region.id, 1.0).ungrounded == (), text
            assert_fluent(text)
