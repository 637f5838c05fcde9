"""The crowd that is let in: it counts what it met, and its pictures are nobody else's."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from PIL import Image

from describer.bench_demo import _marked, seconds_to_first_region, visit_at_once
from describer.errors import InputError
from describer.frames import as_frame
from tests.demo.fake import FakeDescriber
from tests.demo.served import Page


@pytest.fixture
def pictures(tmp_path):
    Image.fromarray(np.full((96, 128, 3), 90, np.uint8)).save(tmp_path / "a.png")
    return [tmp_path / "a.png"]


def test_every_picture_sent_is_another_and_its_hash_is_that_of_its_pixels(pictures, tmp_path):
    sent = [_marked(pictures[0], number, turn, tmp_path) for number in range(3) for turn in range(3)]
    assert len({sha256 for _, sha256 in sent}) == 9
    assert [as_frame(path).ref.sha256 for path, _ in sent] == [sha256 for _, sha256 in sent]


def test_a_crowd_meets_no_error_and_counts_what_it_did(pictures, monkeypatch):
    monkeypatch.setenv("GRADIO_HEARTBEAT_INTERVAL", "0.1")
    with Page(FakeDescriber) as page:
        report = visit_at_once(page.url, pictures, visitors=3, seconds=0.5, server_pid=os.getpid(), settle_s=0)
    assert (report.errors, report.mixed_up) == ((), 0)
    assert report.frames >= 3 and report.median_wait_s > 0
    assert report.memory_peak_mib is None or report.memory_peak_mib > 0


def test_a_page_that_is_not_there_is_named(pictures):
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9 cannot be visited"):
        visit_at_once("http://127.0.0.1:9", pictures, visitors=1, seconds=0.1)


def test_drops_without_playwright_say_what_to_install(pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(InputError, match=r"pip install 'describer\[browser\]'"):
        seconds_to_first_region("http://127.0.0.1:9", pictures, 1)
