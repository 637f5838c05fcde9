"""The page: its layout, and which handler answers which event. What the handlers do is in the files beside this one.

The parts are HTML components with a few scripts of our own (page/*.js): frame, list and sentences light each other up
without asking the server, and every text is put in as text.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr

from describer.demo import correct, keep, look, talk
from describer.demo.limits import Limits, take_picture, tidy_name, uploaded
from describer.demo.models import Models
from describer.demo.view import data_uri, depth_uri, view_of
from describer.demo.visit import Visit
from describer.errors import DescriberError, InputError
from describer.pictures import read_image
from describer.records import to_dict

NOTICE = "For research and annotation, not for clinical decisions."
_SCRIPTS = ("dom.js", "stage.js", "frame.js", "panel.js", "talk.js")
_MODELS = "models"
_SESSION_S = 3600


@dataclass(frozen=True)
class Settings:
    """``uploads`` is the folder that uploads lie in, ``save_to`` the one that annotations may be saved to."""

    uploads: Path
    save_to: Path | None = None
    limits: Limits = field(default_factory=Limits)
    concurrency: int = 1


def _page(name: str) -> str:
    return resources.files("describer.demo").joinpath("page", name).read_text(encoding="utf-8")


def head() -> str:
    """What goes into the page's head: our scripts, inline, so that nothing is fetched from anywhere else."""
    return "".join(f"<script>{_page(name)}</script>" for name in _SCRIPTS)


def css() -> str:
    return _page("page.css")


def theme() -> Any:
    """Fonts of the visitor's own machine: the default theme would fetch them from the network."""
    words = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
    return gr.themes.Base(font=words, font_mono=("ui-monospace", "Consolas", "monospace"), primary_hue="blue")


def _part(name: str, events: tuple[str, ...] = (), **options: Any) -> Any:
    """An HTML component drawn by ``window.describer.NAME``; Gradio finds its events' names in the script."""
    script = f"describer.{name}(element, {{props, watch, trigger, upload}}); // {', '.join(map(repr, events))}"
    return gr.HTML(None, html_template="", js_on_load=script, elem_id=name, apply_default_css=False, **options)


def _examples() -> list[Path]:
    folder = Path(str(resources.files("describer.demo").joinpath("examples")))
    return sorted(folder.glob("*.jpg"))


def _thumbnails() -> list[dict[str, str]]:
    return [{"name": path.stem.replace("-", " "), "thumbnail": data_uri(read_image(path), 144)} for path in _examples()]


def build_app(models: Models, settings: Settings) -> gr.Blocks:
    """The page over ``models``, which may still be loading."""
    limits = settings.limits
    with gr.Blocks(title="describer", analytics_enabled=False, fill_width=True) as app:
        visit = gr.State(None, time_to_live=_SESSION_S)
        with gr.Row(elem_id="top"):
            gr.HTML(f"<h1>describer</h1><p>{NOTICE}</p>", elem_id="title", apply_default_css=False)
            status = _part("status")
        message = _part("messages")
        picture, files = _part("picture"), _part("files")
        with gr.Row(elem_id="screen"):
            with gr.Column(scale=3, min_width=300):
                frame = _part("frame", ("drop", "example", "mark"), examples=_thumbnails(), upload_mb=limits.upload_mb)
            with gr.Column(scale=2, min_width=300, elem_id="side"):
                panel = _part(
                    "panel",
                    ("rename", "delete", "merge", "edit", "again", "download", "save"),
                    saving=settings.save_to is not None,
                )
                chat = _part("talk", ("ask",), question_chars=limits.question_chars)

        parts = _Parts(visit, picture, frame, chat, message, files)
        page = _Page(models, settings, parts)
        shown = [visit, picture, frame, chat, message]
        slow = {"concurrency_limit": settings.concurrency, "concurrency_id": _MODELS, "api_visibility": "private"}
        quick = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
        for event, handler in ((frame.drop, page.drop), (frame.example, page.example)):
            event(handler, [visit], shown, show_progress_on=frame, **slow)
        frame.mark(page.mark, [visit], [visit, frame, message], show_progress_on=frame, **slow)
        panel.again(page.again, [visit], [visit, frame, message], show_progress_on=frame, **slow)
        chat.ask(page.ask, [visit], [visit, chat, message], show_progress="minimal", **slow)
        for event, handler in (
            (panel.rename, page.rename),
            (panel.delete, page.delete),
            (panel.merge, page.merge),
            (panel.edit, page.edit),
        ):
            event(handler, [visit], [visit, frame, message], **quick)
        panel.download(page.download, [visit], [files, message], **quick)
        panel.save(page.save, [visit], [message], **quick)
        app.load(page.status, None, [status], **quick)
        for endpoint in (page.annotate, page.answer):
            gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=settings.concurrency, concurrency_id=_MODELS)
    return app


