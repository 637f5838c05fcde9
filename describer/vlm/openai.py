"""Any server that speaks the OpenAI chat API: vLLM, SGLang, Ollama, llama.cpp, ``transformers serve``, a hosted one."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from describer.errors import ModelError
from describer.messages import Chat, Message, Text
from describer.vlm.base import Generated, GenerationSettings, ServerOptions
from describer.vlm.coordinates import style_of, with_boxes
from describer.vlm.endpoint import Endpoint, RejectedError
from describer.vlm.picture_uri import picture_uri

# What a server may not know, and what to send in its place (None = leave it out).
_OTHERWISE = {"max_tokens": "max_completion_tokens", "logprobs": None, "seed": None}


class OpenAIVLM:
    """A model behind ``base_url``; the key comes from OPENAI_API_KEY and goes into the header alone.

    ``confidence`` is None where the server sends no log-probabilities. Settings' ``batch_size`` means nothing here:
    ``concurrency`` requests are under way at once, and the server batches them.
    """

    adapter: str | None = None
    prompt_options: Mapping[str, Any] | None = None

    def __init__(self, options: ServerOptions) -> None:
        """Asks the server for its models, once; ModelError when it is down, or the model has to be named."""
        self._options = options
        self._endpoint = Endpoint(options)
        self._model = _chosen_model(self._endpoint, options.model)
        self._unknown: frozenset[str] = frozenset()
        # A path means nothing elsewhere; a hub id does.
        path = PurePath(self._model)
        self.name = f"openai/{path.name if path.is_absolute() else self._model}"

    def generate(self, chats: Sequence[Chat], settings: GenerationSettings | None = None) -> list[Generated]:
        """One answer a chat, in order; see `Endpoint` for what is tried again and what is given up."""
        settings = settings or GenerationSettings()
        stop = threading.Event()
        return _side_by_side(lambda chat: self._ask(chat, settings, stop), chats, self._options.concurrency, stop)

    def _ask(self, chat: Chat, settings: GenerationSettings, stop: threading.Event) -> Generated:
        body = {
            "model": self._model,
            "messages": [self._message(message) for message in with_boxes(chat, style_of(self._model))],
            "max_tokens": settings.max_new_tokens,
            "temperature": settings.temperature,
            "seed": settings.seed,
            "logprobs": True,
        }
        while True:
            try:
                return _read(self._endpoint.post("/chat/completions", _without(body, self._unknown), stop))
            except RejectedError as error:
                named = {field for field in _OTHERWISE if field in error.why} - self._unknown
                if not named:
                    raise
                self._unknown |= named

    def _message(self, message: Message) -> dict[str, Any]:
        if len(message.parts) == 1 and isinstance(message.parts[0], Text):
            # Not every server's template takes a list for the system's turn.
            return {"role": message.role, "content": message.parts[0].text}
        limits = self._options.picture_side_px, self._options.picture_kib * 1024
        content: list[dict[str, Any]] = [
            {"type": "text", "text": part.text}
            if isinstance(part, Text)
            else {"type": "image_url", "image_url": {"url": picture_uri(part.image, *limits)}}
            for part in message.parts
        ]
        return {"role": message.role, "content": content}


def _chosen_model(endpoint: Endpoint, wanted: str | None) -> str:
    """``wanted``, or the only model the server lists; a server may serve more than it lists."""
    listed = endpoint.get("/models")
    if wanted:
        return wanted
    rows = listed.get("data") if isinstance(listed, dict) else None
    names = [str(row["id"]) for row in rows or () if isinstance(row, dict) and "id" in row]
    if len(names) != 1:
        known = f"it has {', '.join(sorted(names)[:10])}" if names else "it lists none"
        raise ModelError(f"Give --model: the server at {endpoint.url} has no single model to take ({known}).")
    return names[0]


def _without(body: dict[str, Any], unknown: frozenset[str]) -> dict[str, Any]:
    sent = {}
    for field, value in body.items():
        name = _OTHERWISE[field] if field in unknown else field
        if name:
            sent[name] = value
    return sent


def _read(answer: Any) -> Generated:
    try:
        choice = answer["choices"][0]
        text = choice["message"]["content"]
    except (KeyError, IndexError, TypeError) as error:
        raise ModelError("the server's answer has no choices; is it an OpenAI API?") from error
    if not isinstance(text, str):
        why = choice.get("finish_reason")
        raise ModelError(f"the server's answer has no text (finish_reason {why}); use a model that answers at once.")
    return Generated(text.strip(), _confidence(choice.get("logprobs")))


def _confidence(logprobs: Any) -> float | None:
    """Geometric mean of the tokens' probabilities; None when they are not all there."""
    rows = logprobs.get("content") if isinstance(logprobs, dict) else None
    try:
        logs = [float(row["logprob"]) for row in rows or ()]
    except (KeyError, TypeError, ValueError):
        return None
    if not logs or not all(map(math.isfinite, logs)):
        return None
    return round(min(1.0, math.exp(sum(logs) / len(logs))), 4)


def _side_by_side(
    work: Callable[[Chat], Generated], chats: Sequence[Chat], workers: int, stop: threading.Event
) -> list[Generated]:
    """``work`` of every chat, in order, on daemon threads: Ctrl-C does not wait for a slow server.

    The first error comes out here, and the other threads end after the request they are at.
    """
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Generated | BaseException]] = queue.SimpleQueue()
    for index in range(len(chats)):
        todo.put(index)

    def run() -> None:
        while not stop.is_set():
            try:
                index = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((index, work(chats[index])))
            except BaseException as error:  # handed over to the caller's thread, which raises it
                done.put((index, error))

    for _ in range(min(workers, len(chats))):
        threading.Thread(target=run, name="request", daemon=True).start()
    answers: dict[int, Generated] = {}
    try:
        while len(answers) < len(chats):
            index, result = done.get()
            if isinstance(result, BaseException):
                raise result
            answers[index] = result
    finally:
        stop.set()
    return [answers[index] for index in range(len(chats))]
