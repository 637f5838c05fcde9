"""BLEU, ROUGE-L and CIDEr-D equal pycocoevalcap 1.2, chrF sacrebleu, from raw sentences, corpus and per item."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from describer.eval import metric
from describer.eval.cider_d import cider_d, document_frequency
from tests.eval.real_text import items, shared

EQUAL = {"atol": 1e-6, "rtol": 0}
NAMES = ("bleu", "rouge_l", "cider_d")
SHORT = {"bleu_1": "B1", "bleu_2": "B2", "bleu_3": "B3", "bleu_4": "B4", "rouge_l": "ROUGE_L", "cider_d": "CIDEr"}


@pytest.mark.parametrize("name", NAMES)
def test_surgical_cases(name: str) -> None:
    data = json.loads(shared("metrics", "surgical_parity.json").read_text())
    expected = data["expected"]
    scores = metric(name).function(data["res_raw"], data["gts_raw"])
    whole = {**dict(zip(SHORT, expected["BLEU"])), "rouge_l": expected["ROUGE_L"], "cider_d": expected["CIDEr"]}
    for key, values in scores.items.items():
        np.testing.assert_allclose(scores.corpus[key], whole[key], **EQUAL)
        recorded = [expected["per_item"][item][SHORT[key]] for item in data["res_raw"]]
        np.testing.assert_allclose(values, recorded, **EQUAL)


@pytest.mark.parametrize("name", (*NAMES, "chrf"))
def test_real_text_and_edges(name: str) -> None:
    predictions, references = items(shared("text"))
    assert len(predictions) > 500
    recorded = json.loads((Path(__file__).parent / "recorded_captions.json").read_text())
    scores = metric(name).function(predictions, references)
    assert scores.n == len(predictions)
    for key in metric(name).keys:
        np.testing.assert_allclose(scores.corpus[key], recorded["corpus"][key], **EQUAL)
        np.testing.assert_allclose(scores.items[key], recorded["items"][key], **EQUAL)


def test_published_cases() -> None:
    for case in json.loads(shared("metrics", "nlgeval_cases.json").read_text()):
        predictions = case.get("corpus_hyp") or [case["hyp"]]
        references = list(zip(*case["corpus_refs"])) if "corpus_refs" in case else [case["refs"]]
        found = {
            key: value for name in NAMES for key, value in metric(name).function(predictions, references).corpus.items()
        }
        for ours, theirs in zip(SHORT, ("Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "ROUGE_L", "CIDEr")):
            assert found[ours] == pytest.approx(case["expected"][theirs], abs=1e-6)


def test_given_frequencies_equal_those_of_the_set_itself_and_let_one_item_be_scored() -> None:
    predictions, references = items(shared("text"))
    frequency = document_frequency(references.values())
    whole = cider_d(predictions, references)
    assert cider_d(predictions, references, frequency).items == whole.items
    key = list(predictions)[20]
    alone = cider_d({key: predictions[key]}, {key: references[key]}, frequency)
    assert alone.items["cider_d"][0] == pytest.approx(whole.items["cider_d"][20])
