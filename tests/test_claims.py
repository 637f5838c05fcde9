from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from describer.claims import contradictions, faults
from describer.mentions import link
from describer.prompts.sentences import region_sentence, scene_sentence
from describer.taxonomy import load_taxonomy
from describer.types import Appearance, Description, Relation
from tests.scenes import disc, random_appearance, random_scene, random_view, rod, scene_of

CORE = load_taxonomy("core")
SCENE = scene_of(
    ("grasper", rod((0, 10), (40, 20))),  # upper left, from the left
    ("hook", rod((159, 64), (84, 64))),  # center right, tip in the center
    ("liver", disc((30, 110), (20, 12))),  # lower left
    ("liver", disc((130, 110), (20, 12))),  # lower right
)


@pytest.mark.parametrize(
    ("about", "text", "count"),
    [
        (None, "A grasper in the upper left and a hook in the center right.", 0),
        (None, "A grasper in the lower right.", 1),
        (None, "A grasper in the top-left corner, a hook at the right.", 0),
        (None, "A hook with its tip in the center.", 0),
        (None, "A hook with its tip in the lower left.", 1),
        (None, "A grasper enters from the left.", 0),
        (None, "A grasper enters from the right.", 1),
        (None, "The hook lies in the center left.", 1),
        (None, "Two graspers and a hook.", 1),
        (None, "Two areas of liver.", 0),
        (None, "One liver.", 1),
        (3, "The liver lies in the lower left.", 0),
        (3, "The liver lies in the lower right.", 1),  # that is the other one
        (1, "One grasper above two areas of liver.", 0),
        (None, "The liver in the lower left. It is seen in the upper center.", 0),  # another sentence
        (None, "No snare in the upper left.", 0),  # true
        (None, "The hook is not visible.", 1),
        (None, "No grasper is in view.", 1),
    ],
)
def test_place_side_and_count_words_are_checked(about, text, count):
    mentions, ungrounded = link(text, SCENE, CORE, about)
    found = contradictions(Description(about, text, mentions, 1.0, ungrounded), SCENE, CORE)
    assert len(found) == count, found


# A hook (1) whose tip lies just inside the center, and the bowel (2): the upper half and a corner of the lower left.
WIDE = scene_of(("hook", rod((159, 64), (106, 64))), ("bowel", disc((80, 20), (90, 45))))


@pytest.mark.parametrize(
    ("about", "text", "refuted"),
    [
        (1, "A hook lies in the center right with its tip in the center.", []),
        (1, "A hook with its tip in the center right.", []),  # just beside it
        (1, "A hook with its tip in the upper center.", ["hook's tip in the upper center"]),
        (1, "The tip of the hook is in the center left.", ["hook in the center left"]),
        (2, "The bowel fills the view around the upper right.", []),  # half of that place
        (2, "The bowel fills the view around the lower left.", ["bowel in the lower left"]),
        (2, "The bowel fills the view around the upper left and upper center.", []),
        (2, "The bowel fills the view around the upper left and upper left.", ["upper left"]),
        (2, "The bowel fills the view around the upper left center.", ["upper left center"]),
    ],
)
def test_a_place_holds_a_good_part_or_the_tip(about, text, refuted):
    mentions, ungrounded = link(text, WIDE, CORE, about)
    found = contradictions(Description(about, text, mentions, 1.0, ungrounded), WIDE, CORE)
    assert [what.split(":")[0] for what in found] == refuted


# A grasper (1) that works on the liver (3) and touches it and a hook (2); fat (4) apart, bowel (5) just beside it.
TOUCHING = scene_of(
    ("grasper", rod((0, 40), (60, 40), 6)),
    ("hook", rod((60, 0), (60, 36), 6)),
    ("liver", disc((60, 60), (20, 18))),
    ("fat", disc((140, 20), (12, 12))),
    ("bowel", disc((140, 38), (12, 3))),
)
TOUCHING = replace(TOUCHING, relations=(*TOUCHING.relations, Relation(1, "acts on", 3)))


@pytest.mark.parametrize(
    ("about", "text", "refuted"),
    [
        (1, "A grasper enters from the left, touching the liver and a hook.", []),
        (1, "A grasper, at work on the liver and touching a hook.", []),
        (1, "A grasper, at work on the liver and touching fat.", ["grasper touching fat"]),
        (1, "A grasper, at work on a hook.", ["grasper at work on hook"]),
        (2, "A hook acts on the liver.", ["hook acts on liver"]),
        (2, "It touches the fat.", ["hook touches fat"]),  # "it" is the region that is described
        (4, "Fat, touching nothing.", []),
        (1, "A grasper touching nothing.", ["grasper touching nothing"]),
        (4, "Fat takes up a small area, next to bowel.", []),  # near, without contact
        (4, "Fat, touching bowel.", ["fat touching bowel"]),
        (4, "Fat, touched by a grasper and next to the liver.", ["fat touched by grasper", "fat next to liver"]),
        (
            None,
            "A grasper in the left touching the liver, and a hook in contact with fat.",
            ["hook in contact with fat"],
        ),
        (None, "A grasper touches the liver; fat and bowel are in view.", []),
        (None, "A grasper touching the liver and a hook in the upper center touching fat.", ["hook touching fat"]),
        (None, "A grasper is not touching the fat.", []),
        (None, "A snare touching the liver.", []),  # the snare itself is the fault
    ],
)
def test_contacts_are_checked(about, text, refuted):
    mentions, ungrounded = link(text, TOUCHING, CORE, about)
    found = contradictions(Description(about, text, mentions, 1.0, ungrounded), TOUCHING, CORE)
    assert [what.partition(":")[0] for what in found] == refuted


