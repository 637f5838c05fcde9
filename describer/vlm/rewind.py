"""Answers taken back to their middle: what a model has read of a chat, and said, is not read again to say the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from describer.vlm.attention_cache import roomy_cache


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """One row after its answer: its tokens (L,), the first ``prompt`` of them the prompt's, without padding; and of
    its first n tokens each layer's keys and values (heads, n, width)."""

    ids: Tensor
    prompt: int
    layers: tuple[tuple[Tensor, Tensor], ...]


def can_rewind(model: Any, inputs: Any) -> bool:
    """Whether what a model has read holds wherever it stands: positions are counted over what a row really holds, and
    no later token changes an earlier one, as in a LLaVA."""
    return model.config.model_type == "llava" and isinstance(inputs.get("past_key_values"), DynamicCache)


def read_of(inputs: Any, output: Tensor, row: int, answer: int) -> Read:
    """What stands in the cache of a row's prompt and of the first ``answer`` tokens of its answer.

    ``inputs`` are those that ``model.generate`` was given, ``output`` (B, L) what it returned.
    """
    seen = inputs["attention_mask"][row].nonzero()[:, 0]
    start = inputs["input_ids"].shape[1]
    columns = torch.cat((seen, torch.arange(start, start + answer, device=seen.device)))
    cache = inputs["past_key_values"]
    # The last token of all was never read by the model.
    cached = columns[columns < cache.get_seq_length()]
    layers = tuple((layer.keys[row][:, cached], layer.values[row][:, cached]) for layer in cache.layers)
    return Read(output[row, columns], len(seen), layers)


def rewound(model: Any, reads: Sequence[Read], answers: Sequence[Sequence[int]], pad_id: int) -> dict[str, Any]:
    """What ``model.generate`` takes to go on after other beginnings of the rows' answers, given as tokens."""
    rows = [torch.cat((read.ids[: read.prompt], read.ids.new_tensor(said))) for read, said in zip(reads, answers)]
    held = [_common(read, row) for read, row in zip(reads, rows)]
    width, rest = max(held), max(len(row) - n for row, n in zip(rows, held))
    past = roomy_cache(model)
    layers: list[Any] = past["past_key_values"].layers
    for i, layer in enumerate(layers):
        keys, values = (torch.stack([_left(r.layers[i][k], n, width) for r, n in zip(reads, held)]) for k in (0, 1))
        layer.update(keys, values)

    def spread(values: Tensor, n: int, filler: int) -> Tensor:
        parts = (values[:n], values[n:])
        return torch.cat([t for part, size in zip(parts, (width, rest))
                          for t in (values.new_full((size - len(part),), filler), part)])  # fmt: skip

    ids = torch.stack([spread(row, n, pad_id) for row, n in zip(rows, held)])
    mask = torch.stack([spread(torch.ones_like(row), n, 0) for row, n in zip(rows, held)])
    return {"input_ids": ids, "attention_mask": mask, **past}


def _common(read: Read, row: Tensor) -> int:
    """How many tokens of a row are in the cache already; one at least is left to be read."""
    most = min(read.layers[0][0].shape[1], len(row) - 1)
    return int((read.ids[:most] == row[:most]).long().cumprod(0).sum())


def _left(states: Tensor, n: int, width: int) -> Tensor:
    """The first ``n`` of (heads, L, C) states after as many zeros as make ``width``: (heads, width, C)."""
    return torch.nn.functional.pad(states[:, :n], (0, 0, width - n, 0))
