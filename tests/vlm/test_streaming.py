"""Listening to an answer while it is written changes nothing of it, and each thread hears its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from describer.vlm import GenerationSettings, load_vlm
from describer.vlm.streaming import heard_by
from tests.vlm.contract import CHATS
from tests.vlm.tiny import save_tiny_llava

SETTINGS = GenerationSettings(max_new_tokens=8)


@pytest.fixture(scope="module")
def vlm(tmp_path_factory):
    return load_vlm(str(save_tiny_llava(tmp_path_factory.mktemp("llava"))))


def heard(vlm, chat):
    parts: list[str] = []
    with heard_by(parts.append):
        answer = vlm.generate([chat], SETTINGS)[0]
    return answer, parts


def test_the_text_grows_to_the_answer_which_is_the_same_as_unheard(vlm):
    answer, parts = heard(vlm, CHATS[0])
    assert answer == vlm.generate([CHATS[0]], SETTINGS)[0]
    assert parts[-1] == answer.text
    assert all(later.startswith(earlier) for earlier, later in pairwise(parts))


def test_two_threads_hear_their_own_answers(vlm):
    alone = [vlm.generate([chat], SETTINGS)[0] for chat in CHATS[:2]]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda chat: heard(vlm, chat), CHATS[:2]))
    assert [answer for answer, _ in both] == alone
    assert [parts[-1] for _, parts in both] == [answer.text for answer in alone]


def test_batches_are_not_heard(vlm):
    parts: list[str] = []
    with heard_by(parts.append):
        vlm.generate(CHATS[:2], SETTINGS)
    assert parts == []
