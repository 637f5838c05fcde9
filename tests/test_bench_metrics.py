"""`describer bench metrics`: what is measured, with and without the public scorer."""

from __future__ import annotations

import json

from describer import bench_metrics as bench
from describer import cli


def test_captions_are_seeded_and_of_the_asked_size():
    predictions, references = bench.captions(5, 3)
    assert (predictions, references) == bench.captions(5, 3)
    assert [len(texts) for texts in references] == [3] * 5
    assert len({*predictions, *(text for texts in references for text in texts)}) == 20


def test_without_the_public_scorer_ours_alone_is_measured(monkeypatch, capsys):
    def absent(*_):
        raise ImportError

    monkeypatch.setattr(bench, "_public_scores", absent)
    assert cli.run(["bench", "metrics", "--items", "4", "--references", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["items"], found["references"], found["pycocoevalcap"]) == (4, 2, "not installed")
    assert found["seconds"] > 0


def test_beside_the_public_scorer_the_ratio_and_the_difference_are_given(monkeypatch, capsys):
    def slow(predictions, references):
        return {"rouge_l": bench.metric("rouge_l").function(predictions, references).corpus["rouge_l"] + 0.5}

    monkeypatch.setattr(bench, "_public_scores", slow)
    assert cli.run(["bench", "metrics", "--items", "4"]) == 0
    out = capsys.readouterr().out
    assert "times_fewer_seconds" in out
    assert "largest_difference          0.5\n" in out
