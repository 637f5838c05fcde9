"""The HTTP backend against a server in this process: what is sent, what is tried again, what is given up."""

from __future__ import annotations

import socket
import threading
import time

import numpy as np
import pytest

from describer.errors import ModelError, ServerError
from describer.messages import box_mark
from describer.vlm import GenerationSettings, ServerOptions, load_vlm
from describer.vlm import endpoint as endpoint_module
from describer.vlm.endpoint import KEY_VARIABLE
from tests.vlm.contract import CHATS, BackendContract, chat
from tests.vlm.openai_server import Fault, pictures_of, serving

SHORT = GenerationSettings(max_new_tokens=4)


@pytest.fixture(autouse=True)
def no_key_and_short_waits(monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.setattr(endpoint_module, "_FIRST_WAIT_S", 0.01)


def connect(url, **options):
    return load_vlm("openai", server=ServerOptions(url, **options))


@pytest.fixture
def server():
    with serving() as (url, state):
        yield url, state


class TestOpenAI(BackendContract):
    @pytest.fixture(scope="class")
    def vlm(self):
        with serving() as (url, _):
            yield connect(url)

    def test_confidence_is_the_mean_token_probability(self, vlm):
        answer = vlm.generate([CHATS[0]], SHORT)[0]
        logs = [-int(word[1:], 16) / 65536 for word in answer.text.split()]
        assert len(logs) == 4
        assert answer.confidence == pytest.approx(np.exp(np.mean(logs)), abs=1e-4)


def test_the_chat_arrives_as_it_was(server):
    url, state = server
    connect(url).generate([CHATS[1]], GenerationSettings(max_new_tokens=7, temperature=0.5, seed=3))
    body = state.requests[0]
    assert (body["model"], body["max_tokens"], body["temperature"], body["seed"]) == ("tiny", 7, 0.5, 3)
    system, user = body["messages"]
    assert system == {"role": "system", "content": "You describe frames."}
    assert [part["type"] for part in user["content"]] == ["image_url", "image_url", "text"]
    assert user["content"][2]["text"] == CHATS[1][1].parts[2].text
    for sent, meant in zip(pictures_of(body), CHATS[1][1].parts):
        assert np.array_equal(np.asarray(sent), meant.image)


def test_boxes_are_written_as_the_servers_model_reads_them(server):
    url, state = server
    state.models = ("Qwen/Qwen2.5-VL-7B-Instruct",)
    words = f"Describe region 1 at {box_mark((0, 20, 26, 40), (52, 40))}."
    connect(url).generate([chat(words)], SHORT)
    assert state.requests[0]["messages"][1]["content"][1]["text"] == "Describe region 1 at [0, 28, 42, 56]."


def test_pictures_keep_to_the_limits(server):
    url, state = server
    connect(url, picture_side_px=26).generate([CHATS[0]], SHORT)
    assert pictures_of(state.requests[0])[0].size == (26, 20)


def test_requests_overlap_up_to_the_limit(server):
    url, state = server
    state.delay_s = 0.1
    many = [chat("What?", 0, i) for i in range(12)]
    connect(url, concurrency=4).generate(many, SHORT)
    assert state.most_at_once == 4


def test_without_logprobs_the_confidence_is_unknown(server):
    url, state = server
    state.logprobs = False
    answer = connect(url).generate([CHATS[0]], SHORT)[0]
    assert answer.text and answer.confidence is None


@pytest.mark.parametrize("unknown", ["logprobs", "seed"])
def test_a_field_the_server_does_not_know_is_left_out(server, unknown):
    url, state = server
    state.unknown = frozenset({unknown})
    vlm = connect(url, concurrency=1)
    assert all(answer.text for answer in vlm.generate(CHATS, SHORT))
    assert len(state.requests) == len(CHATS) + 1  # asked in vain once, not once a request


def test_newer_servers_get_the_newer_name_of_a_field(server):
    url, state = server
    why = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    state.faults = [Fault(400, {"error": {"message": why}}), Fault(400, {"error": {"message": "stop"}})]
    with pytest.raises(ModelError):
        connect(url).generate([CHATS[0]], SHORT)
    assert state.requests[1]["max_completion_tokens"] == 4
    assert "max_tokens" not in state.requests[1]


@pytest.mark.parametrize("fault", [Fault(500, {"error": "boom"}), Fault(504, "<html>"), Fault(0), Fault(408, "")])
def test_what_may_pass_is_tried_again(server, fault):
    url, state = server
    state.faults = [fault] * 3
    assert connect(url).generate([CHATS[0]], SHORT)[0].text
    assert len(state.requests) == 4


def test_a_request_that_keeps_failing_is_given_up(server):
    url, state = server
    state.faults = [Fault(500, {"error": {"message": "image token\nmismatch"}})] * 9
    with pytest.raises(ModelError, match=r"failed 5 times on one request \(500: image token mismatch\)") as caught:
        connect(url).generate([CHATS[0]], SHORT)
    assert not isinstance(caught.value, ServerError)
    assert len(state.requests) == 5


def test_what_the_server_rejects_is_sent_once(server):
    url, state = server
    state.faults = [Fault(400, {"error": {"message": "context length exceeded"}})]
    with pytest.raises(ModelError, match=r"rejects the request \(400: context length exceeded\)"):
        connect(url).generate([CHATS[0]], SHORT)
    assert len(state.requests) == 1


def test_an_answer_that_takes_too_long_is_asked_for_again(server):
    url, state = server
    vlm = connect(url, timeout_s=0.5)
    state.first_delay_s = 5.0
    assert vlm.generate([CHATS[0]], SHORT)[0].text
    assert len(state.requests) >= 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_says_how_long_to_wait(server, status, caplog):
    url, state = server
    state.faults = [Fault(status, {"error": "later"}, {"Retry-After": "0.3"})]
    began = time.monotonic()
    assert connect(url).generate([CHATS[0]], SHORT)[0].text
    assert time.monotonic() - began >= 0.3
    assert "waiting for it up to 300 s" in caplog.text


def test_a_date_is_waited_for_too(server):
    url, state = server
    state.faults = [Fault(429, "", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})]
    assert connect(url).generate([CHATS[0]], SHORT)[0].text


