"""Training chats on disk: one JSON object a line with ``messages``, and each picture once as a file beside them.

The layout is the one that TRL and transformers read:

    {"id": ..., "messages": [{"role": "user", "content": [{"type": "image", "path": "images/crop/ab/....png"},
                                                          {"type": "text", "text": "..."}]},
                             {"role": "assistant", "content": [{"type": "text", "text": "..."}]}],
     "images": ["images/crop/ab/....png"], "kind": "region", "video": "...", "masks": "predicted", ...}

Paths are relative to the folder of the file. `to_llava` gives the same as LLaVA's trainers read it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from describer.errors import InputError, OutputError
from describer.messages import ROLES, Chat, Message, Picture, Text, pictures
from describer.pictures import read_image

Masks = Literal["true", "predicted", "none"]
PICTURE_KINDS = ("png", "jpeg")
BUILD = "build.json"
_JPEG_QUALITY = 95
_RECENT = 64


@dataclass(frozen=True, slots=True)
class Example:
    """A chat with its true ``answer``, and where it is from.

    ``kind`` is "region", "scene", "caption", or "question: TYPE". ``labels`` are those of the scene in the prompt, what
    may be named without being made up; None where no scene is known.
    """

    id: str
    chat: Chat
    answer: str
    kind: str
    source: str
    video: str
    masks: Masks = "none"
    labels: tuple[str, ...] | None = None


class PictureFiles:
    """Writes pictures below a folder, each once: ``images/NAME/ab/HASH.png``, the hash being of its pixels.

    ``kind`` "png" keeps every pixel, "jpeg" takes a fifth of the space.
    """

    def __init__(self, folder: Path, kind: str = "png") -> None:
        if kind not in PICTURE_KINDS:
            raise InputError(f"--images {kind!r} is unknown; use {' or '.join(PICTURE_KINDS)}.")
        self._folder, self._kind = folder, kind
        # Many chats share one array, and hashing it again costs more than all the rest.
        self._recent: OrderedDict[int, tuple[np.ndarray, str]] = OrderedDict()

    def save(self, picture: Picture) -> str:
        """The picture's path relative to the folder; written unless it is there."""
        known = self._recent.get(id(picture.image))
        digest = known[1] if known else _digest(picture.image)
        self._recent[id(picture.image)] = (picture.image, digest)
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        name = f"images/{picture.name}/{digest[:2]}/{digest}.{'png' if self._kind == 'png' else 'jpg'}"
        path = self._folder / name
        if not path.is_file():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_suffix(f".{os.getpid()}.partial")
                Image.fromarray(picture.image).save(
                    partial, format=self._kind, **({"quality": _JPEG_QUALITY} if self._kind == "jpeg" else {})
                )
                partial.replace(path)
            except OSError as error:
                raise OutputError(f"{path} cannot be written ({error.strerror}); choose another folder.") from error
        return name


def _digest(image: np.ndarray) -> str:
    digest = hashlib.blake2b(str(image.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def to_line(example: Example, files: PictureFiles) -> str:
    """The example as one line of JSON, its pictures written."""
    names = {id(picture): files.save(picture) for picture in pictures(example.chat)}

    def content(part: Text | Picture) -> dict[str, str]:
        if isinstance(part, Text):
            return {"type": "text", "text": part.text}
        return {"type": "image", "path": names[id(part)]}

    messages = [{"role": m.role, "content": [content(part) for part in m.parts]} for m in example.chat]
    messages.append({"role": "assistant", "content": [{"type": "text", "text": example.answer}]})
    row = {
        "id": example.id,
        "messages": messages,
        "images": list(names.values()),
        "kind": example.kind,
        "source": example.source,
        "video": example.video,
        "masks": example.masks,
        "labels": None if example.labels is None else list(example.labels),
    }
    return json.dumps(row, ensure_ascii=False) + "\n"


def to_llava(row: Mapping[str, Any]) -> dict[str, Any]:
    """A line's object as LLaVA's trainers read it: ``<image>`` where a picture stands, turns of human and gpt."""
    speakers = {"user": "human", "assistant": "gpt"}
    turns, system = [], ""
    for message in row["messages"]:
        parts = message["content"]
        text = "\n".join("<image>" if part["type"] == "image" else part["text"] for part in parts)
        if message["role"] == "system":
            system = text
        else:
            turns.append({"from": speakers[message["role"]], "value": text})
    images = row["images"]
    shown = {} if not images else {"image": images[0] if len(images) == 1 else images}
    return {"id": row["id"], **shown, **({"system": system} if system else {}), "conversations": turns}


@dataclass(frozen=True, slots=True)
class ChatFile:
    """A file of training chats, opened: where each line begins; pictures and chats are read when asked for."""

    path: Path
    offsets: tuple[int, ...]
    sizes: tuple[int, ...] = field(repr=False)
    """Characters and pictures of each line as one number that grows with its length in tokens."""

    @classmethod
    def open(cls, path: str | Path) -> ChatFile:
        """Every line is read and checked, its pictures only for being there. InputError names what is wrong."""
        file = Path(path)
        offsets, sizes, at = [], [], 0
        seen: set[Path] = set()
        try:
            with file.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        row = _row(line, f"{file}:{number}")
                        names = _paths(row, f"{file}:{number}")
                        for name in names:
                            _check_there(file.parent / name, seen, f"{file}:{number}")
                        offsets.append(at)
                        sizes.append(len(line) + _PICTURE_SIZE * len(names))
                    at += len(line)
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror}); give a folder of `data build`.") from error
        if not offsets:
            raise InputError(f"{file}: no chat is in it; build the data again.")
        return cls(file, tuple(offsets), tuple(sizes))

    def __len__(self) -> int:
        return len(self.offsets)

    def row(self, index: int) -> dict[str, Any]:
        """The object of one line."""
        with self.path.open("rb") as lines:
            lines.seek(self.offsets[index])
            return _row(lines.readline(), f"{self.path} at byte {self.offsets[index]}")

    def example(self, index: int) -> Example:
        """One line with its pictures read."""
        return to_example(self.row(index), self.path.parent)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every line's object in turn."""
        with self.path.open("rb") as lines:
            for line in lines:
                if line.strip():
                    yield _row(line, str(self.path))


