"""ROUGE-L: the longest common subsequence of words."""

from __future__ import annotations

from collections.abc import Sequence

from describer.eval.captions import Texts, paired
from describer.eval.registry import CAPTIONS, MetricSpec, Scores

_BETA = 1.2


def rouge_l(predictions: Texts, references: Texts) -> Scores:
    """ROUGE-L in [0, 1], corpus (the mean of the items) and per item; 0 when there are no items.

    F with beta 1.2 of the best precision and the best recall, each over all references. Equal to
    pycocoevalcap 1.2. ValueError: see ``captions.paired``. Source: Lin, ACL workshop 2004.
    """
    captions = paired(predictions, references).tokenized()
    items = tuple(
        # An empty text is one empty word to the public scorer.
        _f(candidate.split(" "), [reference.split(" ") for reference in texts])
        for candidate, texts in zip(captions.candidates, captions.references)
    )
    return Scores({"rouge_l": sum(items) / len(items) if items else 0.0}, len(items), {"rouge_l": items})


def _f(candidate: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    common = lcs_lengths(candidate, references)
    precision = max(common) / len(candidate)
    recall = max(length / len(reference) for length, reference in zip(common, references))
    if not precision:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def lcs_lengths(words: Sequence[str], others: Sequence[Sequence[str]]) -> list[int]:
    """Length of the longest common subsequence of ``words`` with each of ``others``.

    Bit-parallel: one column of the dynamic programme is one integer (Hyyrö, 2004).
    """
    places: dict[str, int] = {}
    for i, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << i
    full = (1 << len(words)) - 1
    lengths = []
    for other in others:
        column = full
        for word in other:
            matched = column & places.get(word, 0)
            column = (column + matched | column - matched) & full
        lengths.append(len(words) - column.bit_count())
    return lengths


SPEC = MetricSpec(
    name="rouge_l",
    inputs=CAPTIONS,
    function=rouge_l,
    keys=("rouge_l",),
    summary="F (beta 1.2) of the longest common subsequence of words, as pycocoevalcap 1.2 computes it",
    source="Lin, ROUGE: a package for automatic evaluation of summaries, ACL workshop 2004.",
)
