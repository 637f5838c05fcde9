"""What the page does when a visitor acts: the glue between Gradio's events and the handlers that know no Gradio.

Nothing of any visitor is kept here; it all lives in the visitor's own session state.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr

from describer.demo import correct, keep, look, talk
from describer.demo.limits import Limits, take_picture, tidy_name
from describer.demo.models import Models
from describer.demo.view import data_uri, depth_uri, view_of
from describer.demo.visit import Talk, Visit
from describer.errors import DescriberError, InputError
from describer.pictures import read_image

_log = logging.getLogger(__name__)

BROKEN = "That went wrong here, not at your side; the log of the demo says more."


@dataclass(frozen=True)
class Settings:
    """``uploads`` is the folder that uploads lie in, ``save_to`` the one that annotations may be saved to."""

    uploads: Path
    save_to: Path | None = None
    limits: Limits = field(default_factory=Limits)
    concurrency: int = 1


def examples() -> list[Path]:
    """The example frames that ship with the page."""
    folder = Path(str(resources.files("describer.demo").joinpath("examples")))
    return sorted(folder.glob("*.jpg"))


@dataclass(frozen=True)
class Parts:
    """The components that handlers write to."""

    visit: Any
    talk: Any
    picture: Any
    frame: Any
    chat: Any
    message: Any
    files: Any


def said(kind: str, text: str) -> dict[str, Any]:
    # The count makes every message a new value, so that the same words twice are shown twice.
    return {"kind": kind, "text": text, "at": time.monotonic_ns()}


Answered = dict[Any, Any]


def friendly(handler: Callable[..., Answered]) -> Callable[..., Answered]:
    """Errors that a visitor can mend become one line on the page."""

    @functools.wraps(handler)
    def answer(self: FrameEvents, visit: Visit | None, event: gr.EventData) -> Answered:
        try:
            return handler(self, visit, event)
        except DescriberError as error:
            return {self.parts.message: said("error", str(error))}
        except Exception:  # the outermost edge: the page waits for an answer
            _log.exception("an event of the page failed")
            return {self.parts.message: said("error", BROKEN)}

    return answer


def needed(visit: Visit | None) -> Visit:
    if visit is None:
        raise InputError("there is no frame here any more; drop it again.")
    return visit


class FrameEvents:
    """The glue between Gradio's events and the handlers; it keeps nothing of any visitor."""

    def __init__(self, models: Models, settings: Settings, parts: Parts) -> None:
        self.models = models
        self.settings = settings
        self.parts = parts

    @friendly
    def drop(self, visit: Visit | None, event: gr.EventData) -> Answered:
        name = tidy_name(event._data.get("name"))
        image = take_picture(event._data.get("path"), name, self.settings.uploads, self.settings.limits)
        return self._look(image, name)

    @friendly
    def example(self, visit: Visit | None, event: gr.EventData) -> Answered:
        paths = examples()
        path = paths[int(event._data.get("index", 0)) % len(paths)]
        return self._look(read_image(path), path.name)

    def _look(self, image: Any, name: str) -> Answered:
        with self.models.use() as describer:
            visit = look.look_at(describer, image, name)
            examples = talk.example_questions(visit.annotation.scene)
            depth = depth_uri(visit.annotation.scene.depth)
        key = str(time.monotonic_ns())
        visit, begun = replace(visit, key=key), Talk((), tuple(examples))
        return {
            self.parts.picture: {"key": key, "picture": data_uri(visit.frame.image), "depth": depth},
            **self._shown(visit),
            self.parts.talk: begun,
            self.parts.chat: begun.shown(),
            self.parts.message: said("", ""),
        }

    def _shown(self, visit: Visit, select: int | None = None) -> Answered:
        with_labels = self.models.taxonomy
        view = view_of(visit.annotation, with_labels, visit.notes)
        changes = len(visit.corrections)
        view |= {"key": visit.key, "select": select, "at": time.monotonic_ns()}
        view["corrected"] = f"{changes} correction{'s' * (changes != 1)}" if changes else ""
        return {self.parts.visit: visit, self.parts.frame: view, self.parts.message: said("", "")}

    @friendly
    def mark(self, visit: Visit | None, event: gr.EventData) -> Answered:
        with self.models.use() as describer:
            marked, region_id = look.mark(describer, needed(visit), event._data)
        return self._shown(marked, select=region_id)

    @friendly
    def again(self, visit: Visit | None, event: gr.EventData) -> Answered:
        with self.models.use() as describer:
            return self._shown(look.describe_again(describer, needed(visit)))

    def ask(self, visit: Visit | None, so_far: Talk, event: gr.EventData) -> Iterator[Answered]:
        chat, told = self.parts.chat, self.parts.message
        try:
            limits = self.settings.limits
            question = look.too_long(event._data.get("question", ""), limits.question_chars, "the question")
            region = event._data.get("region")
            yield {chat: so_far.shown(talk.pending(question))}
            with self.models.use() as describer:
                region_id = None if region is None else int(region)
                for heard in talk.ask_aloud(describer, needed(visit), question, region_id):
                    if isinstance(heard, str):
                        yield {chat: so_far.shown(talk.pending(question, heard))}
                    else:
                        turn = talk.turn_of(heard, needed(visit), describer.taxonomy)
            so_far = replace(so_far, turns=(*so_far.turns, turn)[-limits.turns :])
            yield {self.parts.talk: so_far, chat: so_far.shown(), told: said("", "")}
        except DescriberError as error:
            yield {chat: so_far.shown(), told: said("error", str(error))}
        except Exception:  # the outermost edge, as in `friendly`
            _log.exception("a question failed")
            yield {chat: so_far.shown(), told: said("error", BROKEN)}

    @friendly
    def rename(self, visit: Visit | None, event: gr.EventData) -> Answered:
        visit, region = needed(visit), int(event._data["region"])
        old = visit.annotation.scene.region(region).label
        changed = correct.rename(visit.annotation, region, str(event._data["label"]), self.models.taxonomy)
        new = changed.scene.region(region).label
        return self._shown(visit.corrected(changed, f"region {region} renamed from {old} to {new}"), select=region)

    @friendly
    def delete(self, visit: Visit | None, event: gr.EventData) -> Answered:
        visit, region = needed(visit), int(event._data["region"])
        label = visit.annotation.scene.region(region).label
        changed = correct.delete(visit.annotation, region, self.models.taxonomy)
        return self._shown(visit.corrected(changed, f"region {region} ({label}) deleted"))

    @friendly
    def merge(self, visit: Visit | None, event: gr.EventData) -> Answered:
        visit, kept, other = needed(visit), int(event._data["region"]), int(event._data["other"])
        changed = correct.merge(visit.annotation, kept, other, self.models.taxonomy)
        return self._shown(visit.corrected(changed, f"region {other} merged into {kept}"), select=kept)

    @friendly
    def edit(self, visit: Visit | None, event: gr.EventData) -> Answered:
        visit, region = needed(visit), event._data.get("region")
        region = None if region is None else int(region)
        text = look.too_long(event._data.get("text", ""), self.settings.limits.text_chars, "the sentence")
        changed = correct.rewrite(visit.annotation, region, text, self.models.taxonomy)
        what = "summary" if region is None else f"sentence of region {region}"
        visit = visit.corrected(changed, f"{what} edited")
        return self._shown(replace(visit, by_hand=visit.by_hand | {region}), select=region)

    @friendly
    def download(self, visit: Visit | None, event: gr.EventData) -> Answered:
        visit = needed(visit)
        stem = Path(visit.annotation.frame.source).stem or "frame"
        coco = event._data.get("kind") == "coco"
        text = (
            keep.coco_text([visit.annotation], self.models.taxonomy) if coco else keep.native_text([visit.annotation])
        )
        name = f"{stem}.coco.json" if coco else f"{stem}.json"
        file = {"name": name, "text": text, "type": "application/json", "at": time.monotonic_ns()}
        return {self.parts.files: file}

    @friendly
    def save(self, visit: Visit | None, event: gr.EventData) -> Answered:
        if self.settings.save_to is None:
            raise InputError("saving is off; start the demo with --save-to FOLDER.")
        name = keep.save_for_training(needed(visit), self.settings.save_to)
        return {self.parts.message: said("done", f"Saved as {name} in the folder for training.")}
