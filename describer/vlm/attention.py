"""Attention of one new token on a CPU: in float32, whatever the model computes in.

For one query a row torch's bfloat16 kernel repacks all keys and values at every step, which takes seven times as long
as float32 takes (20 rows of 260 tokens: 2.5 against 0.36 ms a layer). So keys and values are kept in float32 (see
`attention_cache`), which changes none of them; prompts are read in the model's own numbers as before.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_NAME = "sdpa_float32_steps"


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """`sdpa_attention_forward` for keys and values (B, heads, L, width) that may be wider numbers than the query's."""
    number = query.dtype
    if query.shape[2] == 1:
        query = query.to(key.dtype)
        # A mask of truth values fits any number; one that is added must be of the query's.
        if attention_mask is not None and attention_mask.is_floating_point():
            attention_mask = attention_mask.to(key.dtype)
    else:
        key, value = key.to(number), value.to(number)
    attended, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return attended.to(number), None


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, sdpa_mask)


def step_in_float32(model: Any) -> None:
    """Have the language part of a model attend so; one on an accelerator, or with attention of its own, stays."""
    text = model.config.get_text_config(decoder=True)
    part = next((name for name in model.config.sub_configs if getattr(model.config, name) is text), None)
    if model.device.type == "cpu" and part and text._attn_implementation == "sdpa":
        model.set_attn_implementation({part: _NAME})


def steps_in_float32(model: Any) -> bool:
    """Whether `step_in_float32` holds for a model."""
    return bool(model.config.get_text_config(decoder=True)._attn_implementation == _NAME)
