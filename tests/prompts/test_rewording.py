"""Free questions about looks in taught words: every unseen wording comes out as a taught one, nothing turned round."""

from __future__ import annotations

import pytest

from describer.prompts.evidence import read_question, reworded
from describer.prompts.questions.base import Thing, slots_of
from describer.prompts.questions.wordings import wordings
from describer.taxonomy import load_taxonomy

CORE = load_taxonomy("core")


def said(question: str) -> str | None:
    query = read_question(question, CORE)
    return None if query is None else reworded(query, CORE)


@pytest.mark.parametrize("kind", ["colour", "jaws", "smoke", "blood", "disturbs", "view glare", "hop colour"])
@pytest.mark.parametrize("split", ["train", "unseen"])
def test_other_words_become_taught_ones(kind: str, split: str) -> None:
    slots = slots_of(Thing("grasper", "instrument"), "grasper")
    taught = wordings(kind, "train")[0].format(**slots)
    for wording in wordings(kind, split):  # type: ignore[arg-type]
        assert said(wording.format(**slots)) == taught


@pytest.mark.parametrize(
    ("question", "taught"),
    [
        ("Would you say that there is soot or charring on the liver?", "Is there charring on the liver?"),
        ("Tell me whether bloodstains can be seen on the hook.", "Are there bloodstains on the hook?"),
        ("Tell me the colour of the marking dots.", "What colour are the marking dots?"),
    ],
)
def test_what_is_named_is_kept(question: str, taught: str) -> None:
    assert said(question) in (taught, taught.replace("Are there", "Is there"))


@pytest.mark.parametrize(
    "question",
    [
        "Are the jaws of the grasper closed?",
        "Is the view blurred?",
        "Is the lens clean?",
        "Is the hook out of focus?",
        "Isn't the view clear?",
        "How many graspers are there?",
        "What colour is the stapler?",
    ],
)
def test_what_may_be_turned_round_or_is_no_look_stays(question: str) -> None:
    assert said(question) is None
