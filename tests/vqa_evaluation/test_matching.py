import pytest

from describer.vqa_evaluation.matching import accepts, wordings_of
from describer.vqa_sets import named
from describer.vqa_sets.question import Question

VERBS = ("grasp", "retract", "dissect", "cut")
PLACES = ("upper left", "upper right", "lower left", "lower right")
TARGETS = ("gallbladder", "liver", "abdominal wall", "peritoneum", "cystic duct")
TOOLS = ("grasper", "bipolar forceps", "hook")


def question(answers, choices=(), text="What?"):
    return Question(
        "1", (), "v", text, tuple(answers) if isinstance(answers, list) else (answers,), "t", choices=choices
    )


@pytest.mark.parametrize(
    ("said", "asked", "right"),
    [
        ("Yes, forceps are in view.", question("yes", ("yes", "no")), True),
        ("Yes, forceps are in view.", question("no", ("yes", "no")), False),
        ("There are none.", question("no", ("yes", "no")), True),
        ("It is retracting the gallbladder.", question("retract", VERBS), True),
        ("It retracts and cuts.", question("retract", VERBS), False),
        ("It is cutting.", question("retract", VERBS), False),
        ("The gallbladder.", question("retract", VERBS), False),
        ("In the upper left.", question(["upper left", "left-top"], PLACES), True),
        ("In the upper right.", question(["upper left", "left-top"], PLACES), False),
        ("In the center left.", question("upper left", PLACES), False),
        ("Left-top", question(["upper left", "left-top"], PLACES), True),
        ("There are two graspers.", question("2"), True),
        ("Three.", question("2"), False),
        ("Green; red", question("red; green"), True),
        ("Red and green.", question("red; green"), True),
        ("Red.", question("red; green"), False),
        ("A hook and a grasper.", question("grasper; hook", TOOLS), True),
        ("A hook, a grasper and bipolar forceps.", question("grasper; hook", TOOLS), False),
        ("No forceps are listed.", question(["No", "No forceps are listed."]), True),
        ("", question("retract", VERBS), False),
    ],
)
def test_right_and_wrong(said, asked, right):
    assert accepts(said, asked, {}) is right


def test_words_of_the_files_of_people_and_of_the_core_set_are_one():
    words = wordings_of(named("cholect50-vqa"))
    asked = question("bipolar forceps", ("grasper", "bipolar forceps", "suction irrigator", "clip applier"))
    for said in ("bipolar", "Bipolar forceps.", "a bipolar grasper"):
        assert accepts(said, asked, words), said
    assert not accepts("forceps", asked, words), "plain forceps are a grasper's synonym"
    assert not accepts("the irrigator", asked, words)


def test_labels_with_one_core_name_stand_for_each_other():
    words = wordings_of(named("cholect50-vqa"))
    assert accepts("The abdominal wall.", question("peritoneum", TARGETS), words)
    assert accepts("The peritoneum.", question("abdominal wall", TARGETS), words)
    assert not accepts("The liver.", question("peritoneum", TARGETS), words)
