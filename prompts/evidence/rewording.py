"""A free question about looks in a wording that small models were tuned on: they know few others."""

from __future__ import annotations

import re

from describer.prompts.evidence.reading import Query
from describer.prompts.questions.base import Thing, slots_of
from describer.prompts.questions.wordings import wordings
from describer.taxonomy import Taxonomy
from describer.wording import COVER_PHRASES, sentence_case

_LOOKS = frozenset((
    *("colour", "jaws", "jaws open", "cover", "covered with", "glare", "sharp", "tip visible", "hop colour"),
    *("smoke", "blood", "view glare", "dirt", "blur", "disturbs", "clear"),
))  # fmt: skip
# What is asked with these may be the contrary of what the wordings ask.
_CONTRARY = re.compile(
    r"\b(?:not|no|never|without|un\w+|blur\w*|out of focus|closed|shut|clean\w*|hidden|hide\w*)\b|n't\b"
)
_MAY_DENY = frozenset(("jaws open", "sharp", "blur", "dirt", "clear", "tip visible", "glare", "view glare"))
_STUFF = {"smok": "smoke", "char": "char", "blood": "blood"}


def reworded(question: str, query: Query, taxonomy: Taxonomy) -> str | None:
    """The first wording of the query's kind to train on, filled with what the question names.

    None for what is no question about looks, and for one whose words may turn a yes into a no.
    """
    text = question.lower()
    if query.kind not in _LOOKS or (query.kind in _MAY_DENY and _CONTRARY.search(text)):
        return None
    slots: dict[str, str] = {}
    if query.kind == "covered with":
        stuff = next((cover for word, cover in _STUFF.items() if word in text), None)
        if stuff is None:
            return None
        slots["stuff"] = COVER_PHRASES[stuff].removesuffix(" in front")  # type: ignore[index]
    wording = wordings(query.kind, "train")[0]
    if "{the}" in wording:
        if len(query.nouns) != 1 or query.nouns[0].label not in taxonomy.names:
            return None
        noun = query.nouns[0]
        thing = Thing(noun.label, taxonomy.label(noun.label).kind, pointed=noun.region_id is not None)
        slots |= slots_of(thing, noun.label)
    return sentence_case(wording.format(**slots))
