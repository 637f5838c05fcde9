"""What the server does when nobody looks: old uploads and visitors who left are forgotten, memory is given back."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from describer.demo.limits import Limits, sweep
from describer.demo.models import Models
from describer.demo.visit import Talk

_EVERY_S = 2.0
_SWEEP_EVERY_S = 30.0
_IDLE_S = 2.0
# Of glibc's malloc.h.
_M_ARENA_MAX = -8
_ARENAS = 2


def keep_house(app: Any, models: Models, folder: Path, limits: Limits) -> threading.Event:
    """Tidy up in a daemon thread until the event that comes back is set. ``app`` is the launched Blocks."""
    stop = threading.Event()

    def work() -> None:
        swept_s, given_back_s = time.monotonic(), 0.0
        while not stop.wait(_EVERY_S):
            now_s = time.monotonic()
            left = forget(app.state_holder, limits)
            if now_s - swept_s > _SWEEP_EVERY_S:
                swept_s = now_s
                sweep(folder, limits.file_age_s)
            used_s = models.used_s
            if used_s is not None and now_s - used_s > _IDLE_S and (left or used_s > given_back_s):
                given_back_s = now_s
                give_back()

    threading.Thread(target=work, name="house", daemon=True).start()
    return stop


def forget(holder: Any, limits: Limits, now: datetime | None = None) -> int:
    """Drop the sessions of visitors who left from Gradio's StateHolder; returns how many.

    Gradio would keep them for good, up to a number, and what is in them for an hour. Who leaves with a frame or a clip
    open may come back to it for a while: phones drop the line when they sleep.
    """
    now = now or datetime.now()
    with holder.lock:
        sessions = list(holder.session_data.items())
    gone = []
    for name, session in sessions:
        holds = any(value is not None and not isinstance(value, Talk) for value in session.state_data.values())
        away_s = (limits.away_s if holds else _IDLE_S) if session.is_closed else limits.session_s
        if (now - holder.time_last_used.get(name, now)).total_seconds() > away_s:
            gone.append(name)
    with holder.lock:
        for name in gone:
            holder.session_data.pop(name, None)
            holder.time_last_used.pop(name, None)
    return len(gone)


def few_heaps() -> None:
    """Two heaps for all threads where the C library is glibc; to be called before there are threads.

    Frames are described in one short-lived thread after another, and each would keep a heap with what it held last:
    four megabytes a frame.
    """
    if tune := _glibc("mallopt"):
        tune(_M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Return freed memory to the system, where the C library is glibc; takes some 20 ms."""
    gc.collect()
    if trim := _glibc("malloc_trim"):
        trim(0)


def _glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
