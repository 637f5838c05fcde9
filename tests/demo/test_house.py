"""Who leaves is forgotten, and memory that was freed goes back to the system."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio.state_holder import StateHolder
from gradio_client import Client, handle_file
from PIL import Image

from describer.demo import house
from describer.demo.limits import Limits
from describer.demo.visit import Talk
from tests.demo.fake import FakeDescriber
from tests.demo.served import Page

LIMITS = Limits(session_s=3600, away_s=600)


def rss_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.fixture
def visitor():
    """A session of a page with two states, as of the frame and of the talk: (holder, session, both ids)."""
    with gr.Blocks(analytics_enabled=False) as page:
        frame, talk = gr.State(None), gr.State(Talk())
    page.state_session_capacity = 10
    holder = StateHolder()
    holder.set_blocks(page)
    session = holder["one"]
    session[talk._id] = Talk(questions=("What?",))
    return holder, session, frame._id


@pytest.mark.parametrize(
    ("left", "holds", "after_s", "gone"),
    [
        (True, False, 1, False),
        (True, False, 5, True),
        (True, True, 300, False),
        (True, True, 700, True),
        (False, True, 700, False),
        (False, False, 3500, False),
        (False, True, 3700, True),
    ],
)
def test_who_left_is_forgotten_sooner_with_nothing_open_and_who_is_there_is_not(visitor, left, holds, after_s, gone):
    holder, session, frame = visitor
    session.is_closed = left
    session[frame] = np.zeros(3) if holds else None
    now = datetime.now() + timedelta(seconds=after_s)
    assert house.forget(holder, LIMITS, now) == int(gone)
    assert ("one" in holder, "one" in holder.time_last_used) == (not gone, not gone)


def test_nothing_of_a_client_stays_after_it_left(monkeypatch, tmp_path):
    monkeypatch.setattr(house, "_IDLE_S", 0.1)
    monkeypatch.setattr(house, "_EVERY_S", 0.05)
    monkeypatch.setenv("GRADIO_HEARTBEAT_INTERVAL", "0.1")
    Image.fromarray(np.full((96, 128, 3), 90, np.uint8)).save(tmp_path / "a.png")
    with Page(FakeDescriber) as page:
        client = Client(page.url, verbose=False)
        client.predict(handle_file(tmp_path / "a.png"), api_name="/annotate")
        assert list(page.app.state_holder.session_data)
        client.close()
        until_s = time.monotonic() + 20
        while page.app.state_holder.session_data and time.monotonic() < until_s:
            time.sleep(0.02)
        assert not page.app.state_holder.session_data


@pytest.mark.skipif(sys.platform != "linux" or not house._glibc("malloc_trim"), reason="not glibc")
def test_freed_memory_goes_back():
    # Many small ones are kept by the allocator when all but the last are freed.
    pieces = [bytes(4000) for _ in range(20_000)]
    last = pieces[-1]
    full_mib = rss_mib()
    del pieces
    house.give_back()
    assert rss_mib() < full_mib - 40 and len(last) == 4000