def test_a_scene_that_tells_no_actions_refutes_none():
    silent = replace(TOUCHING, relations=TOUCHING.relations[:-1])
    assert not faults("A hook at work on the liver.", silent, CORE)
    assert faults("A hook at work on the liver.", TOUCHING, CORE)


@pytest.mark.parametrize("seed", range(12))
def test_true_sentences_have_no_faults(seed):
    rng = np.random.default_rng(seed)
    scene = random_scene(rng)
    ids = [region.id for region in scene.regions]
    deeds = [Relation(i, "acts on", j) for i, j in pairwise(ids) if scene.region(i).kind == "instrument"]
    scene = replace(scene, relations=(*scene.relations, *deeds))
    for i in ids:
        text = region_sentence(scene, i, random_appearance(rng, scene.region(i).kind == "instrument"))
        assert faults(text, scene, CORE, i) == (), text
    text = scene_sentence(scene, random_view(rng))
    assert faults(text, scene, CORE) == (), text


@pytest.mark.parametrize(
    ("about", "text", "back"),
    [
        (None, "A hook and a SNARE wait.", "SNARE"),
        (None, "A hook and an Electric-Knife.", "Electric-Knife"),
        (None, "A grasper in the center right.", "right"),  # it reaches the center, so the row was right
        (None, "A grasper in the lower right.", "lower"),
        (None, "A grasper enters from the right.", "right"),
        (None, "Two graspers.", "Two"),
        (4, "Fat touching the liver.", "the liver"),
        (1, "A grasper touching the liver and fat.", "fat"),
        (1, "A grasper touching nothing.", "nothing"),
    ],
)
def test_each_fault_tells_from_where_to_say_it_otherwise(about, text, back):
    (fault,) = faults(text, TOUCHING, CORE, about)
    assert text[fault.backs[0] :].startswith(back)
    assert fault.hard == ("not in the scene" in fault.what)


def test_a_word_of_a_list_may_be_left_out_with_what_leads_to_it():
    text = "A hook, and an electric knife; fat, polyp and a snare are in view."
    led = [text[fault.backs[1] : fault.backs[0]] for fault in faults(text, TOUCHING, CORE)]
    assert led == [", and an ", ", ", " and a "]


def test_faults_come_in_the_order_of_the_text():
    found = faults("Two graspers in the lower right, a snare and fat touching the liver.", TOUCHING, CORE)
    assert [fault.what.split(":")[0] for fault in found] == [
        "two grasper",
        "grasper in the lower right",
        "snare",
        "fat touching liver",
    ]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("The liver lies in the lower left. Its surface is dark red with bloodstains.", None),
        ("The liver lies in the lower left. Its surface is red.", None),  # near enough
        ("The liver lies in the lower left. Its surface is yellow.", "yellow liver: its pixels are dark red"),
        (
            "The liver lies in the lower left. Its surface is glistening yellow.",
            "yellow liver: its pixels are dark red",
        ),
        ("The liver lies in the lower left. Its surface is crimson.", None),  # no word that was measured
        ("The liver lies in the lower left.", None),
    ],
)
def test_a_colour_is_held_against_the_pixels(text, wrong):
    liver = replace(SCENE.region(3), appearance=Appearance("dark red"))
    scene = replace(SCENE, regions=(*SCENE.regions[:2], liver, SCENE.regions[3]))
    found = faults(text, scene, CORE, 3)
    assert [fault.what for fault in found] == ([wrong] if wrong else [])
    assert all(text[back:].startswith("yellow") for fault in found for back in fault.backs)
    assert faults(text, SCENE, CORE, 3) == ()  # nobody looked


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ("A hook in the center right; liver, grasper and liver are in view.", ["liver"]),
        ("A hook in the center right; liver and the liver are in view.", ["liver"]),
        ("A hook in the center right, and a grasper in the upper left; liver and grasper are in view.", []),
        ("A grasper in the upper left touching the liver; liver and a hook are in view.", []),
        ("The liver lies in the lower left, next to a hook and more liver.", []),
        ("A hook, a hook and a hook.", ["hook", "hook"]),
        ("A grasper in the upper left at work on a hook, a hook in the center right.", []),
    ],
)
def test_what_a_list_names_again_is_a_fault(text, twice):
    named = [fault for fault in faults(text, SCENE, CORE) if fault.what.endswith("named twice")]
    assert [fault.what.removesuffix(": named twice") for fault in named] == twice
    assert all(text[max(fault.backs) :].startswith(label) for fault, label in zip(named, twice))
