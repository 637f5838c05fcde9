"""Keys and values of past tokens, kept with spare room, so that a new token is written and nothing is copied.

transformers' dynamic cache joins old and new at every token: with many prompts decoded together that copies
tens of megabytes a token. Its static cache copies nothing, but attends over the room that is still empty.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from describer.vlm.attention import steps_in_float32

_SPARE_TOKENS = 96


class RoomyLayer(DynamicLayer):
    """A `DynamicLayer` whose ``keys`` and ``values`` are the filled parts of larger tensors.

    They are kept as numbers of the type ``number``, None as they are given.
    """

    def __init__(self, number: torch.dtype | None = None) -> None:
        super().__init__()
        self._number = number

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append (B, heads, new, width) states; all states so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._room: list[Tensor | None] = [None, None]
        self.keys = self._append(0, self.keys, key_states)
        self.values = self._append(1, self.values, value_states)
        return self.keys, self.values

    def _append(self, which: int, held: Tensor | None, new: Tensor) -> Tensor:
        held = None if held is None or not held.numel() else held
        filled = 0 if held is None else held.shape[-2]
        total = filled + new.shape[-2]
        room = self._room[which]
        # What reorders or selects rows leaves another tensor in place of the room's own part.
        if room is None or held is None or held.data_ptr() != room.data_ptr() or total > room.shape[-2]:
            shape = (*new.shape[:-2], total + _SPARE_TOKENS, new.shape[-1])
            room = new.new_empty(shape, dtype=self._number or new.dtype)
            if held is not None:
                room[..., :filled, :] = held
            self._room[which] = room
        room[..., filled:total, :] = new
        return room[..., :total, :]


def roomy_cache(model: Any) -> dict[str, DynamicCache]:
    """``past_key_values`` for one call of ``model.generate``; nothing for a model that has a cache of its own kind."""
    if model.config.is_encoder_decoder or not model._supports_default_dynamic_cache():
        return {}
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    if not cache.layers or any(type(layer) is not DynamicLayer for layer in cache.layers):
        return {}
    number = torch.float32 if steps_in_float32(model) else None
    cache.layers = [RoomyLayer(number) for _ in cache.layers]
    return {"past_key_values": cache}
