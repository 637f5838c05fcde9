"""Chat messages with pictures, neutral between backends."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from describer.errors import InputError

Role = Literal["system", "user", "assistant"]
ROLES: tuple[str, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Text:
    """Words of a message."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image of a message: ``image`` RGB uint8 (H, W, 3); ``name`` says what it shows, e.g. "crop"."""

    image: np.ndarray
    name: str

    def __post_init__(self) -> None:
        image = self.image
        good = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 and image.size > 0
        if not good:
            found = f"{image.dtype} {image.shape}"
            raise InputError(f"picture '{self.name}' must be RGB uint8 (H, W, 3), got {found}.")


Part = Text | Picture


@dataclass(frozen=True, slots=True)
class Message:
    """What one speaker says: texts and pictures in order."""

    role: Role
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise InputError(f"a message's role must be one of {', '.join(ROLES)}, got '{self.role}'.")


Chat = tuple[Message, ...]


def pictures(chat: Chat) -> list[Picture]:
    """The pictures of a chat in order."""
    return [part for message in chat for part in message.parts if isinstance(part, Picture)]


def to_transformers(chat: Chat) -> list[dict[str, Any]]:
    """The chat as ``transformers`` chat templates read it, pictures as PIL images inside the content."""
    from PIL import Image

    def content(part: Part) -> dict[str, Any]:
        if isinstance(part, Text):
            return {"type": "text", "text": part.text}
        return {"type": "image", "image": Image.fromarray(part.image)}

    return [{"role": message.role, "content": [content(p) for p in message.parts]} for message in chat]


def prompt_text(chat: Chat) -> str:
    """The chat as plain text, one part a line, a picture as ``<picture NAME WxH>``."""

    def line(part: Part) -> str:
        if isinstance(part, Text):
            return part.text
        return f"<picture {part.name} {part.image.shape[1]}x{part.image.shape[0]}>"

    return "\n".join(line(part) for message in chat for part in message.parts)


def chat_sha256(chat: Chat) -> str:
    """Hex digest over roles, texts, picture names, sizes and pixels."""
    digest = hashlib.sha256()
    for message in chat:
        _feed(digest, b"message", message.role.encode())
        for part in message.parts:
            if isinstance(part, Text):
                _feed(digest, b"text", part.text.encode())
            else:
                _feed(digest, b"picture", part.name.encode())
                _feed(digest, str(part.image.shape).encode(), np.ascontiguousarray(part.image).tobytes())
    return digest.hexdigest()


def _feed(digest: Any, *fields: bytes) -> None:
    # Lengths go in as well, so that no two different chats feed the same bytes.
    for value in fields:
        digest.update(len(value).to_bytes(8, "big"))
        digest.update(value)
