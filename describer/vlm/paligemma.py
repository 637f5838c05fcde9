"""PaliGemma's own prompt: pictures, start token, words, line end, and only then the answer.

Its processor writes the line end after everything, which in training would be after the answer, takes no chat
without a picture, and its checkpoints carry no chat template (arXiv 2407.07726, section 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

TEMPLATE = (
    "{% for m in messages %}{% for p in m['content'] if p['type'] == 'image' %}<image>{% endfor %}{% endfor %}"
    "{{ bos_token }}"
    "{% for m in messages %}{% for p in m['content'] if p['type'] == 'text' %}{{ p['text'] }}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% elif loop.last and m['role'] == 'user' %}{{ '\n' }}"
    "{% else %}{{ ' ' }}{% endif %}{% endfor %}{% endfor %}"
)


def is_paligemma(processor: Any) -> bool:
    return type(processor).__name__ == "PaliGemmaProcessor"


def adopt(processor: Any) -> Any:
    """``processor``, with a chat template where it is PaliGemma's and has none."""
    if is_paligemma(processor) and not processor.chat_template:
        processor.chat_template = TEMPLATE
    return processor


def encode_prompts(processor: Any, images: Sequence[Sequence[Any]], texts: Sequence[str], padding_side: str) -> Any:
    """What the processor would give, of texts that are whole already; all of a text counts as prompt."""
    from transformers import BatchFeature

    word = processor.image_token
    expanded = [text.replace(word, word * processor.image_seq_length) for text in texts]
    tokens = processor.tokenizer(
        expanded, padding=True, padding_side=padding_side, return_tensors="pt", add_special_tokens=False
    )
    data = {key: tokens[key] for key in ("input_ids", "attention_mask")}
    data["token_type_ids"] = torch.zeros_like(data["input_ids"])
    flat = [image for some in images for image in some]
    if flat:
        data["pixel_values"] = processor.image_processor(flat, return_tensors="pt")["pixel_values"]
    return BatchFeature(data)


def mark_answers(processor: Any, inputs: Any, answers: Tensor) -> None:
    """Tell PaliGemma which tokens (B, T) bool are answer: a prompt is read both ways, an answer is not."""
    if is_paligemma(processor):
        inputs["token_type_ids"][answers] = 1
