"""METEOR against the public scorer's recorded numbers; its stages, its stemmer, its alignment."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from describer.eval.alignment import Match, align
from describer.eval.meteor import meteor
from describer.eval.stemmer import stem
from tests.eval.real_text import items, shared


def one(candidate: str, *references: str, **options) -> float:
    return meteor([candidate], [references], **options).items["meteor"][0]


# Recorded from meteor-1.5.jar, -l en -norm: no word of these has a synonym there.
@pytest.mark.parametrize(
    ("candidate", "reference", "score"),
    [
        ("the cat sat", "the cat sat", 1.0),
        ("the cat sat", "the cats sat", 0.8285714285714284),
        ("left-hand side", "left hand side", 1.0),
        ("the liver", "the hepatic liver is here", 0.16080402010050254),
        ("a b c d", "d c b a", 0.4),
        ("it's red", "it is red", 0.31067961165048547),
        ("the liver", "a hook", 0.0),
        ("", "a hook", 0.0),
        ("?", "!", 0.0),
    ],
)
def test_equal_to_the_public_scorer_where_it_needs_no_download(candidate: str, reference: str, score: float) -> None:
    assert one(candidate, reference, taxonomy=None) == pytest.approx(score, abs=1e-9)


def test_near_the_public_scorer_on_real_text() -> None:
    """Measured: mean absolute difference 0.0078, correlation 0.994, 72.5 % of the 754 items equal to 1e-6."""
    recorded = json.loads((Path(__file__).parent / "recorded_captions.json").read_text())
    scores = meteor(*items(shared("text")), taxonomy=None)
    difference = np.abs(np.subtract(scores.items["meteor"], recorded["items"]["meteor"]))
    assert difference.mean() < 0.009
    assert (difference < 1e-6).mean() > 0.7
    assert np.corrcoef(scores.items["meteor"], recorded["items"]["meteor"])[0, 1] > 0.99
    assert scores.corpus["meteor"] == pytest.approx(recorded["corpus"]["meteor"], abs=0.01)


def test_near_the_public_scorer_on_surgical_cases() -> None:
    """Measured: mean absolute difference 0.0055, correlation 0.997, corpus 0.3832 against 0.3878."""
    data = json.loads(shared("metrics", "surgical_parity.json").read_text())
    scores = meteor(data["res_raw"], data["gts_raw"], taxonomy=None)
    recorded = [data["expected"]["per_item"][key]["METEOR"] for key in data["res_raw"]]
    assert np.abs(np.subtract(scores.items["meteor"], recorded)).mean() < 0.006
    assert np.corrcoef(scores.items["meteor"], recorded)[0, 1] > 0.99


def test_synonyms_of_the_taxonomy_count_and_several_words_are_one_name() -> None:
    assert one("the intestine", "the bowel", taxonomy=None) < one("the intestine", "the bowel") < 1
    assert one("the fatty tissue", "the fat") > one("the fatty tissue", "the fat", taxonomy=None)
    assert one("the polyps", "an adenoma") > one("the polyps", "a liver") == 0
    assert one("the mucosal flap", "the flap") == one("the mucosal flap", "the flap", taxonomy=None)


def test_the_best_reference_counts_and_corpus_pools() -> None:
    assert one("the hook cuts", "a liver", "the hook cuts") == 1
    scores = meteor({"a": "the hook cuts", "b": "fat"}, {"b": ["liver"], "a": ["the hook cuts"]})
    assert scores.items["meteor"] == (1.0, 0.0)
    assert 0 < scores.corpus["meteor"] < 1
    assert meteor([], []).n == 0


words = st.lists(st.sampled_from(["the", "hook", "cuts", "cutting", "fat", "tissue", "liver", "-"]), max_size=8)


@given(words, words)
def test_bounds_and_identity(ours: list[str], theirs: list[str]) -> None:
    candidate, reference = " ".join(ours), " ".join(theirs)
    assert 0 <= one(candidate, reference) <= 1 + 1e-12
    if any(word != "-" for word in ours):
        assert one(candidate, candidate) == pytest.approx(1)


def test_alignment_prefers_coverage_then_few_chunks() -> None:
    the, other_the = (Match(0, 1, 0, 1, 1.0), Match(0, 1, 2, 3, 1.0))
    hook = Match(1, 2, 3, 4, 1.0)
    matches, chunks = align([the, other_the, hook], 2)
    assert (matches, chunks) == ((other_the, hook), 1)
    assert align([], 3) == ((), 0)


# From the published vocabulary of the algorithm (snowballstem.org, english).
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *(("consistency", "consist"), ("knightly", "knight"), ("generously", "generous"), ("arsenal", "arsenal")),
        *(("dying", "die"), ("skies", "sky"), ("ties", "tie"), ("cries", "cri"), ("gas", "gas"), ("gaps", "gap")),
        *(("hopping", "hop"), ("hoping", "hope"), ("luxuriated", "luxuri"), ("proceed", "proceed"), ("by", "by")),
        *(("saying", "say"), ("cutting", "cut"), ("graspers", "grasper"), ("mucosal", "mucos"), ("bleeding", "bleed")),
        *(("electrocautery", "electrocauteri"), ("visualization", "visual"), ("suction", "suction"), ("'s", "'s")),
    ],
)
def test_stems(word: str, expected: str) -> None:
    assert stem(word) == expected
