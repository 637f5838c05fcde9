"""Chats as a processor's own prompt text: one place writes prompts for training and for use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from describer.errors import ModelError
from describer.messages import Chat, Text, pictures
from describer.vlm.coordinates import style_for, with_boxes
from describer.vlm.paligemma import encode_prompts, is_paligemma


def control_words(processor: Any) -> tuple[str, ...]:
    """Words that mean something to the processor, such as ``<image>``; a user's text must not hold them."""
    tokenizer = processor.tokenizer
    words = set(tokenizer.all_special_tokens)
    words |= set(getattr(tokenizer, "additional_special_tokens", None) or ())
    words |= {getattr(processor, name, None) for name in ("image_token", "video_token", "fake_image_token")}
    return tuple(sorted((w for w in words if isinstance(w, str) and len(w) > 1), key=len, reverse=True))


def defuse(text: str, words: tuple[str, ...]) -> str:
    """`text` with every control word split by a space, so that it is read as text."""
    for word in words:
        if word in text:
            text = text.replace(word, f"{word[0]} {word[1:]}")
    return text


def conversation(chat: Chat, words: tuple[str, ...]) -> list[dict[str, Any]]:
    """The chat for a template, pictures as bare placeholders."""

    def content(part: Any) -> dict[str, Any]:
        if isinstance(part, Text):
            return {"type": "text", "text": defuse(part.text, words)}
        return {"type": "image"}

    return [{"role": message.role, "content": [content(p) for p in message.parts]} for message in chat]


def _turns(processor: Any, chat: Chat, words: tuple[str, ...]) -> list[dict[str, Any]]:
    return conversation(with_boxes(chat, style_for(processor)), words)


def render_prompt(processor: Any, chat: Chat, words: tuple[str, ...]) -> str:
    """What the model reads before it answers, one placeholder a picture."""
    require_template(processor)
    turns = _turns(processor, chat, words)
    return str(processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))


def render_sample(processor: Any, chat: Chat, answer: str, words: tuple[str, ...]) -> tuple[str, str]:
    """(prompt, target): the target is the answer as the template writes it, with the end-of-turn token."""
    prompt = render_prompt(processor, chat, words)
    answer = defuse(answer, words)
    turn = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
    full = str(processor.apply_chat_template([*_turns(processor, chat, words), turn], tokenize=False))
    target = full[len(prompt) :].rstrip("\n") if full.startswith(prompt) else answer
    if target.rstrip().endswith(answer.rstrip()):
        # Templates of base checkpoints close no turn; without an end the model would never stop.
        target = target.rstrip() + (processor.tokenizer.eos_token or "")
    return prompt, target


def require_template(processor: Any) -> None:
    """ModelError for a checkpoint that was not made for chats."""
    if not (getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)):
        name = getattr(processor.tokenizer, "name_or_path", "") or "This model"
        raise ModelError(
            f"{name} has no chat template, so it is a base checkpoint; "
            "choose the instruction-tuned one of the same family."
        )


def encode(processor: Any, chats: Sequence[Chat], texts: Sequence[str], padding_side: str) -> Any:
    """The chats' pictures and their rendered ``texts`` as the processor's padded tensors."""
    from PIL import Image

    images = [[Image.fromarray(picture.image) for picture in pictures(chat)] for chat in chats]
    if is_paligemma(processor):
        return encode_prompts(processor, images, texts, padding_side)
    return processor(
        text=list(texts),
        images=images if any(images) else None,
        padding=True,
        padding_side=padding_side,
        return_tensors="pt",
        add_special_tokens=adds_special_tokens(processor, texts[0]),
    )


def adds_special_tokens(processor: Any, prompt: str) -> bool:
    """Whether the tokenizer must add its own start token: not when the template wrote it already."""
    bos = processor.tokenizer.bos_token
    return not (bos and prompt.startswith(bos))
