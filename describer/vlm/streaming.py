"""An answer as it is being written: who listens hears the text so far, token by token.

The listener belongs to a thread, not to a model, so that visitors who share a model hear only their own answers. Only
a chat that is answered alone is heard; batches are not, and neither are servers' answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Listener = Callable[[str], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """While it lasts ``listener`` gets the whole text so far of each answer that this thread has made."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def streamer_of(tokenizer: Any, chats: int) -> Any:
    """What `generate` takes as its streamer, or None where nobody listens."""
    heard = _listener.get()
    if heard is None or chats != 1:
        return None
    listener: Listener = heard
    from transformers import TextStreamer

    class Speaker(TextStreamer):
        def __init__(self) -> None:
            super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
            self.said = ""

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            self.said += text
            listener(self.said.strip())

    return Speaker()
