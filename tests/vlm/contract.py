"""What every language-model backend must do; a backend's test inherits this and gives `vlm`."""

from __future__ import annotations

import numpy as np
import pytest

from describer.messages import Chat, Message, Picture, Text
from describer.vlm.base import GenerationSettings, VisionLanguageModel

FACTS = '{"id":1,"label":"grasper","place":"upper left"}\nDescribe region 1.'


def picture(seed: int, name: str = "crop") -> Picture:
    image = np.random.default_rng(seed).integers(0, 255, (40, 52, 3), dtype=np.uint8)
    return Picture(image, name)


def chat(text: str, pictures: int = 1, seed: int = 0) -> Chat:
    parts = tuple(picture(seed + k) for k in range(pictures))
    return Message("system", (Text("You describe frames."),)), Message("user", (*parts, Text(text)))


CHATS = (
    chat("What is this?", 1, 1),
    chat(FACTS, 2, 2),
    chat("Is there blood?", 0),
    chat("Where is the hook, and what does it touch, and why?", 1, 3),
    chat("A word", 0),
)


class BackendContract:
    """Order, counts and repeatability; greedy answers do not depend on what else is in the batch."""

    settings = GenerationSettings(max_new_tokens=6, batch_size=3)

    @pytest.fixture(scope="class")
    def vlm(self) -> VisionLanguageModel:
        raise NotImplementedError

    def test_is_a_model_with_a_name(self, vlm):
        assert isinstance(vlm, VisionLanguageModel)
        assert vlm.name
        assert vlm.adapter is None or isinstance(vlm.adapter, str)

    def test_no_chats_no_answers(self, vlm):
        assert vlm.generate([], self.settings) == []

    def test_defaults_are_enough(self, vlm):
        assert len(vlm.generate([CHATS[4]])) == 1

    def test_one_answer_a_chat_in_order(self, vlm):
        forward = vlm.generate(CHATS, self.settings)
        backward = vlm.generate(CHATS[::-1], self.settings)
        assert len(forward) == len(CHATS)
        assert [a.text for a in forward] == [a.text for a in backward[::-1]]
        sure = [a.confidence for a in backward[::-1]]
        assert [a.confidence for a in forward] == pytest.approx(sure, abs=2e-3)
        assert len(set(sure)) > 1, "chats that cannot be told apart test nothing"
        assert all(0 <= a.confidence <= 1 for a in forward)

    def test_says_the_same_twice(self, vlm):
        assert vlm.generate(CHATS, self.settings) == vlm.generate(CHATS, self.settings)

    def test_a_batch_equals_one_by_one(self, vlm):
        together = vlm.generate(CHATS, self.settings)
        alone = [vlm.generate([one], self.settings)[0] for one in CHATS]
        assert [a.text for a in together] == [a.text for a in alone]
        assert [a.confidence for a in together] == pytest.approx([a.confidence for a in alone], abs=2e-3)
