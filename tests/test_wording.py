import pytest

from describer.types import Appearance
from describer.wording import counted, joined, parse_appearance, plural, with_article


@pytest.mark.parametrize(
    ("label", "kind", "phrase"),
    [
        ("hook", "instrument", "a hook"),
        ("electric knife", "instrument", "an electric knife"),
        ("ultrasound probe", "instrument", "an ultrasound probe"),
        ("scissors", "instrument", "scissors"),
        ("bipolar forceps", "instrument", "bipolar forceps"),
        ("liver", "anatomy", "the liver"),
        ("fat", "anatomy", "fat"),
        ("connective tissue", "anatomy", "connective tissue"),
        ("polyp", "pathology", "a polyp"),
        ("blood", "other", "blood"),
        ("marking dots", "other", "marking dots"),
    ],
)
def test_articles(label, kind, phrase):
    assert with_article(label, kind) == phrase


@pytest.mark.parametrize(
    ("label", "kind", "number", "phrase"),
    [
        ("grasper", "instrument", 2, "two graspers"),
        ("electric knife", "instrument", 1, "an electric knife"),
        ("electric knife", "instrument", 2, "two electric knives"),
        ("scissors", "instrument", 2, "two pairs of scissors"),
        ("clamps", "instrument", 3, "three clamps"),
        ("fat", "anatomy", 3, "three areas of fat"),
        ("polyp", "pathology", 5, "several polyps"),
        ("marking dots", "other", 4, "marking dots"),
    ],
)
def test_counts(label, kind, number, phrase):
    assert counted(label, kind, number) == phrase


def test_plurals_and_lists():
    assert [plural(word) for word in ("artery", "clip applier", "scissors")] == [
        "arteries",
        "clip appliers",
        "scissors",
    ]
    assert [joined(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("text", "appearance"),
    [
        ("A hook lies there.", Appearance()),
        ("A hook. It is silver and shiny.", Appearance("silver", glare=True)),
        ("The liver. Its surface is dark red and glistening.", Appearance("dark red", glare=True)),
        ("A snare. It is black, with its jaws open.", Appearance("black", state="open")),
        (
            "Scissors. They are grey with blood-stains, closed jaws.",
            Appearance("grey", "blood", state="closed"),
        ),
    ],
)
def test_looks_are_read_from_a_models_own_words(text, appearance):
    assert parse_appearance(text) == appearance
