"""The page in a real browser: drop, read, ask, correct, download; nothing from elsewhere, nothing run from a text.

Needs Debian's chromium (or CHROMIUM=/path/to/it) and playwright; skipped where one of them is missing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from describer.bench_demo import seconds_to_first_region
from describer.pipeline import Describer
from tests.demo.fake import FakeDescriber
from tests.demo.served import Page
from tests.tiny import save_tiny_scene_model

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")

EXAMPLE = Path(__file__).parent.parent.parent / "examples/suction.jpg"
WAIT_MS = 60_000
MARKUP = '<img src=x onerror="window.harmed=1"> a liver'


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


class Visitor:
    """A tab of the page, with what it asked of other servers and what went wrong in it."""

    def __init__(self, browser, served: Page, **device) -> None:
        device = {"viewport": {"width": 1280, "height": 900}} | device
        self.tab = browser.new_context(accept_downloads=True, **device).new_page()
        self.tab.set_default_timeout(WAIT_MS)
        self.elsewhere: list[str] = []
        self.faults: list[str] = []
        self.tab.on("pageerror", lambda error: self.faults.append(str(error)))
        self.tab.on("request", lambda request: self._note(request.url, served.url))
        self.tab.goto(served.url)
        self.tab.wait_for_selector("#frame .drop-zone")

    def _note(self, address: str, own: str) -> None:
        if not address.startswith((own, "data:", "blob:")):
            self.elsewhere.append(address)

    def drop(self, path: Path) -> None:
        before = self.tab.locator("#frame .frame-holder").get_attribute("data-frame")
        self.tab.set_input_files("#frame .drop-zone input", path)
        self.tab.locator(f"#frame .frame-holder:not([data-frame='{before or ''}'])").wait_for()
        self.tab.wait_for_selector("#frame .mark")

    def took(self, button: str) -> str:
        with self.tab.expect_download() as download:
            self.tab.click(button)
        return Path(download.value.path()).read_text(encoding="utf-8")


def test_drop_read_ask_correct_and_download(browser, tmp_path):
    model = str(save_tiny_scene_model(tmp_path / "model"))
    with Page(lambda: Describer(scene_model=model, vlm="echo", device="cpu"), save_to=tmp_path / "kept") as served:
        visitor = Visitor(browser, served)
        tab = visitor.tab
        visitor.drop(EXAMPLE)
        regions = tab.locator("#panel .regions li")
        assert regions.count() == tab.locator("#frame .mark").count() >= 1

        tab.locator("#frame .number").first.wait_for()
        tab.locator("#frame .mark").last.focus()
        tab.keyboard.press("Enter")
        opened = tab.locator("#panel li:has(button[aria-expanded=true])")
        number = opened.get_attribute("data-region")
        assert len(opened.locator(".body > p").inner_text()) > 10
        assert "The label" in opened.locator("dl").inner_text()

        tab.fill("#question", "Which instruments are in view?")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#talk .turn small")
        assert tab.locator("#talk .answer").inner_text().strip()

        opened.locator(".correct > summary").click()
        opened.locator("input[list]").fill("clip applier")
        opened.locator("button", has_text="Rename").click()
        tab.locator(f'#panel li[data-region="{number}"] .name', has_text="clip applier").wait_for()
        record = json.loads(visitor.took("#download-native"))
        named = {str(region["id"]): region["label"] for region in record["scene"]["regions"]}
        assert named[number] == "clip applier" and record["frame"]["source"] == "suction.jpg"
        assert json.loads(visitor.took("#download-coco"))["images"][0]["width"] == 960

        tab.click("#save-training")
        tab.locator(".message.done").wait_for()
        assert "clip applier" in (tmp_path / "kept/annotations.jsonl").read_text(encoding="utf-8")
        assert [path for path in served.uploads.rglob("*") if path.is_file()] == []
        assert (visitor.elsewhere, visitor.faults) == ([], [])


@pytest.fixture(scope="module")
def fake_page():
    with Page(lambda: FakeDescriber(answer=MARKUP)) as served:
        yield served


@pytest.fixture(scope="module")
def visitor(browser, fake_page):
    return Visitor(browser, fake_page)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [("notes.png", b"just text", "notes.png: the content is not a picture"), ("<b>x</b>.png", b"", "<b>x</b>.png: ")],
)
def test_a_bad_file_is_told_as_text_under_its_own_name(visitor, name, data, says):
    file = {"name": name, "mimeType": "image/png", "buffer": data}
    visitor.tab.set_input_files("#frame .drop-zone input", [file])
    shown = visitor.tab.locator(".message.error", has_text=says.split("/")[-1][-20:])
    shown.wait_for()
    assert shown.locator("b").count() == 0
    assert shown.evaluate("node => node.getBoundingClientRect().bottom <= innerHeight")
    shown.locator("button").click()
    shown.wait_for(state="hidden")


def test_markup_in_an_answer_or_a_sentence_is_shown_as_text(visitor):
    tab = visitor.tab
    visitor.drop(EXAMPLE)
    tab.fill("#question", "<b>What</b> is held?")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#talk .turn small")
    assert MARKUP in tab.locator("#talk .answer").inner_text()
    assert tab.locator("#talk .question").inner_text() == "<b>What</b> is held?"
    tab.locator("#panel .edit > summary").first.click()
    tab.locator("#panel .edit textarea").first.fill(MARKUP)
    tab.locator("#panel .edit button", has_text="Keep").first.click()
    tab.locator("#panel .summary", has_text="onerror").wait_for()
    assert tab.evaluate("window.harmed") is None and tab.locator("#panel .summary img").count() == 0


def test_a_mark_by_hand_with_the_keyboard_alone_becomes_a_region(visitor):
    tab = visitor.tab
    visitor.drop(EXAMPLE)
    before = tab.locator("#frame .mark").count()
    tab.locator("[data-tool=box]").focus()
    tab.keyboard.press("Enter")
    tab.locator("#frame svg.stage").focus()
    for key in ("Shift+ArrowUp",) * 4 + ("Shift+ArrowLeft",) * 4 + ("Enter", "Shift+ArrowDown", "ArrowRight", "Enter"):
        tab.keyboard.press(key)
    tab.locator(f"#frame .mark >> nth={before}").wait_for()
    assert "marked by hand" in tab.locator("#panel li:has(button[aria-expanded=true]) dl").inner_text()


def test_the_hint_says_how_to_use_the_tool_in_hand(visitor):
    tab = visitor.tab
    visitor.drop(EXAMPLE)
    for tool, says in (("point", "Click what you mean"), ("paint", "Paint over"), ("look", "Point at a region")):
        tab.click(f"[data-tool={tool}]")
        assert tab.locator("#caption .hint").inner_text().startswith(says)


def test_on_a_phone_a_region_opens_under_the_thumb_and_nothing_runs_over_the_edge(browser, fake_page):
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "color_scheme": "dark"}
    visitor = Visitor(browser, fake_page, **phone)
    tab = visitor.tab
    visitor.drop(EXAMPLE)
    row = tab.locator("#panel .region-row").last
    # Under a mouse, which hovers where a finger does not, the rows must keep their place too, however long the text.
    tab.evaluate("describer.view.regions.forEach(region => (region.text = 'long words '.repeat(40)))")
    row.hover()
    row.click()
    assert row.get_attribute("aria-expanded") == "true"
    row.tap()
    assert row.get_attribute("aria-expanded") == "false"
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    parts = ("[role=tab]", "#frame button", "#panel button:not(.mention)", "#talk button:not(.mention)")
    low = tab.locator(", ".join(f"{part}:visible" for part in parts))
    assert min(low.evaluate_all("nodes => nodes.map(node => node.getBoundingClientRect().height)")) >= 38


def test_hovering_a_mention_lights_its_region_alone(visitor):
    tab = visitor.tab
    visitor.drop(EXAMPLE)
    tab.locator("#panel .summary .mention", has_text="liver").hover()
    assert tab.locator("#frame .mark.lit").get_attribute("data-region") == "2"
    assert tab.locator("#panel li.lit").get_attribute("data-region") == "2"
    assert tab.locator("#panel .summary .ungrounded").inner_text().startswith("hook")


def test_a_clip_gets_its_timeline_and_its_subtitles_and_an_empty_one_a_message(visitor, tmp_path):
    tab = visitor.tab
    film = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 2, (160, 128))
    for i in range(6):
        film.write(np.full((128, 160, 3), 40 * i, np.uint8))
    film.release()
    tab.get_by_role("tab", name="Video").click()
    empty = {"name": "empty.mp4", "mimeType": "video/mp4", "buffer": b""}
    tab.set_input_files("#clip .drop-zone input", [empty])
    tab.locator(".message.error", has_text="empty").wait_for()
    tab.set_input_files("#clip .drop-zone input", tmp_path / "film.avi")
    tab.locator("#clip .progress").wait_for(state="hidden")
    tab.locator("#clip .track .title", has_text="grasper #1").wait_for()
    assert re.match(r"1\n00:00:00,000 --> 00:00:03,000\nRetraction\n", visitor.took("#clip-srt"))
    assert len(visitor.took("#clip-native").splitlines()) == 3
    tab.locator("#scrub").focus()
    tab.keyboard.press("End")
    tab.locator("#clip output", has_text="0:02.0").wait_for()
    assert (visitor.elsewhere, visitor.faults) == ([], [])


def test_the_bench_drops_frames_and_times_each_until_its_regions_are_lit(fake_page):
    # In a thread of its own: playwright's browser of this module holds this one.
    with ThreadPoolExecutor(1) as other:
        taken_s = other.submit(seconds_to_first_region, fake_page.url, [EXAMPLE], 2).result()
    assert len(taken_s) == 2 and all(0 < seconds < WAIT_MS / 1000 for seconds in taken_s)
