"""Questions about the frame: the answer, the regions it rests on, or that it cannot be told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from describer.demo.view import parts_of, sureness
from describer.demo.visit import Visit
from describer.prompts.grounding import ground
from describer.taxonomy import Taxonomy
from describer.types import Answer, Scene
from describer.vlm.streaming import heard_by
from describer.wording import is_plural

if TYPE_CHECKING:
    from describer.pipeline import Describer

_MOST_EXAMPLES = 5
_REFUSED = "out of scope"


def example_questions(scene: Scene) -> list[str]:
    """A few questions that fit what was found, the surest things first; the same for the same scene."""
    tools = sorted((r for r in scene.regions if r.kind == "instrument"), key=lambda r: -r.score)
    others = sorted((r for r in scene.regions if r.kind != "instrument"), key=lambda r: -r.score)
    asked = ["Which instruments are in view?"]
    if scene.activities:
        asked.append("What is the surgeon doing?")
    asked += [f"What {_do(tool.label)} the {tool.label} touch?" for tool in tools]
    asked += [f"Where {_be(other.label)} the {other.label}?" for other in others]
    asked.append("Is the view bloody?")
    return list(dict.fromkeys(asked))[:_MOST_EXAMPLES]


def _do(label: str) -> str:
    return "do" if is_plural(label) else "does"


def _be(label: str) -> str:
    return "are" if is_plural(label) else "is"


def ask(describer: Describer, visit: Visit, question: str, region_id: int | None = None) -> Answer:
    """The answer to a question about the visit's frame as corrected, or about one of its regions."""
    return describer.open(visit.frame, visit.annotation.scene).ask(question, region_id)


def ask_aloud(
    describer: Describer, visit: Visit, question: str, region_id: int | None = None
) -> Iterator[str | Answer]:
    """The model's words so far, again and again where it can be listened to, and at last the answer."""
    words: SimpleQueue[str | Answer | BaseException] = SimpleQueue()

    def work() -> None:
        try:
            with heard_by(words.put):
                words.put(ask(describer, visit, question, region_id))
        except BaseException as error:  # raised again where the answer is waited for
            words.put(error)

    thread = threading.Thread(target=work, name="answer", daemon=True)
    thread.start()
    while True:
        heard = words.get()
        if isinstance(heard, BaseException):
            raise heard
        yield heard
        if isinstance(heard, Answer):
            thread.join()
            return


def turn_of(answer: Answer, visit: Visit, taxonomy: Taxonomy) -> dict[str, Any]:
    """Question and answer as the page shows them."""
    scene = visit.annotation.scene
    known = {region.id for region in scene.regions}
    said = ground(answer.text, scene, taxonomy, None, answer.confidence)
    refused = answer.kind == _REFUSED
    parts = parts_of(said, taxonomy)
    if answer.abstained and not refused:
        parts = [{"text": "I cannot tell. My guess would be: "}, *parts]
    return {
        "question": answer.question,
        "parts": parts,
        "regions": [i for i in answer.region_ids if i in known],
        "sure": "" if refused else sureness(answer.confidence),
        "note": f"The language model alone said: {answer.model_answer}" if answer.agrees is False else "",
        "abstained": answer.abstained,
        "pending": False,
    }


def pending(question: str, text: str = "") -> Mapping[str, Any]:
    """A turn whose answer is still being made, with what there is of it."""
    parts = [{"text": text}] if text else []
    return {"question": question, "parts": parts, "regions": [], "sure": "", "abstained": False, "pending": True}
