"""JSON over HTTP to one server: retries with backoff, waits for a server that is away, one sentence for what fails."""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import random
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx2

from describer.errors import ModelError, ServerError
from describer.vlm.base import ServerOptions

KEY_VARIABLE = "OPENAI_API_KEY"

_TRIES = 5
_CONNECT_S = 10.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
# The server is there but cannot serve now: rate limits, a gateway whose model is starting.
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}
_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
# This one request went wrong, and may go well another time.
_TRANSIENT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.GATEWAY_TIMEOUT}

_log = logging.getLogger("describer")


class RejectedError(ModelError):
    """The server will not take this request as it is (400, 413, 422); ``why`` is its own word."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


class Endpoint:
    """One server for many threads.

    A server that cannot be reached, or says that it is busy, is waited for: ServerError once nothing was answered
    for ``patience_s``. A request that breaks off, takes too long or fails inside the server is sent 5 times:
    ModelError then. What the server refuses for good is not sent again.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.url = options.base_url.rstrip("/")
        self._options = options
        self._key = os.environ.get(KEY_VARIABLE, "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise ModelError(f"{KEY_VARIABLE} holds characters that no key has; set it again.")
        self._lock = threading.Lock()
        self._away_since_s: float | None = None
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(options.timeout_s, connect=min(_CONNECT_S, options.timeout_s)),
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            limits=httpx2.Limits(max_connections=options.concurrency),
            # A proxy for the outer world does not know this machine's own servers.
            trust_env=not _is_loopback(httpx2.URL(self.url).host),
            # Reading the system's certificates takes a while, and plain HTTP needs none.
            verify=self.url.startswith("https:"),
        )

    def get(self, path: str) -> Any:
        """The JSON at ``path``, asked for once; ModelError when it cannot be had now."""
        try:
            response = self._client.get(self.url + path)
        except httpx2.TransportError as error:
            raise ModelError(
                f"No server answers at {self.url} ({_reason(error)}); start it, or check --base-url."
            ) from error
        if response.status_code in _BUSY:
            raise ModelError(f"The server at {self.url} is not ready ({self._why(response)}); try again when it is.")
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise ModelError(f"There is no OpenAI API at {self.url} (404); base URLs mostly end in /v1.")
        return self._json(response)

    def post(self, path: str, body: Mapping[str, Any], stop: threading.Event | None = None) -> Any:
        """The JSON answered to ``body``; gives up, with a ModelError, once ``stop`` is set."""
        stop = stop or threading.Event()
        tries = waits = 0
        while True:
            try:
                response = self._client.post(self.url + path, json=dict(body))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                waits += 1
                self._wait(stop, _backoff_s(waits), _reason(error))
                continue
            except httpx2.TransportError as error:
                tries += 1
                self._retry(stop, tries, _reason(error))
                continue
            if response.status_code in _BUSY:
                waits += 1
                self._wait(stop, _retry_after_s(response) or _backoff_s(waits), self._why(response))
                continue
            self._is_back()
            if response.status_code in _TRANSIENT:
                tries += 1
                self._retry(stop, tries, self._why(response))
                continue
            return self._json(response)

    def _wait(self, stop: threading.Event, delay_s: float, why: str) -> None:
        """Sleep while the server is away; ServerError when that has been too long."""
        with self._lock:
            now = time.monotonic()
            if self._away_since_s is None:
                self._away_since_s = now
                _log.warning(
                    "%s does not serve (%s); waiting for it up to %.0f s.", self.url, why, self._options.patience_s
                )
            left_s = self._away_since_s + self._options.patience_s - now
        if left_s <= 0:
            raise ServerError(
                f"The server at {self.url} has not served for {self._options.patience_s:.0f} s ({why}); "
                "start it and run the same command again to go on."
            )
        _sleep(stop, min(delay_s, left_s))

    def _is_back(self) -> None:
        with self._lock:
            self._away_since_s = None

    def _retry(self, stop: threading.Event, tries: int, why: str) -> None:
        if tries >= _TRIES:
            raise ModelError(f"the server at {self.url} failed {tries} times on one request ({why}).")
        _sleep(stop, _backoff_s(tries))

    def _json(self, response: httpx2.Response) -> Any:
        status = response.status_code
        if status in _REFUSED:
            how = f"the key in {KEY_VARIABLE}" if self._key else f"a request without a key; set {KEY_VARIABLE}"
            raise ServerError(f"The server at {self.url} refuses {how} ({status}).")
        if status == HTTPStatus.NOT_FOUND:
            raise ServerError(f"The server at {self.url} does not know what is asked for ({self._why(response)}).")
        if not response.is_success:
            why = self._why(response)
            raise RejectedError(f"the server at {self.url} rejects the request ({why}).", why)
        try:
            return response.json()
        except ValueError as error:
            raise ModelError(f"{self.url} answers with something else than JSON; is it an OpenAI API?") from error

    def _why(self, response: httpx2.Response) -> str:
        """The status and the server's own sentence; a key that it repeats is left out."""
        try:
            said = response.json()
        except ValueError:
            said = response.text
        for name in ("error", "message", "detail"):
            if isinstance(said, dict) and name in said:
                said = said[name]
        text = said if isinstance(said, str) else json.dumps(said)
        if self._key:
            text = text.replace(self._key, "***")
        return f"{response.status_code}: {' '.join(text.split())[:300]}".rstrip(": ")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _backoff_s(tries: int) -> float:
    """0.5 s, doubled every time up to 30 s, and up to half of that less, so that many clients spread out."""
    return min(_FIRST_WAIT_S * 2.0 ** (tries - 1), _LONGEST_WAIT_S) * random.uniform(0.5, 1.0)


def _retry_after_s(response: httpx2.Response) -> float | None:
    """The header's seconds, or its date as seconds from now; None without one that can be read."""
    text = response.headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp())


def _sleep(stop: threading.Event, delay_s: float) -> None:
    if stop.wait(delay_s):
        raise ModelError("stopped while waiting for the server.")
