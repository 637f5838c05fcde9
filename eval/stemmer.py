"""The English stemmer of Snowball (Porter2), the one METEOR uses, written from its published description."""

from __future__ import annotations

import functools
import re

_DOUBLES = ("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt")
_WHOLE = {
    **{"skis": "ski", "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "idly": "idl"},
    **{"gently": "gentl", "ugly": "ugli", "early": "earli", "only": "onli", "singly": "singl"},
    **{word: word for word in ("sky", "news", "howe", "atlas", "cosmos", "bias", "andes")},
}
_WHOLE_AFTER_1A = frozenset(("inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"))
_STEP_2 = (
    *(("ization", "ize"), ("ational", "ate"), ("ousness", "ous"), ("iveness", "ive"), ("fulness", "ful")),
    *(("tional", "tion"), ("biliti", "ble"), ("lessli", "less"), ("entli", "ent"), ("ation", "ate"), ("alism", "al")),
    *(("aliti", "al"), ("ousli", "ous"), ("iviti", "ive"), ("fulli", "ful"), ("enci", "ence"), ("anci", "ance")),
    *(("abli", "able"), ("izer", "ize"), ("ator", "ate"), ("alli", "al"), ("bli", "ble"), ("ogi", "og"), ("li", "")),
)
_STEP_3 = (
    *(("ational", "ate"), ("tional", "tion"), ("alize", "al"), ("icate", "ic"), ("iciti", "ic"), ("ative", "")),
    *(("ical", "ic"), ("ness", ""), ("ful", "")),
)
_STEP_4 = (
    *("ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "iti", "ous", "ive", "ize", "ion"),
    *("al", "er", "ic"),
)


@functools.lru_cache(maxsize=2**14)
def stem(word: str) -> str:
    """The stem of a lower-case word. Source: snowballstem.org/algorithms/english/stemmer.html."""
    if len(word) <= 2:
        return word
    if word in _WHOLE:
        return _WHOLE[word]
    word = re.sub(r"(^|[aeiouy])y", r"\1Y", word.removeprefix("'"))
    r1, r2 = _regions(word)
    word = _step_0_and_1a(word)
    if word in _WHOLE_AFTER_1A:
        return word
    word = _step_1b(word, r1)
    word = re.sub(r"(?<=[^aeiouy])[yY]$", "i", word) if len(word) > 2 else word
    word = _step_2(word, r1)
    word = _step_3(word, r1, r2)
    word = _step_4(word, r2)
    return _step_5(word, r1, r2).replace("Y", "y")


def _regions(word: str) -> tuple[int, int]:
    """Where R1 and R2 begin: after the first consonant behind a vowel, and after the next such."""
    prefix = re.match(r"gener|commun|arsen", word)
    r1 = prefix.end() if prefix else _behind(word, 0)
    return r1, _behind(word, r1)


def _behind(word: str, start: int) -> int:
    found = re.compile(r"[aeiouy][^aeiouy]").search(word, start)
    return found.end() if found else len(word)


def _step_0_and_1a(word: str) -> str:
    word = re.sub(r"'(s'?)?$", "", word)
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith(("ied", "ies")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith("s") and not word.endswith(("us", "ss")) and re.search(r"[aeiouy].+s$", word):
        return word[:-1]
    return word


def _step_1b(word: str, r1: int) -> str:
    for ending in ("eedly", "eed"):
        if word.endswith(ending):
            return word[: -len(ending)] + "ee" if len(word) - len(ending) >= r1 else word
    found = re.search(r"(?:ingly|edly|ing|ed)$", word)
    if not found or not re.search(r"[aeiouy]", word[: found.start()]):
        return word
    word = word[: found.start()]
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if word.endswith(_DOUBLES):
        return word[:-1]
    return word + "e" if r1 >= len(word) and _ends_short(word) else word


def _ends_short(word: str) -> bool:
    return bool(re.search(r"[^aeiouy][aeiouy][^aeiouywxY]$|^[aeiouy][^aeiouy]$", word))


def _step_2(word: str, r1: int) -> str:
    for ending, new in _STEP_2:
        if word.endswith(ending):
            rest = word[: -len(ending)]
            allowed = {"ogi": rest.endswith("l"), "li": rest.endswith(tuple("cdeghkmnrt"))}.get(ending, True)
            return rest + new if len(rest) >= r1 and allowed else word
    return word


def _step_3(word: str, r1: int, r2: int) -> str:
    for ending, new in _STEP_3:
        if word.endswith(ending):
            rest = word[: -len(ending)]
            return rest + new if len(rest) >= (r2 if ending == "ative" else r1) else word
    return word


def _step_4(word: str, r2: int) -> str:
    for ending in _STEP_4:
        if word.endswith(ending):
            rest = word[: -len(ending)]
            return rest if len(rest) >= r2 and (ending != "ion" or rest.endswith(("s", "t"))) else word
    return word


def _step_5(word: str, r1: int, r2: int) -> str:
    rest = word[:-1]
    if word.endswith("e"):
        return rest if len(rest) >= r2 or (len(rest) >= r1 and not _ends_short(rest)) else word
    return rest if word.endswith("ll") and len(rest) >= r2 else word
