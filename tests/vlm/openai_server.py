"""A small server with the OpenAI chat API's paths, bodies and errors; what it answers follows from what it was sent.

``python -m tests.vlm.openai_server PORT DELAY_S`` runs it, to be killed by a test.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

KNOWN_FIELDS = {"model", "messages", "max_tokens", "temperature", "seed", "logprobs"}


@dataclass(frozen=True)
class Fault:
    """What becomes of one request instead of an answer; status 0 drops the connection."""

    status: int = 0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class State:
    """``faults`` are used up one a request, ``first_delay_s`` by the next one; ``refuse(body)`` may give a fault for
    every request it is about."""

    faults: list[Fault] = field(default_factory=list)
    refuse: Any = None
    models: tuple[str, ...] = ("tiny",)
    unknown: frozenset[str] = frozenset()
    logprobs: bool = True
    delay_s: float = 0.0
    first_delay_s: float = 0.0
    key: str | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: Any = field(default_factory=threading.Lock)


def pictures_of(body: dict[str, Any]) -> list[Image.Image]:
    """The decoded pictures of a request, in order."""
    parts = [
        part for message in body["messages"] if isinstance(message["content"], list) for part in message["content"]
    ]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [Image.open(io.BytesIO(base64.b64decode(url.partition("base64,")[2], validate=True))) for url in urls]


def completion(body: dict[str, Any], logprobs: bool) -> dict[str, Any]:
    """An answer of at most ``max_tokens`` words that changes with every word and pixel sent."""
    for picture in pictures_of(body):
        picture.load()
    digest = hashlib.sha256(json.dumps(body["messages"], sort_keys=True).encode()).hexdigest()
    words = [f"w{digest[i : i + 4]}" for i in range(0, 32, 4)][: body["max_tokens"]]
    rows = [{"token": word, "logprob": -int(word[1:], 16) / 65536, "top_logprobs": []} for word in words]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": " ".join(words)},
        "logprobs": {"content": rows} if logprobs and body.get("logprobs") else None,
        "finish_reason": "stop",
    }
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": body["model"], "choices": [choice]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State

    def do_GET(self) -> None:
        if self._refused():
            pass
        elif self.path != "/v1/models":
            self._send(404, {"detail": "Not Found"})
        else:
            rows = [{"id": name, "object": "model"} for name in self.state.models]
            self._send(200, {"object": "list", "data": rows})

    def do_POST(self) -> None:
        state = self.state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with state.lock:
            state.requests.append(body)
            state.at_once += 1
            state.most_at_once = max(state.most_at_once, state.at_once)
            fault = state.faults.pop(0) if state.faults else None
            delay_s, state.first_delay_s = state.delay_s + state.first_delay_s, 0.0
        time.sleep(delay_s)
        with state.lock:
            state.at_once -= 1
        fault = fault or (state.refuse(body) if state.refuse else None)
        unknown = set(body) - (KNOWN_FIELDS - state.unknown)
        if fault and fault.status == 0:
            self.close_connection = True
        elif fault:
            self._send(fault.status, fault.body, fault.headers)
        elif self._refused():
            pass
        elif self.path != "/v1/chat/completions" or body["model"] not in state.models:
            self._send(404, {"error": {"message": f"The model `{body['model']}` does not exist."}})
        elif unknown:
            self._send(422, {"detail": f"Unexpected fields in the request: {unknown}"})
        else:
            self._send(200, completion(body, state.logprobs))

    def _refused(self) -> bool:
        given = self.headers.get("Authorization")
        if self.state.key is None or given == f"Bearer {self.state.key}":
            return False
        self._send(401, {"error": {"message": f"Incorrect API key provided: {given}"}})
        return True

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # a client that did not wait
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextlib.contextmanager
def serving(state: State | None = None, port: int = 0) -> Iterator[tuple[str, State]]:
    """(base URL, state) of a server in this process."""
    state = state or State()
    handler = type("Bound", (Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", state
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    Handler.state = State(delay_s=float(sys.argv[2]))
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