_PICTURE_SIZE = 2000


def read_build(folder: str | Path) -> dict[str, Any]:
    """What a folder of instruction data was made of, "taxonomy" being the path of its label set.

    InputError unless `data build` finished there.
    """
    path = Path(folder) / BUILD
    try:
        build = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: holds no finished data ({BUILD}); run `describer data build` into it.") from error
    return build | {"taxonomy": str(path.parent / "taxonomy.yaml")}


def to_example(row: Mapping[str, Any], folder: Path) -> Example:
    """The inverse of `to_line`; what others wrote in the same layout is read too."""
    names = iter(row.get("images") or ())
    *before, last = row["messages"]
    chat = tuple(Message(m["role"], tuple(_parts(m["content"], names, folder))) for m in before)
    answer = " ".join(part.text for part in _parts(last["content"], names, folder) if isinstance(part, Text))
    labels = row.get("labels")
    return Example(
        id=str(row.get("id", "")),
        chat=chat,
        answer=answer,
        kind=str(row.get("kind", "")),
        source=str(row.get("source", "")),
        video=str(row.get("video", "")),
        masks=row.get("masks", "none"),
        labels=None if labels is None else tuple(labels),
    )


def _parts(content: Any, names: Iterator[str], folder: Path) -> Iterator[Text | Picture]:
    for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        if part["type"] == "text":
            yield Text(part["text"])
            continue
        # "images" lists the same pictures in order: a placeholder without a path takes its turn there.
        listed = next(names, None)
        name = str(part.get("path") or part.get("image") or part.get("url") or listed)
        yield Picture(read_image(folder / name), _picture_name(name))


def _picture_name(path: str) -> str:
    parts = Path(path).parts
    return parts[1] if len(parts) == 4 and parts[0] == "images" else "frame"


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        messages = row["messages"]
        good = len(messages) > 1 and messages[-1]["role"] == "assistant"
        good = good and all(m["role"] in ROLES and isinstance(m["content"], str | list) for m in messages)
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise InputError(
            f"{where}: no chat that ends with the assistant's answer (messages); mend or remove this line."
        )
    return dict(row)


def _paths(row: Mapping[str, Any], where: str) -> list[str]:
    names, listed = [], iter(row.get("images") or ())
    for message in row["messages"]:
        for part in [] if isinstance(message["content"], str) else message["content"]:
            if not isinstance(part, dict) or part.get("type") not in ("text", "image"):
                raise InputError(f"{where}: content that is neither text nor image; mend or remove this line.")
            if part["type"] == "image":
                turn = next(listed, None)
                name = part.get("path") or part.get("image") or part.get("url") or turn
                if not isinstance(name, str):
                    raise InputError(f"{where}: an image without its path; name it there or in `images`.")
                names.append(name)
    return names


def _check_there(path: Path, seen: set[Path], where: str) -> None:
    if path not in seen:
        if not path.is_file():
            raise InputError(f"{where}: the picture {path} is not there; copy it or build the data again.")
        seen.add(path)
