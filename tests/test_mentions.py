import pytest

from describer.mentions import affirmed_labels, find_labels, link
from describer.taxonomy import known_taxonomies, load_taxonomy
from describer.wording import plural
from tests.scenes import disc, rod, scene_of

CORE = load_taxonomy("core")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("A grasper touches the liver.", ["grasper", "liver"]),
        ("Two graspers", ["grasper"]),
        ("the HOOK", ["hook"]),
        ("bipolar forceps", ["bipolar forceps"]),  # never the "forceps" of a grasper
        ("the forceps", ["grasper"]),
        ("two electric knives", ["electric knife"]),
        ("a needle lies there", []),
        ("a needle-driver", ["needle driver"]),
        ("a needle\u2011driver, NEEDLE \u2013 DRIVERS", ["needle driver", "needle driver"]),
        ("L hook and L-hook", ["hook", "hook"]),
        ("marking dot, marking dots", ["marking dots", "marking dots"]),
        ("marking and submucosal dissection", []),  # activities are not entities
        ("bloodstains, smoky, clipping, suction", []),
        ("the flap of mucosa", ["mucosal flap", "mucosa"]),
        ("mucosal flap", ["mucosal flap"]),
        ("delivery", []),  # "liver" inside of a word
        ("", []),
    ],
)
def test_words_are_found(text, labels):
    assert [found.label for found in find_labels(text, CORE)] == labels


@pytest.mark.parametrize("name", known_taxonomies())
def test_every_name_synonym_and_plural_finds_its_label(name):
    taxonomy = load_taxonomy(name)
    for label in taxonomy.labels:
        for word in (label.name, *label.synonyms, plural(label.name)):
            (found,) = find_labels(f"see the {word} here", taxonomy)
            assert (found.label, found.start, found.end) == (label.name, 8, 8 + len(word))


def test_spans_are_of_the_words_and_absent_labels_are_ungrounded():
    scene = scene_of(("liver", disc((50, 50), (30, 30))))
    text = "The liver and a snare."
    mentions, ungrounded = link(text, scene, CORE)
    assert [(text[start:end], region_id) for start, end, region_id in mentions] == [("liver", 1)]
    assert ungrounded == ("snare",)


def test_a_label_with_several_regions_goes_to_the_described_one_then_to_its_contacts():
    scene = scene_of(
        ("grasper", rod((0, 10), (40, 10))),
        ("grasper", rod((0, 60), (60, 60))),
        ("grasper", rod((159, 60), (62, 60))),
    )
    mentions, _ = link("A grasper meets another grasper; a third grasper waits.", scene, CORE, about=3)
    assert [region_id for _, _, region_id in mentions] == [3, 2, 1]
    mentions, _ = link("grasper, grasper, grasper, grasper", scene, CORE)
    assert [region_id for _, _, region_id in mentions] == [1, 2, 3, 3]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A grasper and the liver.", ["grasper", "liver"]),
        ("There is no snare.", []),
        ("No sign of active bleeding; the liver is pink.", ["liver"]),
        ("No grasper, hook or snare, and the liver is free.", ["liver"]),
        ("Neither a grasper nor a hook.", []),
        ("No grasper. The liver is free.", ["liver"]),
        ("No bleeding, the liver is intact.", ["liver"]),
        ("The snare is not visible, the liver is.", ["liver"]),
        ("A grasper and a snare are not visible.", []),
        ("A grasper is in view and a snare cannot be seen.", ["grasper"]),
        ("The grasper does not touch the liver.", ["grasper", "liver"]),
        ("A hook without a clip applier.", ["hook"]),
        ("The grasper isn't visible.", []),
    ],
)
def test_denied_words_are_not_said(text, wanted):
    assert [found.label for found in affirmed_labels(text, CORE)] == wanted


def test_what_a_text_denies_is_not_ungrounded():
    scene = scene_of(("liver", disc((50, 50), (30, 30))))
    assert link("The liver, no snare and no sign of bleeding.", scene, CORE)[1] == ()
    assert link("No snare, but a hook.", scene, CORE)[1] == ("hook",)
    # What is there stays linked: that it is denied is for claims to refute.
    assert [i for _, _, i in link("No liver is in view.", scene, CORE)[0]] == [1]
