"""The models behind the page: loaded in the background, and used in the order in which visitors came."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from describer.demo.quick import uncollected
from describer.errors import DescriberError, ModelError

if TYPE_CHECKING:
    from describer.pipeline import Describer
    from describer.taxonomy import Taxonomy

_REASON_CHARS = 300
_PAGE_FIRST_S = 2.0


class Turns:
    """At most ``at_once`` holders, first come first served: a clip that asks again and again starves nobody."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and hold it."""
        mine = threading.Event()
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                mine.set()
            else:
                self._waiting.append(mine)
        mine.wait()
        try:
            yield
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().set()
                else:
                    self._free += 1


class Models:
    """A Describer that loads in a thread of its own; ``use`` waits for it and for one's turn.

    ``used_s`` is when, on the monotonic clock, it was last used; None before, and while somebody has begun to.
    """

    def __init__(self, load: Callable[[], Describer], at_once: int = 1) -> None:
        self._load = load
        self._turns = Turns(at_once)
        self._done = threading.Event()
        self._asked = threading.Event()
        self._started_s = time.monotonic()
        self._describer: Describer | None = None
        self._error: str | None = None
        self.used_s: float | None = None
        self._thread = threading.Thread(target=self._work, name="models", daemon=True)

    def start(self) -> None:
        """Begin to load, once somebody's page is there to say so, or after two seconds; returns at once.

        Importing torch and all holds up whatever else this process does: a browser that waits for the page comes first.
        """
        self._started_s = time.monotonic()
        self._thread.start()

    def _work(self) -> None:
        self._asked.wait(_PAGE_FIRST_S)
        try:
            with uncollected():
                self._describer = self._load()
        except DescriberError as error:
            self._error = str(error)
        except Exception as error:  # a thread's outermost edge: the page has to say it
            self._error = f"the models could not be loaded: {error!s:.{_REASON_CHARS}}"
        finally:
            self._done.set()

    def status(self) -> dict[str, object]:
        """{"state": "loading" | "ready" | "failed", "text": one line for people}."""
        self._asked.set()
        if not self._done.is_set():
            return {"state": "loading", "text": f"Loading the models: {time.monotonic() - self._started_s:.0f} s"}
        if self._error is not None:
            return {"state": "failed", "text": self._error}
        assert self._describer is not None
        names = " and ".join(filter(None, (self._describer.vlm.name, self._describer.vlm.adapter)))
        return {"state": "ready", "text": f"Ready: {self._describer.scene_model.name}, {names}"}

    @property
    def taxonomy(self) -> Taxonomy:
        """The label set of the loaded models; ModelError when they could not be loaded."""
        return self._loaded().taxonomy

    @property
    def ready(self) -> bool:
        return self._done.is_set() and self._error is None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until loading has ended, one way or the other."""
        return self._done.wait(timeout_s)

    @contextlib.contextmanager
    def use(self) -> Iterator[Describer]:
        """The describer, for as long as one's turn lasts; ModelError when it could not be loaded."""
        describer = self._loaded()
        with self._turns.turn():
            self.used_s = None
            try:
                yield describer
            finally:
                self.used_s = time.monotonic()

    def _loaded(self) -> Describer:
        self._asked.set()
        self._done.wait()
        if self._describer is None:
            raise ModelError(f"{(self._error or '').rstrip('.')}; start the demo again with other models.")
        return self._describer
