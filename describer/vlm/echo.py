"""A deterministic stand-in for a language model: no weights, no torch; for tests, demos and dry runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from describer.messages import Chat, chat_sha256, prompt_text
from describer.vlm.base import Generated, GenerationSettings
from describer.vlm.choosing import Choice


class EchoVLM:
    """Says back what the facts in the prompt say, and a hash of everything it was sent.

    The hash changes with every text and pixel, so a test sees at once whether two prompts were the same.
    """

    name = "echo"
    adapter: str | None = None
    prompt_options: Mapping[str, Any] | None = None

    def generate(self, chats: Sequence[Chat], settings: GenerationSettings | None = None) -> list[Generated]:
        """One answer a chat, in order."""
        settings = settings or GenerationSettings()
        return [_answer(chat, settings) for chat in chats]

    def choose(self, chats: Sequence[Chat], candidates: Sequence[Sequence[str]]) -> list[Choice]:
        """By a hash of chat and candidate, so that the same is chosen whatever the order of the candidates."""
        return [Choice.of([_log_of(chat, text) for text in given]) for chat, given in zip(chats, candidates)]


def _log_of(chat: Chat, text: str) -> float:
    return -4 * int(hashlib.sha256(f"{chat_sha256(chat)} {text}".encode()).hexdigest()[:8], 16) / 2**32


def _answer(chat: Chat, settings: GenerationSettings) -> Generated:
    digest = chat_sha256(chat)
    facts = next(json_objects(prompt_text(chat)), {})
    words = f"{_sentence(facts)} [{digest[:8]}]".split(" ")
    # From 0.5 to 1, so that thresholds have something to sort.
    confidence = round(0.5 + int(digest[8:16], 16) / 2**33, 4)
    return Generated(" ".join(words[: settings.max_new_tokens]), confidence)


def _sentence(facts: Mapping[str, Any]) -> str:
    label, place, activity = (facts.get(key) for key in ("label", "place", "activity"))
    if isinstance(label, str):
        return f"The {label} is at {place}." if isinstance(place, str) else f"This is the {label}."
    rows = [*facts.get("instruments", ()), *facts.get("others", ())]
    names = [row[1] for row in rows if isinstance(row, list) and len(row) > 1]
    shown = f"The view shows {', '.join(map(str, names))}." if names else "Nothing is listed."
    return f"{shown} The activity is {activity}." if isinstance(activity, str) else shown


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost JSON objects in a text, in order."""
    decoder, start = json.JSONDecoder(), text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except ValueError:
            value, end = None, start + 1
        if isinstance(value, dict):
            yield value
        start = text.find("{", end)
