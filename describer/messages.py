"""Chat messages with pictures, neutral between backends."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
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

Shares = tuple[float, float, float, float]
"""A box x0, y0, x1, y1 as shares of a picture's width and height."""

# In JSON a mark is a string; what stands in its place is numbers, so its quotes go as well.
_BOX = re.compile(r"(\"?)<box ([01]\.\d{5}) ([01]\.\d{5}) ([01]\.\d{5}) ([01]\.\d{5})>\1")


def box_mark(box_xyxy: tuple[int, int, int, int], size_wh: tuple[int, int]) -> str:
    """A box of a chat's first picture, in pixels of ``size_wh``, as ``<box X0 Y0 X1 Y1>`` in shares of 5 digits.

    A backend writes it anew, the way its model was taught (see describer.vlm.coordinates).
    """
    width, height = size_wh
    x0, y0, x1, y1 = box_xyxy
    return f"<box {x0 / width:.5f} {y0 / height:.5f} {x1 / width:.5f} {y1 / height:.5f}>"


def marked_boxes(text: str, write: Callable[[Shares], str]) -> str:
    """The text with every box mark, and the quotes around it, replaced by what ``write`` makes of it."""

    def one(match: re.Match[str]) -> str:
        x0, y0, x1, y1 = map(float, match.groups()[1:])
        return write((x0, y0, x1, y1))

    return _BOX.sub(one, text)


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