@dataclass(frozen=True)
class _Parts:
    """The components that handlers write to."""

    visit: Any
    picture: Any
    frame: Any
    chat: Any
    message: Any
    files: Any


def _said(kind: str, text: str) -> dict[str, Any]:
    # The count makes every message a new value, so that the same words twice are shown twice.
    return {"kind": kind, "text": text, "at": time.monotonic_ns()}


Answered = dict[Any, Any]


def _friendly(handler: Callable[..., Answered]) -> Callable[..., Answered]:
    """Errors that a visitor can mend become one line on the page."""

    @functools.wraps(handler)
    def answer(self: _Page, visit: Visit | None, event: gr.EventData) -> Answered:
        try:
            return handler(self, visit, event)
        except DescriberError as error:
            return {self.parts.message: _said("error", str(error))}

    return answer


def _needed(visit: Visit | None) -> Visit:
    if visit is None:
        raise InputError("there is no frame here any more; drop it again.")
    return visit


class _Page:
    """The glue between Gradio's events and the handlers; it keeps nothing of any visitor."""

    def __init__(self, models: Models, settings: Settings, parts: _Parts) -> None:
        self.models = models
        self.settings = settings
        self.parts = parts

    async def status(self) -> AsyncIterator[dict[str, object]]:
        """How loading goes, until it has ended."""
        while True:
            now = self.models.status()
            yield now
            if now["state"] != "loading":
                return
            await asyncio.sleep(0.5)

    @_friendly
    def drop(self, visit: Visit | None, event: gr.EventData) -> Answered:
        name = tidy_name(event._data.get("name"))
        image = take_picture(event._data.get("path"), name, self.settings.uploads, self.settings.limits)
        return self._look(image, name)

    @_friendly
    def example(self, visit: Visit | None, event: gr.EventData) -> Answered:
        paths = _examples()
        path = paths[int(event._data.get("index", 0)) % len(paths)]
        return self._look(read_image(path), path.name)

    def _look(self, image: Any, name: str) -> Answered:
        with self.models.use() as describer:
            visit = look.look_at(describer, image, name)
            examples = talk.example_questions(visit.annotation.scene)
            depth = depth_uri(visit.annotation.scene.depth)
        key = str(time.monotonic_ns())
        visit = replace(visit, key=key, questions=tuple(examples))
        return {
            self.parts.picture: {"key": key, "picture": data_uri(visit.frame.image), "depth": depth},
            **self._shown(visit),
            self.parts.chat: self._talk(visit),
            self.parts.message: _said("", ""),
        }

    def _shown(self, visit: Visit, select: int | None = None) -> Answered:
        with_labels = self.models.taxonomy
        view = view_of(visit.annotation, with_labels, visit.notes)
        changes = len(visit.corrections)
        view |= {"key": visit.key, "select": select, "at": time.monotonic_ns()}
        view["corrected"] = f"{changes} correction{'s' * (changes != 1)}" if changes else ""
        return {self.parts.visit: visit, self.parts.frame: view, self.parts.message: _said("", "")}

    @staticmethod
    def _talk(visit: Visit, *more: Any) -> dict[str, Any]:
        return {"turns": [*visit.turns, *more], "examples": list(visit.questions)}

    @_friendly
    def mark(self, visit: Visit | None, event: gr.EventData) -> Answered:
        with self.models.use() as describer:
            marked, region_id = look.mark(describer, _needed(visit), event._data)
        return self._shown(marked, select=region_id)

    @_friendly
    def again(self, visit: Visit | None, event: gr.EventData) -> Answered:
        with self.models.use() as describer:
            return self._shown(look.describe_again(describer, _needed(visit)))

    def ask(self, visit: Visit | None, event: gr.EventData) -> Iterator[Answered]:
        try:
            visit, limits = _needed(visit), self.settings.limits
            question = look.too_long(event._data.get("question", ""), limits.question_chars, "the question")
            region = event._data.get("region")
            yield {self.parts.chat: self._talk(visit, talk.pending(question))}
            with self.models.use() as describer:
                answer = talk.ask(describer, visit, question, None if region is None else int(region))
                turn = talk.turn_of(answer, visit, describer.taxonomy)
            visit = replace(visit, turns=(*visit.turns, turn)[-limits.turns :])
            yield {self.parts.visit: visit, self.parts.chat: self._talk(visit), self.parts.message: _said("", "")}
        except DescriberError as error:
            shown = {self.parts.chat: self._talk(visit)} if visit else {}
            yield {**shown, self.parts.message: _said("error", str(error))}

    @_friendly
    def rename(self, visit: Visit | None, event: gr.EventData) -> Answered:
        visit, region = _needed(visit), int(event._data["region"])
        old = visit.annotation.scene.region(region).label
        changed = correct.rename(visit.annotation, region, str(event._data["label"]), self.models.taxonomy)
        new = changed.scene.region(region).label
        return self._shown(visit.corrected(changed, f"region {region} renamed from {old} to {new}"), select=region)

    @_friendly
    def delete(self, visit: Visit | None, event: gr.EventData) -> Answered:
        visit, region = _needed(visit), int(event._data["region"])
        label = visit.annotation.scene.region(region).label
        changed = correct.delete(visit.annotation, region, self.models.taxonomy)
        return self._shown(visit.corrected(changed, f"region {region} ({label}) deleted"))

    @_friendly
    def merge(self, visit: Visit | None, event: gr.EventData) -> Answered:
        visit, kept, other = _needed(visit), int(event._data["region"]), int(event._data["other"])
        changed = correct.merge(visit.annotation, kept, other, self.models.taxonomy)
        return self._shown(visit.corrected(changed, f"region {other} merged into {kept}"), select=kept)

    @_friendly
    def edit(self, visit: Visit | None, event: gr.EventData) -> Answered:
        visit, region = _needed(visit), event._data.get("region")
        region = None if region is None else int(region)
        text = look.too_long(event._data.get("text", ""), self.settings.limits.text_chars, "the sentence")
        changed = correct.rewrite(visit.annotation, region, text, self.models.taxonomy)
        what = "summary" if region is None else f"sentence of region {region}"
        visit = visit.corrected(changed, f"{what} edited")
        return self._shown(replace(visit, by_hand=visit.by_hand | {region}), select=region)

    @_friendly
    def download(self, visit: Visit | None, event: gr.EventData) -> Answered:
        visit = _needed(visit)
        stem = Path(visit.annotation.frame.source).stem or "frame"
        coco = event._data.get("kind") == "coco"
        text = (
            keep.coco_text([visit.annotation], self.models.taxonomy) if coco else keep.native_text([visit.annotation])
        )
        name = f"{stem}.coco.json" if coco else f"{stem}.json"
        file = {"name": name, "text": text, "type": "application/json", "at": time.monotonic_ns()}
        return {self.parts.files: file}

    @_friendly
    def save(self, visit: Visit | None, event: gr.EventData) -> Answered:
        if self.settings.save_to is None:
            raise InputError("saving is off; start the demo with --save-to FOLDER.")
        name = keep.save_for_training(_needed(visit), self.settings.save_to)
        return {self.parts.message: _said("done", f"Saved as {name} in the folder for training.")}

    def annotate(self, picture: dict) -> dict:
        """The record of a picture, as `describer annotate` writes it.

        from gradio_client import Client, handle_file
        Client("http://127.0.0.1:7860").predict(handle_file("frame.png"), api_name="/annotate")
        """
        image, name = self._sent(picture)
        with self.models.use() as describer:
            return to_dict(look.look_at(describer, image, name).annotation)

    def answer(self, picture: dict, question: str) -> dict:
        """The answer to a question about a picture, the regions it rests on and how sure the model is."""
        question = look.too_long(question, self.settings.limits.question_chars, "the question")
        image, name = self._sent(picture)
        with self.models.use() as describer:
            said = talk.ask(describer, look.look_at(describer, image, name), question)
        return {
            "question": said.question,
            "text": said.text,
            "region_ids": list(said.region_ids),
            "confidence": said.confidence,
            "abstained": said.abstained,
        }

    def _sent(self, picture: dict) -> tuple[Any, str]:
        """A client's upload; it stays for the sweeper, since clients do not give each upload a name of its own."""
        file = uploaded(picture.get("path") if isinstance(picture, dict) else picture, self.settings.uploads)
        name = tidy_name(picture.get("orig_name") or file.name)
        return take_picture(file, name, self.settings.uploads, self.settings.limits, once=False), name
