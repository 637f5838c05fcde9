"""A question with what it names marked: "Where is the hook?" -> "where is the X1", so that rules can read it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from describer.mentions import find_labels
from describer.taxonomy import Taxonomy
from describer.types import PLACES
from describer.wording import gerund

_INSTRUMENT = r"\b(?:surgical |other )?(?:instrument|tool|device)s?\b"
_TISSUE = r"\b(?:(?:tissue|organ)s?|anatom(?:y|ies)|anatomical structures?|structures?)\b"
_OPTIONS = re.compile(
    r"^(?P<question>.*?)[\s.]*\b(?:(?:choose|say|pick|select|answer with)?(?: the right)? ?one(?: of)?(?: these)?"
    r"|choose from|options(?: are)?|(?:your )?choices are|possible answers(?: are)?)\s*:\s*(?P<options>.+?)[.?]?$",
    re.IGNORECASE | re.DOTALL,
)
_POINTED = re.compile(
    r"\b(?:this|the selected|the marked) (?:instrument|tool|device|tissue|organ|region|thing|object|structure)\b"
    r"|\bit\b|\bthis\b(?! (?:\w+ )?(?:frame|picture|image|view|scene|field|step|phase|activity|moment|operation)\b)"
)
_SIDE = re.compile(
    r"\b(?:in|on|at) the (left|right|top|bottom)(?: side| half| part)?(?: of the (?:view|frame|picture|image|screen))?"
    r"(?! (?:side|half|part|or|of)\b)(?=$|\W)"
)
# Asked of often, found in few label sets: what a set lacks it was never taught to see.
_OTHER_THINGS = (
    *("stapler", "vessel sealer", "trocar", "ultrasound probe", "scalpel", "sponge", "gauze", "swab", "specimen bag"),
    *("catheter", "drain", "stent", "mesh", "spleen", "stomach", "kidney", "ureter", "uterus", "ovary", "pancreas"),
    *("bladder", "appendix", "prostate", "esophagus", "oesophagus", "diaphragm", "heart", "lung", "ulcer"),
)
_PLACE_WORDS = {"top": "upper", "bottom": "lower", "middle": "center", "centre": "center", "central": "center"}


@dataclass(frozen=True, slots=True)
class Noun:
    """A thing that a question names: ``label`` of the taxonomy, or a word that it lacks (``known`` False); with
    ``region_id`` the region that is pointed at."""

    label: str
    known: bool = True
    region_id: int | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """``text`` in lower case with X1, X2.. for ``nouns``, INSTR, TISSUE, PLACE, VERB and ACTIVITY for such words."""

    text: str
    nouns: tuple[Noun, ...]
    place: str | None
    verb: str | None
    activity: str | None
    options: tuple[str, ...]


def mark(question: str, taxonomy: Taxonomy, pointed: Noun | None = None) -> Marked:
    """``pointed`` is the region that the question is asked of, which "this" and "it" then mean."""
    asked, options = _split_options(question)
    nouns: list[Noun] = []
    text = _mark_nouns(asked, taxonomy, nouns, pointed)
    text, place = _mark_place(text)
    text, verb = _mark_word(text, {gerund(v): v for v in taxonomy.verbs}, "VERB")
    text, activity = _mark_word(text, {name: name for name in taxonomy.activities}, "ACTIVITY")
    if verb is not None and activity is None and gerund(verb) in taxonomy.activities:
        activity = gerund(verb)
    if pointed is not None:
        text, found = _POINTED.subn(lambda _: _token(nouns, pointed), text)
        if not found and pointed not in nouns:
            text = f"{text} {_token(nouns, pointed)}"
    text = re.sub(_INSTRUMENT, "INSTR", text)
    text = re.sub(r"\b(?:the|an?) (?=X\d)", "", text)
    text = re.sub(_TISSUE, "TISSUE", text)
    return Marked(re.sub(r"\s+", " ", text).strip(), tuple(nouns), place, verb, activity, options)


def _split_options(question: str) -> tuple[str, tuple[str, ...]]:
    found = _OPTIONS.match(question.strip())
    if found is None:
        return question.strip(), ()
    options = re.split(r"\s*[,;/]\s*|\s+or\s+", found["options"].strip())
    return found["question"], tuple(option.strip() for option in options if option.strip())


def _token(nouns: list[Noun], noun: Noun) -> str:
    if noun not in nouns:
        nouns.append(noun)
    return f"X{nouns.index(noun) + 1}"


def _mark_nouns(question: str, taxonomy: Taxonomy, nouns: list[Noun], pointed: Noun | None) -> str:
    spans = [(found.start, found.end, Noun(found.label)) for found in find_labels(question, taxonomy)]
    taken = [(start, end) for start, end, _ in spans]
    for found in _foreign(taxonomy).finditer(question):
        if all(found.end() <= start or found.start() >= end for start, end in taken):
            spans.append((found.start(), found.end(), Noun(_singular(found.group().lower()), known=False)))
    parts, at = [], 0
    for start, end, noun in sorted(spans, key=lambda span: span[0]):
        same = pointed is not None and noun.label == pointed.label
        parts += [question[at:start].lower(), _token(nouns, pointed if same and pointed else noun)]
        at = end
    return "".join([*parts, question[at:].lower()])


@functools.lru_cache(maxsize=16)
def _foreign(taxonomy: Taxonomy) -> re.Pattern[str]:
    """What people ask of in an operation and this taxonomy has no label for."""
    own = {word.lower() for label in taxonomy.labels for word in (label.name, *label.synonyms)}
    words = sorted((word for word in _OTHER_THINGS if word not in own), key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})s?\b", re.IGNORECASE)


def _singular(word: str) -> str:
    return word.removesuffix("s") if not word.endswith("ss") and not word.endswith(("forceps", "scissors")) else word


def _mark_place(text: str) -> tuple[str, str | None]:
    """Places of the 3 x 3 grid in the usual words for them; else a side of the view."""
    plain = re.sub(r"\b(?:top|bottom|middle|centre|central)\b", lambda m: _PLACE_WORDS[m.group()], text)
    plain = re.sub(r"\b(left|right) (center)\b", r"\2 \1", plain)
    plain = re.sub(r"\b(upper|lower|center)[- ](left|right|center)\b", r"\1 \2", plain)
    for place in sorted(PLACES, key=len, reverse=True):
        before = "(?<=the )" if place == "center" else ""
        if re.search(rf"{before}\b{place}\b", plain):
            return re.sub(rf"{before}\b{place}\b", "PLACE", plain), place
    side = _SIDE.search(text)
    if side is None:
        return text, None
    word = {"top": "upper", "bottom": "lower"}.get(side.group(1), side.group(1))
    return text.replace(side.group(), "in the PLACE"), word


def _mark_word(text: str, words: dict[str, str], token: str) -> tuple[str, str | None]:
    for word in sorted(words, key=len, reverse=True):
        if re.search(rf"\b{re.escape(word)}\b", text):
            return re.sub(rf"\b{re.escape(word)}\b", token, text), words[word]
    return text, None