def test_a_server_that_stays_away_stops_it_all(server):
    url, state = server
    vlm = connect(url, patience_s=0.2, concurrency=2)
    state.faults = [Fault(503, "")] * 1000
    with pytest.raises(ServerError, match=r"has not served for 0 s \(503\); start it and run the same command again"):
        vlm.generate(CHATS, SHORT)
    state.faults = []
    assert vlm.generate(CHATS[:1], SHORT)[0].text


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_a_server_that_comes_back_is_waited_for():
    with serving() as (url, _):
        vlm = connect(url)
        port = int(url.split(":")[2].split("/")[0])
    answers = []
    asking = threading.Thread(target=lambda: answers.extend(vlm.generate(CHATS, SHORT)))
    asking.start()
    time.sleep(0.1)
    assert asking.is_alive()
    with serving(port=port):
        asking.join(5)
    assert len(answers) == len(CHATS)


def test_down_at_the_start_is_one_sentence():
    with pytest.raises(ModelError, match=r"No server answers at http://127.0.0.1:\d+/v1 .*refused.*check --base-url"):
        connect(f"http://127.0.0.1:{free_port()}/v1")


def test_not_ready_at_the_start_is_one_sentence(server):
    url, _ = server
    with pytest.raises(ModelError, match="base URLs mostly end in /v1"):
        connect(url.removesuffix("/v1"))
    with pytest.raises(ModelError, match="no web address"):
        connect("127.0.0.1:8000/v1")


@pytest.mark.parametrize("models", [(), ("a", "b")])
def test_one_of_several_models_must_be_named(server, models):
    url, state = server
    state.models = models
    with pytest.raises(ModelError, match="Give --model"):
        connect(url)
    with pytest.raises(ServerError, match="`c` does not exist"):
        connect(url, model="c").generate([CHATS[0]], SHORT)


@pytest.mark.parametrize(
    "model, name", [("Qwen/Qwen3-VL-4B-Instruct", "openai/Qwen/Qwen3-VL-4B-Instruct"), ("/my/home/vlm", "openai/vlm")]
)
def test_the_name_says_no_path_and_no_address(server, model, name):
    assert connect(server[0], model=model).name == name


def test_the_key_comes_from_the_environment_and_is_never_told(server, monkeypatch):
    url, state = server
    state.key = "sk-right"
    with pytest.raises(ServerError, match="set OPENAI_API_KEY"):
        connect(url)
    monkeypatch.setenv(KEY_VARIABLE, "sk-right\n")
    vlm = connect(url)
    assert vlm.generate([CHATS[0]], SHORT)[0].text
    state.faults = [Fault(400, {"error": {"message": "bad key sk-right"}})]
    with pytest.raises(ModelError, match=r"bad key \*\*\*"):
        vlm.generate([CHATS[0]], SHORT)
    monkeypatch.setenv(KEY_VARIABLE, "sk-wrong")
    with pytest.raises(ServerError) as caught:
        connect(url)
    assert "sk-" not in str(caught.value)
    monkeypatch.setenv(KEY_VARIABLE, "schlüssel")
    with pytest.raises(ModelError, match="no key has"):
        connect(url)


@pytest.mark.parametrize(
    "body, message",
    [
        ("<html>Welcome</html>", "something else than JSON"),
        ({"choices": []}, "no choices"),
        ({"choices": [{"message": {"content": None}, "finish_reason": "length"}]}, "finish_reason length"),
    ],
)
def test_answers_that_are_none(server, body, message):
    url, state = server
    state.faults = [Fault(200, body)]
    with pytest.raises(ModelError, match=message):
        connect(url).generate([CHATS[0]], SHORT)


@pytest.mark.parametrize("logs", [[{}], [{"logprob": None}], [{"logprob": -np.inf}], [None], "x"])
def test_odd_logprobs_are_no_confidence(server, logs):
    url, state = server
    state.faults = [Fault(200, {"choices": [{"message": {"content": "a"}, "logprobs": {"content": logs}}]})]
    assert connect(url).generate([CHATS[0]], SHORT)[0].confidence is None


@pytest.mark.parametrize("options", [{"adapter": "lora"}, {"quantize": "4bit"}])
def test_weights_are_the_servers_business(options):
    with pytest.raises(ModelError, match="the server is started with those"):
        load_vlm("openai", server=ServerOptions("http://127.0.0.1:9/v1"), **options)


def test_a_server_and_its_backend_belong_together():
    for wrong in ({"spec": "openai"}, {"spec": "echo", "server": ServerOptions("http://127.0.0.1:9/v1")}):
        with pytest.raises(ModelError, match="belong together"):
            load_vlm(**wrong)
