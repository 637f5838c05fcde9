"""What a program may ask of the page, through `gradio_client` or plain HTTP: each call stands alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import gradio as gr

from describer.demo import look, talk
from describer.demo.events import Settings
from describer.demo.limits import take_picture, tidy_name, uploaded
from describer.demo.models import Models
from describer.errors import DescriberError
from describer.records import to_dict


def _told(endpoint: Callable[..., dict]) -> Callable[..., dict]:
    """Errors that the caller can mend reach the caller; of others Gradio says only that there was one."""

    @functools.wraps(endpoint)
    def answer(*arguments: Any) -> dict:
        try:
            return endpoint(*arguments)
        except DescriberError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return answer


class Endpoints:
    """Each method is an endpoint of its name."""

    def __init__(self, models: Models, settings: Settings) -> None:
        self.models = models
        self.settings = settings

    @_told
    def annotate(self, picture: dict) -> dict:
        """The record of a picture, as `describer annotate` writes it.

        from gradio_client import Client, handle_file
        Client("http://127.0.0.1:7860").predict(handle_file("frame.png"), api_name="/annotate")
        """
        image, name = self._sent(picture)
        with self.models.use() as describer:
            return to_dict(look.look_at(describer, image, name).annotation)

    @_told
    def answer(self, picture: dict, question: str) -> dict:
        """The answer to a question about a picture, the regions it rests on and how sure the model is."""
        from describer.vqa import answer_to_dict  # not while the page starts

        question = look.too_long(question, self.settings.limits.question_chars, "the question")
        image, name = self._sent(picture)
        with self.models.use() as describer:
            said = talk.ask(describer, look.look_at(describer, image, name), question)
        return answer_to_dict(said)

    def _sent(self, picture: dict) -> tuple[Any, str]:
        """A client's upload; it stays for the sweeper, since clients do not give each upload a name of its own."""
        file = uploaded(picture.get("path") if isinstance(picture, dict) else picture, self.settings.uploads)
        name = tidy_name(picture.get("orig_name") or file.name)
        return take_picture(file, name, self.settings.uploads, self.settings.limits, once=False), name
