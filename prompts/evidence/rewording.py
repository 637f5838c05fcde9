"""A free question about looks in a wording that small models were tuned on: they know few others."""

from __future__ import annotations

from describer.prompts.evidence.reading import Query
from describer.prompts.questions.base import Thing, slots_of
from describer.prompts.questions.wordings import wordings
from describer.taxonomy import Taxonomy
from describer.wording import COVER_PHRASES, sentence_case

_LOOKS = frozenset((
    *("colour", "jaws", "jaws open", "cover", "covered with", "glare", "sharp", "tip visible", "hop colour"),
    *("smoke", "blood", "view glare", "dirt", "blur", "disturbs", "clear"),
))  # fmt: skip


def reworded(query: Query, taxonomy: Taxonomy) -> str | None:
    """The first wording of the query's kind to train on, filled with what the question names.

    None for what is no question about looks, and for one whose words may turn a yes into a no.
    """
    if query.kind not in _LOOKS or query.negated or query.unclear:
        return None
    slots: dict[str, str] = {}
    if query.kind == "covered with":
        if query.cover is None:
            return None
        slots["stuff"] = COVER_PHRASES[query.cover].removesuffix(" in front")
    wording = wordings(query.kind, "train")[0]
    if "{the}" in wording:
        if len(query.nouns) != 1 or query.nouns[0].label not in taxonomy.names:
            return None
        noun = query.nouns[0]
        thing = Thing(noun.label, taxonomy.label(noun.label).kind, pointed=noun.region_id is not None)
        slots |= slots_of(thing, noun.label)
    return sentence_case(wording.format(**slots))
