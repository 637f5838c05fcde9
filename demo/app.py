"""The page: its layout, and which event goes where.

The parts are HTML components with a few scripts of our own (page/*.js): frame, list and sentences light each other up
without asking the server, and every text is put in as text.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from describer.demo.api import Endpoints
from describer.demo.clip_events import ClipEvents, ClipParts
from describer.demo.events import FrameEvents, Parts, Settings, examples
from describer.demo.models import Models
from describer.demo.view import jpeg_uri
from describer.demo.visit import Talk

NOTICE = "For research and annotation, not for clinical decisions."
_SCRIPTS = ("dom.js", "stage.js", "frame.js", "panel.js", "talk.js", "clip.js")
_MODELS, _CLIPS = "models", "clips"


def _page(name: str) -> str:
    return resources.files("describer.demo").joinpath("page", name).read_text(encoding="utf-8")


def head() -> str:
    """What goes into the page's head: our scripts, inline, so that nothing is fetched from anywhere else."""
    return "".join(f"<script>{_page(name)}</script>" for name in _SCRIPTS)


def css() -> str:
    """The page's style sheet."""
    return _page("page.css")


def theme() -> Any:
    """Fonts of the visitor's own machine: the default theme would fetch them from the network."""
    words = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
    return gr.themes.Base(font=words, font_mono=("ui-monospace", "Consolas", "monospace"), primary_hue="blue")


def _part(name: str, events: tuple[str, ...] = (), **options: Any) -> Any:
    """An HTML component drawn by ``window.describer.NAME``; Gradio finds its events' names in the script."""
    script = f"describer.{name}(element, {{props, watch, trigger, upload}}); // {', '.join(map(repr, events))}"
    return gr.HTML(None, html_template="", js_on_load=script, elem_id=name, apply_default_css=False, **options)


def _thumbnails() -> list[dict[str, str]]:
    return [{"name": path.stem.replace("-", " "), "thumbnail": _thumbnail(path)} for path in examples()]


def _thumbnail(path: Path) -> str:
    """A JPEG file made small while it is decoded, which takes a sixth of the time: the page waits for it."""
    small = io.BytesIO()
    with Image.open(path) as picture:
        picture.thumbnail((216, 216))
        picture.save(small, "JPEG", quality=88)
    return jpeg_uri(small.getvalue())


def build_app(models: Models, settings: Settings) -> gr.Blocks:
    """The page over ``models``, which may still be loading."""
    with gr.Blocks(title="describer", analytics_enabled=False, fill_width=True) as app:
        with gr.Row(elem_id="top"):
            gr.HTML(f"<h1>describer</h1><p>{NOTICE}</p>", elem_id="title", apply_default_css=False)
            status = _part("status")
        message, files = _part("messages"), _part("files")
        with gr.Tabs():
            with gr.Tab("Frame", elem_id="frame-tab"):
                _frame_tab(models, settings, message, files)
            with gr.Tab("Video", elem_id="clip-tab"):
                _clip_tab(models, settings, message, files)

        async def loading() -> AsyncIterator[dict[str, object]]:
            """How loading goes, until it has ended."""
            while (now := models.status())["state"] == "loading":
                yield now
                await asyncio.sleep(0.5)
            yield now

        app.load(loading, None, [status], **_quick())
        endpoints = Endpoints(models, settings)
        for endpoint in (endpoints.annotate, endpoints.answer):
            gr.api(endpoint, api_name=endpoint.__name__, **_slow(settings, _MODELS))
    return app


def _slow(settings: Settings, group: str) -> dict[str, Any]:
    """Events that need the models wait in a queue; a clip, which takes turns with frames, in one of its own."""
    return {"concurrency_limit": settings.concurrency, "concurrency_id": group}


def _quick() -> dict[str, Any]:
    return {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}


def _frame_tab(models: Models, settings: Settings, message: Any, files: Any) -> None:
    limits = settings.limits
    visit, so_far = (gr.State(value, time_to_live=limits.session_s) for value in (None, Talk()))
    picture = _part("picture")
    with gr.Row(elem_id="screen"):
        with gr.Column(scale=3, min_width=300):
            frame = _part("frame", ("drop", "example", "mark"), examples=_thumbnails(), upload_mb=limits.upload_mb)
        with gr.Column(scale=2, min_width=300, elem_id="side"):
            corrections = ("rename", "delete", "merge", "edit")
            saving = settings.save_to is not None
            panel = _part("panel", (*corrections, "again", "download", "save"), saving=saving)
            chat = _part("talk", ("ask",), question_chars=limits.question_chars)

    do = FrameEvents(models, settings, Parts(visit, so_far, picture, frame, chat, message, files))
    slow = {"api_visibility": "private", **_slow(settings, _MODELS)}
    changed = [visit, frame, message]
    for name in ("drop", "example"):
        getattr(frame, name)(
            getattr(do, name), [visit], [*changed, picture, so_far, chat], show_progress_on=frame, **slow
        )
    frame.mark(do.mark, [visit], changed, show_progress_on=frame, **slow)
    panel.again(do.again, [visit], changed, show_progress_on=frame, **slow)
    chat.ask(do.ask, [visit, so_far], [so_far, chat, message], show_progress="minimal", **slow)
    for name in corrections:
        getattr(panel, name)(getattr(do, name), [visit], changed, **_quick())
    panel.download(do.download, [visit], [files, message], **_quick())
    panel.save(do.save, [visit], [message], **_quick())


def _clip_tab(models: Models, settings: Settings, message: Any, files: Any) -> None:
    shown = gr.State(None, time_to_live=settings.limits.session_s)
    still = _part("still")
    clip = _part("clip", ("video", "seek", "stop", "take"), upload_mb=settings.limits.upload_mb)
    do = ClipEvents(models, settings, ClipParts(shown, clip, still, message, files))
    slow = {"api_visibility": "private", **_slow(settings, _CLIPS)}
    run = clip.video(do.video, [shown], [shown, clip, message], show_progress="minimal", **slow)
    clip.stop(do.stop, [shown], [clip], cancels=[run], **_quick())
    clip.seek(do.seek, [shown], [still, message], trigger_mode="always_last", **_quick())
    clip.take(do.take, [shown], [files, message], **_quick())
