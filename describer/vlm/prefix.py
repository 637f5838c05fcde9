"""What many chats begin with alike, such as a frame and its facts, is read once: its pictures, its keys and values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from describer.vlm.attention_cache import roomy_cache

_LEAST_TOKENS = 32  # a shorter beginning costs more to arrange than to read again


def read_shared(model: Any, inputs: Any, pad_id: int) -> dict[str, Any]:
    """What ``model.generate`` takes for ``inputs``, a processor's left-padded rows, with common beginnings read.

    Rows with the same first picture form a group; every row shares as many tokens with its group as the group that
    has the fewest in common. Where nothing is won, or the layout is not known to allow it, the inputs come back as
    they are, with an empty cache.
    """
    rows = _rows(model, inputs)
    leaders = [next(k for k, other in enumerate(rows) if _same_start(row, other)) for row in rows]
    readers = sorted(set(leaders))
    length = _length(rows, leaders) if rows and 2 * len(readers) <= len(rows) else 0
    past = roomy_cache(model)
    if length < _LEAST_TOKENS or not past:
        return {**inputs, **past}
    ids = torch.stack([rows[k].ids[:length] for k in readers])
    seen = torch.cat([rows[k].pictures[: rows[k].pictures_before(length)] for k in readers])
    model(input_ids=ids, pixel_values=seen, use_cache=True, logits_to_keep=1, **past)
    past["past_key_values"].batch_select_indices(torch.tensor([readers.index(k) for k in leaders], device=ids.device))
    return {**_rest(rows, length, pad_id), **past}


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One chat: its tokens (L,) without padding, which of them stand for pictures, and its pictures (n, 3, H, W)."""

    ids: Tensor
    is_picture: Tensor
    pictures: Tensor

    def pictures_before(self, length: int) -> int:
        """Whole pictures among the first ``length`` tokens."""
        return int(self.is_picture[:length].sum()) * len(self.pictures) // int(self.is_picture.sum())

    def whole(self, length: int) -> int:
        """The most tokens up to ``length`` that end in no picture's midst."""
        each = int(self.is_picture.sum()) // len(self.pictures)
        return length - int(self.is_picture[:length].sum()) % each


def _rows(model: Any, inputs: Any) -> list[_Row]:
    """The rows of a layout that allows sharing, else none.

    In a LLaVA every picture takes equally many tokens, and attention is causal: no later token changes an earlier one.
    """
    if model.config.model_type != "llava" or "pixel_values" not in inputs:
        return []
    ids = [row[mask.bool()] for row, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)]
    marks = [row == model.config.image_token_id for row in ids]
    each = sum(int(mark.sum()) for mark in marks) // len(inputs["pixel_values"])
    counts = [int(mark.sum()) // each for mark in marks]
    if not all(counts):
        return []
    return [_Row(*row) for row in zip(ids, marks, inputs["pixel_values"].split(counts), strict=True)]


def _same_start(row: _Row, other: _Row) -> bool:
    return row is other or torch.equal(row.pictures[0], other.pictures[0])


def _length(rows: list[_Row], leaders: list[int]) -> int:
    """Tokens that every row has in common with the first of its group; one at least stays its own."""
    length = min(_common(row, rows[k]) for row, k in zip(rows, leaders, strict=True))
    while (whole := min(row.whole(length) for row in rows)) < length:
        length = whole
    return length


def _common(row: _Row, other: _Row) -> int:
    shortest = min(len(row.ids), len(other.ids)) - 1
    same = row.ids[:shortest] == other.ids[:shortest]
    length = int(same.long().cumprod(0).sum())
    alike = [torch.equal(a, b) for a, b in zip(row.pictures, other.pictures)]
    if False not in alike:
        return length
    # Up to where the first picture that differs begins.
    before = alike.index(False) * (int(row.is_picture.sum()) // len(row.pictures))
    return min(length, int((row.is_picture.cumsum(0) <= before).long().cumprod(0).sum()))


def _rest(rows: list[_Row], length: int, pad_id: int) -> dict[str, Tensor]:
    """The rows' inputs after their first ``length`` tokens were read: those, padding, then what is a row's own."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.stack([_spread(row.ids, length, longest, pad_id) for row in rows])
    mask = torch.stack([_spread(torch.ones_like(row.ids), length, longest, 0) for row in rows])
    left = torch.cat([row.pictures[row.pictures_before(length) :] for row in rows])
    return {"input_ids": ids, "attention_mask": mask, **({"pixel_values": left} if len(left) else {})}


def _spread(values: Tensor, length: int, longest: int, filler: int) -> Tensor:
    between = values.new_full((longest - len(values),), filler)
    return torch.cat((values[:length], between, values[length:]))
