"""The Video tab's events: a clip is described bit by bit, scrubbed through and taken along."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from describer.demo import clip, keep
from describer.demo.clip import Clip
from describer.demo.events import BROKEN, Answered, Settings, friendly, said
from describer.demo.limits import remove, take_video, tidy_name
from describer.demo.models import Models
from describer.errors import DescriberError, InputError
from describer.export.subtitles import to_srt, to_vtt

_log = logging.getLogger(__name__)

_SLOWEST_FPS, _FASTEST_FPS = 0.1, 30.0


@dataclass(frozen=True)
class ClipParts:
    """The components that these handlers write to."""

    clip: Any
    timeline: Any
    still: Any
    message: Any
    files: Any


def _needed(shown: Clip | None) -> Clip:
    if shown is None or not shown.annotations:
        raise InputError("there is no clip here any more; drop it again.")
    return shown


class ClipEvents:
    """``seek``, ``stop`` and ``take`` are quick, ``video`` goes on for as long as the clip needs."""

    def __init__(self, models: Models, settings: Settings, parts: ClipParts) -> None:
        self.models = models
        self.settings = settings
        self.parts = parts

    def video(self, shown: Clip | None, event: gr.EventData) -> Iterator[Answered]:
        name = tidy_name(event._data.get("name"))
        path: Path | None = None
        try:
            path = take_video(event._data.get("path"), name, self.settings.uploads)
            fps = min(max(float(event._data.get("fps", 1.0)), _SLOWEST_FPS), _FASTEST_FPS)
            for state in clip.annotate_clip(self.models.use, path, name, fps, self.settings.limits):
                yield {**self._shown(state), self.parts.message: said("", "")}
        except DescriberError as error:
            yield {self.parts.timeline: None, self.parts.message: said("error", str(error))}
        except Exception:  # the outermost edge, as in `friendly`
            _log.exception("a clip failed")
            yield {self.parts.timeline: None, self.parts.message: said("error", BROKEN)}
        finally:
            if path is not None:
                remove(path)

    def _shown(self, state: Clip) -> Answered:
        return {self.parts.clip: state, self.parts.timeline: clip.timeline_of(state)}

    def stop(self, shown: Clip | None, event: gr.EventData) -> Answered:
        """What is done stays; Gradio has ended the run."""
        if shown is None or not shown.annotations:
            return {self.parts.timeline: None}
        rest = shown.total - len(shown.annotations)
        note = f"Stopped; {rest} frames are left out." if rest > 0 else shown.note
        return {self.parts.timeline: {**clip.timeline_of(shown), "finished": True, "note": note}}

    @friendly
    def seek(self, shown: Clip | None, event: gr.EventData) -> Answered:
        index = int(event._data.get("index", 0))
        return {self.parts.still: clip.frame_of(_needed(shown), index, self.models.taxonomy)}

    @friendly
    def take(self, shown: Clip | None, event: gr.EventData) -> Answered:
        made, kind = _needed(shown).annotations, str(event._data.get("kind"))
        texts = {
            "srt": (".srt", "text/plain", lambda: to_srt(made)),
            "vtt": (".vtt", "text/vtt", lambda: to_vtt(made)),
            "native": (".jsonl", "application/json", lambda: keep.native_text(made)),
            "coco": (".coco.json", "application/json", lambda: keep.coco_text(made, self.models.taxonomy)),
        }
        if kind not in texts:
            raise InputError(f"there is no file of kind {kind[:20]!r}; choose one of {', '.join(texts)}.")
        suffix, media, write = texts[kind]
        name = f"{Path(_needed(shown).name).stem or 'clip'}{suffix}"
        return {self.parts.files: {"name": name, "text": write(), "type": media, "at": time.monotonic_ns()}}
