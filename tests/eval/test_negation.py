import pytest

from describer.eval.negation import polarity


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
