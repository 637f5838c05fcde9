"""A model on held-out chats: descriptions and answers scored apart, made-up labels counted against the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from describer.chat_files import ChatFile, Example, PictureFiles, to_line
from describer.chat_scores import chat_scores, drawn_rows
from describer.messages import Message, Text
from describer.vlm.base import Generated, GenerationSettings

CHAT = (Message("user", (Text("?"),)),)
EXAMPLES = [
    Example("1", CHAT, "A hook touches the liver.", "region", "a", "a", "true", ("hook", "liver")),
    Example("2", CHAT, "The liver is in view.", "caption", "b", "b"),
    Example("3", CHAT, "Yes.", "question: existence", "c", "c", "true", ("hook",)),
    Example("4", CHAT, "Two.", "question: count", "d", "d", "true", ("hook",)),
]


class Said:
    name, adapter, prompt_options = "said", None, None

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def generate(self, chats: Any, settings: Any = None) -> list[Generated]:
        return [Generated(text, 1.0) for text in self.texts]


def scores(examples: list[Example], *texts: str) -> dict[str, float]:
    return chat_scores(Said(*texts), examples, "core", GenerationSettings())


def test_true_answers_score_full_marks() -> None:
    found = scores(EXAMPLES, *(e.answer for e in EXAMPLES))
    assert found["n"] == 4 and found["entity_f1"] == found["vqa_accuracy"] == 1 and found["hallucination"] == 0
    assert found["cider_d"] > 5


def test_what_is_made_up_is_counted_where_the_scene_is_known() -> None:
    found = scores(EXAMPLES, "A snare touches the liver.", "A snare.", "Yes, there is.", "Three.")
    assert found["hallucination"] == 0.5 and found["vqa_accuracy"] == 0.5
    assert found["entity_f1"] == pytest.approx(2 * 1 / (3 + 3), abs=1e-3)


def test_only_what_is_there_is_scored() -> None:
    assert set(scores(EXAMPLES[2:], "Yes.", "Two.")) == {"n", "vqa_accuracy"}
    assert "vqa_accuracy" not in scores(EXAMPLES[:2], "A hook.", "Fat.")


def test_the_same_chats_are_drawn_each_time(tmp_path: Path) -> None:
    files = PictureFiles(tmp_path)
    (tmp_path / "val.jsonl").write_text("".join(to_line(e, files) for e in EXAMPLES))
    file = ChatFile.open(tmp_path / "val.jsonl")
    assert drawn_rows(file, 3, 0) == drawn_rows(file, 3, 0) == sorted(set(drawn_rows(file, 3, 0)))
    assert len({tuple(drawn_rows(file, 2, seed)) for seed in range(9)}) > 1 and drawn_rows(file, 9, 0) == [0, 1, 2, 3]
