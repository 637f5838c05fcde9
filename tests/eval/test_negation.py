import pytest

from describer.eval.negation import affirmed_labels, polarity
from describer.taxonomy import load_taxonomy

CORE = load_taxonomy("core")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Yes, forceps are being used.", "yes"),
        ("No", "no"),
        ("no.", "no"),
        (' "Yes"', "yes"),
        ("Yes, no bleeding is seen.", "yes"),  # the leading word decides
        ("No, it is visible only in part.", "no"),
        ("There are no forceps.", "no"),
        ("It isn't open.", "no"),
        ("The jaws are not open.", "no"),
        ("None.", "no"),
        ("I cannot tell.", None),
        ("It is unclear, not enough light.", None),
        ("Forceps", None),
        ("Nodules", None),  # a word that only begins like no
        ("North of the liver", None),
        ("", None),
    ],
)
def test_polarity(text, wanted):
    assert polarity(text) == wanted


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
