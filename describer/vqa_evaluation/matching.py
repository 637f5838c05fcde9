"""Whether an answer in free words is one of a question's true answers.

An answer is right when it equals a true one (see ``eval.answers``), names the same number, or names the same of the
question's choices, no more and no fewer: "It is retracting the gallbladder." is "retract" where the choices are verbs.
Words are compared by their stems. What the core taxonomy has under one name counts as one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from describer.eval.answers import normalise, number_of, same_answer
from describer.eval.stemmer import stem
from describer.taxonomy import load_taxonomy
from describer.vqa_sets.question import Question, QuestionSet

Wordings = Mapping[str, frozenset[tuple[str, ...]]]
"""Plain words of a set's labels to all the ways of saying them, as stems."""


def wordings_of(found: QuestionSet) -> Wordings:
    """The labels of a set in the words of its files, its plain words, and those of the core taxonomy."""
    core = load_taxonomy("core")
    synonyms = {label.name: label.synonyms for label in core.labels}
    ways: dict[str, set[str]] = {}
    for label, said in found.words.items():
        ways.setdefault(said, {said}).add(label)
    for said, name in found.core.items():
        ways.setdefault(said, {said}).update((name, *synonyms.get(name, ())))
    return {said: frozenset(map(_stems, words)) for said, words in ways.items()}


def accepts(said: str, question: Question, wordings: Wordings) -> bool:
    """Whether ``said`` answers the question as one of its true answers does."""
    if any(same_answer(said, answer) for answer in question.answers):
        return True
    truth = normalise(question.answers[0])
    if truth in ("yes", "no"):
        return False
    if truth.isdecimal():
        return number_of(said) == int(truth)
    wanted = _parts(question.answers[0])
    if question.choices:
        return _names_all(said, wanted, question.choices, wordings)
    return _parts(said) == wanted


def _parts(answer: str) -> frozenset[str]:
    """The parts of an answer that is a list, in any order."""
    parts = re.split(r"[;,]| and ", answer)
    return frozenset(part for part in map(normalise, parts) if part)


def _names_all(said: str, wanted: frozenset[str], choices: Sequence[str], wordings: Wordings) -> bool:
    """Whether the choices that are named are those that are wanted; a shared name may stand for any that share it."""
    ways = {choice: wordings.get(choice, frozenset()) | {_stems(choice)} for choice in choices}
    named = _mentions(_stems(said), ways)
    asked = [choice for choice in choices if normalise(choice) in wanted]
    return (
        len(asked) == len(wanted)
        and all(any(choice in mention for mention in named) for choice in asked)
        and all(any(choice in mention for choice in asked) for mention in named)
    )


def _mentions(words: tuple[str, ...], ways: Wordings) -> list[frozenset[str]]:
    """From left to right the longest names in a text, each with all choices that go by it."""
    owners: dict[tuple[str, ...], set[str]] = {}
    for choice, names in ways.items():
        for name in names:
            owners.setdefault(name, set()).add(choice)
    longest = max(map(len, owners), default=0)
    found, at = [], 0
    while at < len(words):
        sizes = range(min(longest, len(words) - at), 0, -1)
        size = next((size for size in sizes if words[at : at + size] in owners), 0)
        if size:
            found.append(frozenset(owners[words[at : at + size]]))
        at += size or 1
    return found


def _stems(text: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in normalise(text).split())
