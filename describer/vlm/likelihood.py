"""How likely a local model finds given answers to a chat; the prompt is read once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from describer.errors import ModelError
from describer.messages import Chat
from describer.vlm.chats import encode, render_prompt, render_sample
from describer.vlm.samples import answer_length


def mean_log_likelihoods(
    model: Any, processor: Any, chat: Chat, candidates: Sequence[str], words: tuple[str, ...]
) -> list[float]:
    """Each candidate's log-likelihood after the chat, a token in the mean, its end-of-turn token counted.

    ModelError when prompt and answer are longer than the model can read, and for an encoder-decoder.
    """
    if model.config.is_encoder_decoder:
        raise ModelError("An encoder-decoder model cannot choose among given answers; leave out --choices.")
    inputs = encode(processor, [chat], [render_prompt(processor, chat, words)], "left")
    inputs = inputs.to(model.device, dtype=model.dtype)
    targets = [_target(processor, chat, text, words) for text in candidates]
    longest = max(map(len, targets))
    _check_length(model, inputs["input_ids"].shape[1] + longest)
    pad = processor.tokenizer.pad_token_id
    tokens = torch.tensor([ids + [pad] * (longest - len(ids)) for ids in targets], device=model.device)
    given = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in targets], device=model.device)
    logits = _after_prompt(model, inputs, tokens)
    logs = logits.float().log_softmax(-1).gather(2, tokens.unsqueeze(-1)).squeeze(-1)
    return [float(mean) for mean in (logs * given).sum(1) / given.sum(1)]


def _after_prompt(model: Any, inputs: Any, tokens: Tensor) -> Tensor:
    """(candidates, tokens, vocabulary) logits; the prompt's keys and values are shared by all candidates."""
    _forget_positions(model)
    read = model(**inputs, use_cache=True)
    count, length = tokens.shape
    first = read.logits[:, -1:].expand(count, -1, -1)
    if length == 1:
        return first
    cache = read.past_key_values
    cache.batch_repeat_interleave(count)
    # No mask: padding comes last, where nothing real looks at it.
    rest = model(input_ids=tokens[:, :-1], past_key_values=cache, use_cache=True).logits
    return torch.cat([first, rest], dim=1)


def _forget_positions(model: Any) -> None:
    """Qwen's families keep the picture positions of the last prompt, and use them on one without pictures."""
    for part in model.modules():
        if getattr(part, "rope_deltas", None) is not None:
            part.rope_deltas = None


def _target(processor: Any, chat: Chat, text: str, words: tuple[str, ...]) -> list[int]:
    """The tokens of an answer where it follows the prompt."""
    prompt, target = render_sample(processor, chat, text, words)
    ids: list[int] = processor.tokenizer(prompt + target, add_special_tokens=False)["input_ids"]
    return ids[-answer_length(processor.tokenizer, prompt, target) :]


def _check_length(model: Any, tokens: int) -> None:
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if limit and tokens > limit:
        raise ModelError(f"A prompt with its longest choice takes {tokens} tokens of {limit}; shorten the choices.")
