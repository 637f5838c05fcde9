"""What every language-model backend gives: chats in, texts with a confidence out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from describer.errors import ModelError
from describer.messages import Chat
from describer.types import Fault


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """How texts are decoded: greedy while ``temperature`` is 0, else sampled from ``seed``.

    ``batch_size`` is the most chats decoded together and ``batch_tokens`` the most tokens that they may take, prompts
    and answers; both change speed and memory, not what is said.
    """

    max_new_tokens: int = 80
    batch_size: int = 24
    batch_tokens: int = 32_768
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("max_new_tokens", "batch_size", "batch_tokens"):
            if getattr(self, name) < 1:
                raise ModelError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.temperature < 0:
            raise ModelError(f"temperature must be at least 0 (0 is greedy), got {self.temperature}.")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where an OpenAI-compatible server is, and how it is spoken to.

    ``base_url`` ends before ``/chat/completions``; ``model`` None takes the server's only one. ``concurrency`` is the
    most requests under way at once, ``timeout_s`` how long one answer may take, ``patience_s`` how long a server
    that is away or busy is waited for. Pictures are sent with at most ``picture_side_px`` on the longer side and
    ``picture_kib`` each.
    """

    base_url: str
    model: str | None = None
    concurrency: int = 8
    timeout_s: float = 120.0
    patience_s: float = 300.0
    picture_side_px: int = 1024
    picture_kib: int = 4096

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise ModelError(f"--base-url {self.base_url!r} is no web address; give one like http://127.0.0.1:8000/v1.")
        for name, least in (("concurrency", 1), ("timeout_s", 0.1), ("patience_s", 0), ("picture_side_px", 16),
                            ("picture_kib", 8)):  # fmt: skip
            if getattr(self, name) < least:
                raise ModelError(f"{name} must be at least {least}, got {getattr(self, name)}.")


@dataclass(frozen=True, slots=True)
class Generated:
    """One answer; ``confidence`` is the geometric mean of its tokens' probabilities, 4 digits.

    None where a server does not tell them: an unknown confidence is no number. ``tokens`` are the answer's token
    ids with its end token, ``logs`` their log-probabilities, where the backend knows them.
    """

    text: str
    confidence: float | None
    tokens: tuple[int, ...] = field(default=(), compare=False, repr=False)
    logs: tuple[float, ...] = field(default=(), compare=False, repr=False)


class Check(Protocol):
    """The faults of a text, in the order of the text; ``hard_only`` asks for no others, which is faster."""

    def __call__(self, text: str, *, hard_only: bool = False) -> tuple[Fault, ...]: ...


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer that was held against a check; ``withheld`` is what the model said first and was made to say
    otherwise."""

    generated: Generated
    withheld: tuple[str, ...] = ()


@runtime_checkable
class VisionLanguageModel(Protocol):
    """A backend. ``prompt_options`` is what was saved beside the model, None for the defaults."""

    @property
    def name(self) -> str: ...

    @property
    def adapter(self) -> str | None: ...

    @property
    def prompt_options(self) -> Mapping[str, Any] | None: ...

    def generate(self, chats: Sequence[Chat], settings: GenerationSettings | None = None) -> list[Generated]:
        """One answer a chat, in the order of the chats; ModelError when a chat does not fit the model."""
        ...


@runtime_checkable
class ChecksWhileDecoding(Protocol):
    """A backend that can close words to a text while it is decoded; others can only be asked again."""

    def generate_checked(
        self, chats: Sequence[Chat], checks: Sequence[Check], settings: GenerationSettings | None = None
    ) -> list[Checked]:
        """One answer a chat, in order, without hard faults; an answer that has no fault is as ``generate`` gives it."""
        ...
