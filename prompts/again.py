"""A second turn: the answer, what is wrong with it, and the request to answer again."""

from __future__ import annotations

from collections.abc import Sequence

from describer.messages import Chat, Message, Text
from describer.prompts.templates import render


def again_chat(chat: Chat, answer: str, faults: Sequence[str]) -> Chat:
    """``chat`` with its ``answer`` and its faults, each a short phrase, to be answered anew."""
    told = render("again", faults=list(faults))
    return *chat, Message("assistant", (Text(answer),)), Message("user", (Text(told),))
