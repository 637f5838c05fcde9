import numpy as np
import pytest
import torch

from describer.errors import ModelError
from describer.vlm import load_vlm
from describer.vlm.chats import encode, render_prompt, render_sample
from describer.vlm.choosing import Choice, choose
from describer.vlm.echo import EchoVLM
from describer.vlm.likelihood import mean_log_likelihoods
from tests.vlm.contract import CHATS, chat
from tests.vlm.tiny import save_tiny_idefics3, save_tiny_llava, save_tiny_qwen2_vl

ANSWERS = ("Yes.", "No.", "Where is the hook?", "upper left")
FAMILIES = {"llava": save_tiny_llava, "idefics3": save_tiny_idefics3, "qwen2_vl": save_tiny_qwen2_vl}


@pytest.fixture(scope="module", params=FAMILIES)
def vlm(request, tmp_path_factory):
    return load_vlm(str(FAMILIES[request.param](tmp_path_factory.mktemp(request.param))), dtype="float32")


@torch.no_grad()
def one_by_one(vlm, asked, text):
    """The same number from one pass over prompt and answer together, nothing shared or padded."""
    words = vlm._words
    prompt, target = render_sample(vlm.processor, asked, text, words)
    whole = encode(vlm.processor, [asked], [prompt + target], "left").to(vlm.model.device)
    before = encode(vlm.processor, [asked], [render_prompt(vlm.processor, asked, words)], "left")["input_ids"].shape[1]
    logs = vlm.model(**whole).logits[0, before - 1 : -1].log_softmax(-1)
    return float(logs.gather(1, whole["input_ids"][0, before:, None]).mean())


@pytest.mark.parametrize("asked", CHATS[:3], ids=["one picture", "two pictures", "no picture"])
def test_equals_reading_prompt_and_answer_in_one(vlm, asked):
    with torch.no_grad():
        shared = mean_log_likelihoods(vlm.model, vlm.processor, asked, ANSWERS, vlm._words)
    assert shared == pytest.approx([one_by_one(vlm, asked, text) for text in ANSWERS], abs=1e-4)
    assert len({round(value, 6) for value in shared}) > 1


def test_a_choice_does_not_depend_on_order_or_company(vlm):
    forward, backward = vlm.choose([CHATS[0], CHATS[0]], [ANSWERS, ANSWERS[::-1]])
    assert ANSWERS[forward.index] == ANSWERS[::-1][backward.index]
    assert forward.probabilities == pytest.approx(backward.probabilities[::-1], abs=1e-5)
    assert sum(forward.probabilities) == pytest.approx(1)
    pair = vlm.choose([CHATS[0]], [ANSWERS[:2]])[0]
    odds = forward.probabilities[0] / forward.probabilities[1]
    assert pair.probabilities[0] / pair.probabilities[1] == pytest.approx(odds, rel=1e-4)


def test_echo_chooses_the_same_in_any_order_and_other_for_other_chats():
    echo = EchoVLM()
    forward, backward = choose(echo, [CHATS[0]] * 2, [ANSWERS, ANSWERS[::-1]])
    assert ANSWERS[forward.index] == ANSWERS[::-1][backward.index]
    picked = {choose(echo, [chat(f"Question {i}?")], [ANSWERS])[0].index for i in range(20)}
    assert len(picked) > 1


def test_weights_of_equals_are_equal_and_the_first_is_taken():
    found = Choice.of([-1.0, -1.0, -1.0 - np.log(2)])
    assert found.index == 0
    assert found.probabilities == pytest.approx((0.4, 0.4, 0.2))
    assert found.confidence == pytest.approx(0.4)
    assert Choice.of([-5000.0, -4000.0]).index == 1


def test_a_model_without_log_probabilities_says_so():
    class Server:
        name = "a-server"

    with pytest.raises(ModelError, match=r"a-server gives no log-probabilities .* leave out --choices"):
        choose(Server(), [CHATS[0]], [ANSWERS])


def test_a_question_without_candidates_is_refused():
    with pytest.raises(ModelError, match="no candidates"):
        choose(EchoVLM(), [CHATS[0]], [()])


def test_too_long_choices_are_refused(tmp_path):
    tiny = load_vlm(str(save_tiny_llava(tmp_path)))
    with pytest.raises(ModelError, match="of 256; shorten the choices"):
        tiny.choose([CHATS[0]], [["word " * 300]])
