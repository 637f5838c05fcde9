"""The page is served before anything heavy is imported, and what was left out is there when it is asked for."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path

import gradio as gr
import pytest
from gradio.routes import App

from describer.demo.quick import Later, built_once, quick_start

HEAVY = ("torch", "transformers", "pandas", "matplotlib", "peft", "sentence_transformers", "evaluate", "datasets")
SERVE = f"""
import json, sys, urllib.request
from gradio_client import Client, handle_file
from describer.demo.serve import Options, serve
from tests.demo.fake import FakeDescriber
from tests.demo.served import free_port
app, url = serve(FakeDescriber, Options(port=free_port()), lambda _: None, block=False)
page = urllib.request.urlopen(url).read().decode()
assert Client(url, verbose=False).predict(handle_file(sys.argv[1]), api_name="/annotate")["scene"]
early = [name for name in {HEAVY} if name in sys.modules]
import gradio, pandas
from gradio.caching import cache_hash
gradio.Dataframe(pandas.DataFrame({{"a": [1]}}))
print(json.dumps([early, "describer.frame" in page, type(pandas).__name__, cache_hash(pandas.Series([1]))]))
app.close(verbose=False)
"""


def test_the_page_and_a_frame_are_served_before_any_heavy_library_is_imported():
    example = Path(__file__).parents[2] / "demo/examples/suction.jpg"
    out = subprocess.run([sys.executable, "-c", SERVE, example], capture_output=True, text=True, timeout=60, check=True)
    early, served, kind, hashed = json.loads(out.stdout.splitlines()[-1])
    assert early == []
    assert (served, kind, len(hashed)) == (True, "module", 64)


def test_a_module_left_for_later_is_imported_when_it_is_asked_for(monkeypatch):
    stand_in = Later("colorsys")
    monkeypatch.setitem(sys.modules, "colorsys", stand_in)
    import colorsys

    assert colorsys is stand_in
    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)
    assert sys.modules["colorsys"] is not stand_in and sys.modules["colorsys"].rgb_to_hsv is colorsys.rgb_to_hsv


def test_the_collector_and_the_import_system_are_as_before():
    before = (gc.isenabled(), list(sys.meta_path), App.create_app)
    with pytest.raises(RuntimeError), quick_start(), built_once():
        assert not gc.isenabled()
        raise RuntimeError
    assert (gc.isenabled(), list(sys.meta_path), App.create_app) == before


def test_routes_are_made_once_while_a_page_is_built_and_those_of_launching_are_its_own():
    with built_once():
        with gr.Blocks(analytics_enabled=False) as page:
            gr.Textbox()
        first = page.app
        page.queue(max_size=3)
        assert page.app is first
    page.queue(max_size=3)
    assert page.app is not first
