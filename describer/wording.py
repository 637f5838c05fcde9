"""The words that sentences are made of, in one place: articles, plurals, numbers, and how things look.

Writers (prompts) and readers (eval) both take their vocabulary from here, so that what is said of an
appearance can be read back out of a text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from describer.types import Appearance, Cover, View

NUMBERS: Final = ("no", "one", "two", "three")
COUNT_WORDS: Final = {
    word: number
    for number, word in enumerate(("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"))
}
_MASS: Final = frozenset({"fat", "blood", "fluid", "thread", "omentum", "adhesion"})

COVER_PHRASES: Final[dict[Cover, str]] = {
    "blood": "bloodstains",
    "smoke": "smoke in front",
    "char": "charring",
}
# "blood" itself is an entity word of the taxonomies: it would claim a region of blood.
_COVER_PATTERNS: Final[tuple[tuple[Cover, str], ...]] = (
    ("blood", r"blood[- ]?stain\w*|bloody"),
    ("smoke", r"smoke|smoky"),
    ("char", r"char|charring|charred"),
)
GLARE_WORDS: Final = {"instrument": "shiny", "tissue": "glistening"}
BLUR_PHRASE: Final = "out of focus"
_GLARE: Final = r"shiny|glistening|glare|glaring|bright reflections?"
_BLUR: Final = r"out of focus|blurred|blurry"
_JAWS: Final = r"\bjaws (?:are )?(open|closed)\b|\b(open|closed) jaws\b"
_COLOUR: Final = re.compile(
    rf"\b(?:it is|they are|surface is|surfaces are) (?:(?:{_GLARE})\b ?)?"
    rf"(?!(?:{_GLARE})\b|with\b|out of focus)([a-z][a-z -]*?)(?= with\b| and (?:shiny|glistening)\b|[,.;]|$)"
)

SMOKE_WORDS: Final = {"light": "slightly smoky", "heavy": "very smoky"}
BLOOD_WORDS: Final = {"some": "slightly bloody", "a lot": "very bloody"}


def is_surface(kind: str) -> bool:
    """Whether it is the surface of such a thing that looks somehow: of tissue, not of an instrument."""
    return kind in ("anatomy", "pathology")


def gloss_word(kind: str) -> str:
    """What a thing with glare is called."""
    return GLARE_WORDS["tissue" if is_surface(kind) else "instrument"]


def view_words(view: View) -> tuple[list[str], list[str]]:
    """How a disturbed view is ("very smoky", "blurred"), and what it has ("glare"); both empty of a clear one."""
    words = [SMOKE_WORDS.get(view.smoke), BLOOD_WORDS.get(view.blood), "blurred" if view.blur else None]
    things = [word for word, on in (("glare", view.glare), ("dirt on the lens", view.dirt)) if on]
    return [word for word in words if word], things


def is_plural(label: str) -> bool:
    """Whether a label is a plural already: scissors, forceps, marking dots."""
    return label.endswith("s") and not label.endswith(("ss", "us", "is"))


def is_mass(label: str) -> bool:
    """Whether a label is not counted: fat, blood, connective tissue."""
    return label in _MASS or label.endswith("tissue")


def with_article(label: str, kind: str) -> str:
    """ "a hook", "an electric knife", "scissors", "the liver", "fat"."""
    if is_mass(label) or (is_plural(label) and kind != "anatomy"):
        return label
    if kind == "anatomy":
        return f"the {label}"
    return f"{'an' if label[0].lower() in 'aeiou' else 'a'} {label}"


def plural(label: str) -> str:
    """ "graspers", "clip appliers"; a label that is a plural already stays."""
    if is_plural(label):
        return label
    if re.search(r"[^aeiou]y$", label):
        return f"{label[:-1]}ies"
    if label.endswith("knife"):
        return f"{label[:-2]}ves"
    return f"{label}es" if label.endswith(("s", "x", "ch", "sh")) else f"{label}s"


def gerund(verb: str) -> str:
    """ "grasping", "incising", "cutting": of the verbs of the taxonomies."""
    if verb.endswith("e"):
        return f"{verb[:-1]}ing"
    return f"{verb}{verb[-1]}ing" if verb in ("clip", "cut") else f"{verb}ing"


def counted(label: str, kind: str, number: int) -> str:
    """ "two graspers", "two pairs of scissors", "three areas of fat"; more than three are "several"."""
    if number == 1 or label == "marking dots":
        return with_article(label, kind)
    word = NUMBERS[number] if number < len(NUMBERS) else "several"
    if kind == "anatomy" or is_mass(label):
        return f"{word} areas of {label}"
    return f"{word} pairs of {label}" if label.endswith(("scissors", "forceps")) else f"{word} {plural(label)}"


def joined(items: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def colour_told(text: str) -> tuple[str, int] | None:
    """The colour that a region's text tells, and where it stands."""
    lower = text.lower()
    # Only what follows the first sentence speaks of looks; a text of one sentence is read whole.
    looks = lower.split(". ", 1)[-1]
    found = _COLOUR.search(looks)
    return (found.group(1).strip(), len(lower) - len(looks) + found.start(1)) if found else None


def parse_appearance(text: str) -> Appearance:
    """Read a region sentence's appearance back: what it does not say is none, False, sharp, None."""
    looks = text.lower().split(". ", 1)[-1]
    colour = colour_told(text)
    cover = next((name for name, words in _COVER_PATTERNS if re.search(rf"\b(?:{words})\b", looks)), "none")
    jaws = re.search(_JAWS, looks)
    state = next((group for group in jaws.groups() if group), None) if jaws else None
    return Appearance(
        colour=colour[0] if colour else None,
        cover=cover,  # type: ignore[arg-type]
        glare=bool(re.search(rf"\b(?:{_GLARE})\b", looks)),
        sharp=not re.search(rf"\b(?:{_BLUR})\b", looks),
        state=state,  # type: ignore[arg-type]
    )
