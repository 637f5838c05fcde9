"""Answers in a form that can be compared: normalised words, numbers, and whether one answers like another."""

from __future__ import annotations

import re

from describer.eval.negation import polarity
from describer.wording import COUNT_WORDS

_NUMBERS = {**COUNT_WORDS, "zero": 0, "none": 0, "nothing": 0, "ten": 10, "eleven": 11, "twelve": 12}
_ARTICLES = frozenset({"a", "an", "the"})


def normalise(answer: str) -> str:
    """Lower case, no punctuation, no articles, number words as digits, one space between words.

    After the VQA challenge's scorer (Antol et al., ICCV 2015), with hyphens and underscores read as spaces, since
    this field's labels come both ways ("left-top", "Tissue_Manipulation"). "no" and "none" stay words.
    """
    text = re.sub(r"(?<=\d)[.,](?=\d)", "", answer.lower()).replace("'", "").replace("’", "")
    words = [word for word in re.split(r"[^\w]+|_+", text) if word and word not in _ARTICLES]
    return " ".join(str(_NUMBERS[w]) if w in _NUMBERS and w not in ("no", "none", "nothing") else w for w in words)


def same_answer(candidate: str, reference: str) -> bool:
    """Whether two answers agree: normalised words, except that a bare yes or no asks only for a yes or no.

    "Yes, forceps are being used" against "No" disagrees; against "Yes" it agrees.
    """
    wanted = normalise(reference)
    if wanted in ("yes", "no"):
        return polarity(candidate) == wanted
    return normalise(candidate) == wanted


def number_of(answer: str) -> int | None:
    """The first whole number an answer names, in digits or words ("no" and "none" are 0), or None."""
    for word in re.findall(r"[^\W_]+", answer.lower()):
        if word.isdecimal():
            return int(word)
        if word in _NUMBERS:
            return _NUMBERS[word]
    return None
