"""Entities named by captions against those named by their references, as a metric over texts alone."""

from __future__ import annotations

from collections.abc import Sequence

from describer.eval.registry import CAPTIONS, MetricSpec, Scores
from describer.eval.truth import Rate, entity_f1
from describer.taxonomy import load_taxonomy


def _scores(predictions: Sequence[str], references: Sequence[Sequence[str] | str], taxonomy: str = "core") -> Scores:
    """Of several references an entity counts as there when any of them names it."""
    labels = load_taxonomy(taxonomy)
    joined = [row if isinstance(row, str) else "\n".join(row) for row in references]
    found = entity_f1(predictions, joined, labels)
    each = [entity_f1([said], [true], labels) for said, true in zip(predictions, joined)]
    return Scores(
        corpus={"precision": found.precision, "recall": found.recall, "f1": found.f1},
        n=found.n,
        # Nothing to say and nothing said is as good as can be.
        items={"f1": tuple(s.f1 if s.said + s.expected else 1.0 for s in each)},
        details={
            "hallucination": Rate(found.said - found.matched, found.said).value,
            "omission": Rate(found.expected - found.matched, found.expected).value,
            "n_said": found.said,
            "n_expected": found.expected,
        },
    )


SPEC = MetricSpec(
    name="entities",
    inputs=CAPTIONS,
    function=_scores,
    keys=("precision", "recall", "f1"),
    summary="entities named, by synonyms of a `taxonomy` and without denied ones: micro precision, recall and F1",
    source="after CHAIR, Rohrbach et al., Object Hallucination in Image Captioning, EMNLP 2018",
)
