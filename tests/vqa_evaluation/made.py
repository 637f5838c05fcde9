"""A Describer that knows the colour of a picture, and questions on pictures of one colour each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from describer.messages import Chat, prompt_text
from describer.prompts.build import PromptOptions
from describer.types import Answer, Provenance
from describer.vlm.base import Generated, GenerationSettings

COLOURS = ("red", "green", "blue")
MADE = Provenance("made", "made", None, "core")


class Blind:
    """The language model without a picture: always says red."""

    name, adapter, prompt_options = "made", None, None

    def __init__(self) -> None:
        self.asked: list[str] = []

    def generate(self, chats: Sequence[Chat], settings: Any = None) -> list[Generated]:
        self.asked += [prompt_text(chat) for chat in chats]
        return [Generated("Red.", 0.4) for _ in chats]


class Choosing(Blind):
    def choose(self, chats: Sequence[Chat], candidates: Sequence[Sequence[str]]) -> list[Any]:
        from describer.vlm.choosing import Choice

        return [Choice.of([0.0 if text == "Green." else -1.0 for text in given]) for given in candidates]


class Seeing:
    """Sees the colour of a picture; unsure, and wrong, of blue ones. Counts how often a picture was opened."""

    def __init__(self, vlm: Blind | None = None) -> None:
        self.vlm = vlm or Blind()
        self.prompt, self.generation, self.abstain_below = PromptOptions(), GenerationSettings(), 0.35
        self.opened = 0

    def settings(self) -> dict[str, Any]:
        return {"vlm": "made", "pair": (1, 2)}

    def provenance(self) -> Provenance:
        return MADE

    def open(self, image: np.ndarray) -> Opened:
        self.opened += 1
        return Opened(image)

    def open_clip(self, images: Sequence[np.ndarray]) -> Opened:
        return self.open(images[-1])


class Opened:
    def __init__(self, image: np.ndarray) -> None:
        self._colour = COLOURS[int(image[0, 0].argmax())] if image.any() else "black"

    def ask_all(self, questions: Sequence[Any]) -> list[Answer]:
        return [self._one(question) for question in questions]

    def _one(self, question: Any) -> Answer:
        text, sure = ("Green.", 0.3) if self._colour == "blue" else (f"It is {self._colour}.", 0.9)
        if "square" in question.text.lower():
            text, sure = "Yes, there is.", 0.8
        return Answer(question.text, text, (), sure, sure < 0.35, MADE)


def questions(root: Path, videos: int = 6, frames: int = 3, choices: bool = True) -> Path:
    """A JSONL: the colour of each picture, and whether there is a square, which there always is."""
    lines = []
    for video in range(videos):
        for number in range(frames):
            colour = (video + number) % 3
            name = f"v{video}/{number}.png"
            image = np.zeros((16, 20, 3), np.uint8)
            image[..., colour] = 200 + video
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / name)
            about = {"image": name, "video": f"v{video}", "split": "val" if video < 2 else "train"}
            asked = {"question": "What colour is it?", "answer": COLOURS[colour], "type": "colour"}
            closed = {"choices": list(COLOURS)} if choices else {}
            lines.append(about | asked | closed)
            lines.append(about | {"question": "Is there a square?", "answer": "yes", "type": "exists"})
    path = root / "questions.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
