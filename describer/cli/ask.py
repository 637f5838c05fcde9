"""`describer ask`: questions about a picture or a moment of a video."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from describer.types import Answer


def ask(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Picture, or with --at a video.")],
    questions: Annotated[list[str], typer.Argument(metavar="QUESTION...", help="One question or more, each quoted.")],
    region: Annotated[int | None, typer.Option(min=1, help="Ask about the region of this number.")] = None,
    choices: Annotated[
        str | None, typer.Option(metavar="A,B,..", help="The only answers allowed, divided by commas.")
    ] = None,
    at: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Moment of a video; the 4 s before it are looked at too.")
    ] = None,
    show: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw the regions that each answer rests on.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON, one a line.")] = False,
    scene_model: Annotated[
        str, typer.Option(help="'embedded', or a folder made by describer train scene.")
    ] = "embedded",
    vlm: Annotated[str, typer.Option(help="'embedded', 'echo', a local folder, or a hub id.")] = "embedded",
    adapter: Annotated[str | None, typer.Option(help="LoRA adapter of --vlm: folder or hub id.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    prompt: Annotated[
        str | None, typer.Option(help="What the language model is shown: none, or facts,overlay,crop.")
    ] = None,
) -> None:
    """Answer questions about IMAGE, with the numbers of the regions that each answer rests on.

    \b
      describer ask frame.png "Which instruments are in view?"
      describer ask frame.png "How many graspers are there?" "Is the view smoky?" --show evidence.png
      describer ask frame.png "What colour is this?" --region 2 --choices red,pink,grey
      describer ask operation.mp4 "When does the hook touch the liver?" --at 92.5 --json

    What the found regions answer exactly (how many, where, which, what touches or acts on what, which is larger) is
    read off them; the language model is asked too, and where it says otherwise that is shown and the confidence is
    lower. How things look is the language model's alone. "(unsure)" marks answers below the model's threshold;
    questions that no picture can answer are refused. Region numbers are those of describer annotate.
    """
    from describer.errors import InputError
    from describer.vqa import Question, answer_to_dict

    allowed = tuple(choice.strip() for choice in choices.split(",")) if choices else ()
    asked = [Question(question, region, allowed) for question in questions]
    if at is None and Path(image).is_dir():
        raise InputError(f"{image} is a folder; give one picture of it.")
    opened = _opened(image, at, scene_model, vlm, adapter, device, prompt)
    answers = opened.ask_all(asked)
    if show is not None:
        _draw(opened, answers, show)
    for answer in answers:
        typer.echo(json.dumps(answer_to_dict(answer)) if as_json else _told(answer, alone=len(answers) == 1))


def _opened(
    image: str, at: float | None, scene_model: str, vlm: str, adapter: str | None, device: str, prompt: str | None
) -> Any:
    from describer.clips import video_clip
    from describer.frames import as_frame

    # A wrong path is told before the models load.
    frames = [as_frame(image)] if at is None else video_clip(image, at)
    from describer.pipeline import Describer

    describer = Describer(scene_model, vlm, adapter, device, prompt)
    return describer.open(frames[0]) if at is None else describer.open_clip(frames)


def _draw(opened: Any, answers: list[Answer], path: Path) -> None:
    from describer.answer_picture import answer_picture
    from describer.synthesis import save_image

    shown = [(*opened.of(answer), answer) for answer in answers]
    save_image(path, answer_picture(shown, opened.taxonomy)[..., ::-1], [])


def _told(answer: Answer, alone: bool) -> str:
    """ "A hook.  (region 2; 0.93)", after its question where there are several."""
    notes = []
    if answer.region_ids:
        many = "s" if len(answer.region_ids) > 1 else ""
        notes.append(f"region{many} {', '.join(map(str, answer.region_ids))}")
    if answer.confidence is not None:
        notes.append(f"{answer.confidence:.2f}{' (unsure)' if answer.abstained else ''}")
    if answer.agrees is False:
        notes.append(f"the language model says: {answer.model_answer}")
    told = f"{answer.text}  [{'; '.join(notes)}]" if notes else answer.text
    return told if alone else f"{answer.question}\n  {told}"
