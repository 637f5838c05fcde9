"""Predicted texts beside their references, however they come: lists, or mappings by id."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from describer.eval.ptb import tokenize

Texts = Mapping[Hashable, str | Sequence[str]] | Sequence[str | Sequence[str]]
"""One text an item, or several; an id's single text may be a list of one, as in COCO's results."""


@dataclass(frozen=True, slots=True)
class Captions:
    """``candidates`` (n) with at least one of ``references`` (n) each, in the order of the predictions."""

    candidates: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        bare = next((i for i, texts in enumerate(self.references) if not texts), None)
        if bare is not None:
            raise ValueError(f"item {bare} has no reference")

    def tokenized(self) -> Captions:
        """The same with every text as its tokens, parted by single spaces."""
        return Captions(
            tuple(map(tokenize, self.candidates)), tuple(tuple(map(tokenize, texts)) for texts in self.references)
        )


def paired(predictions: Texts, references: Texts) -> Captions:
    """Match predictions with references, by place (two sequences) or by id (two mappings).

    ValueError when one is a mapping and the other is not, when lengths or ids differ, when an item has
    several predictions or no reference; TypeError when a text is not a string.
    """
    if isinstance(predictions, Mapping) and isinstance(references, Mapping):
        missing, extra = predictions.keys() - references.keys(), references.keys() - predictions.keys()
        if missing or extra:
            raise ValueError(f"ids without reference: {_some(missing)}; ids without prediction: {_some(extra)}")
        return paired(list(predictions.values()), [references[key] for key in predictions])
    if isinstance(predictions, Mapping | str) or isinstance(references, Mapping | str):
        raise ValueError("predictions and references must both be lists, or both mappings by id")
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions against {len(references)} references")
    several = next((i for i, texts in enumerate(predictions) if len(_texts(texts)) != 1), None)
    if several is not None:
        raise ValueError(f"item {several} has {len(predictions[several])} predictions, not one")
    return Captions(tuple(_texts(text)[0] for text in predictions), tuple(map(_texts, references)))


def _texts(value: str | Sequence[str]) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else tuple(value)
    wrong = next((text for text in texts if not isinstance(text, str)), None)
    if wrong is not None:
        raise TypeError(f"a text is {type(wrong).__name__}, not str")
    return texts


def _some(ids: set[Hashable]) -> str:
    shown = ", ".join(sorted(map(str, ids))[:3]) or "none"
    return f"{shown}, ... ({len(ids)} in all)" if len(ids) > 3 else shown
