"""Chats for a vision-language model: pictures and facts of a frame, then one short instruction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from describer.errors import InputError
from describer.messages import Chat, Message, Picture, Text, box_mark
from describer.overlay import numbered_overlay
from describer.prompts.crops import FRAME_SIDE_PX, at_most, focal_crop
from describer.prompts.facts import region_facts, region_looks, scene_facts, to_json, view_facts
from describer.prompts.question_facts import question_facts
from describer.prompts.templates import render, template_hashes
from describer.taxonomy import Taxonomy, load_taxonomy
from describer.types import Frame, Scene

__all__ = ["PromptOptions", "question_chat", "region_chat", "scene_chat", "template_hashes"]

_EVIDENCE = ("facts", "overlay", "crop", "box", "looks")
_LATER = ("box", "taught_words", "looks")


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """What of a frame is sent: the picture, facts as JSON, numbered marks on the picture, a focal crop.

    ``frame_with_crop`` False leaves the whole frame out where a region's crop is sent (half the pictures, for
    models too small to gain from both). ``box`` adds the region's box to its facts, for models that were taught boxes:
    it is of the frame, so it is left out where that is. For models too small to see or to know more, ``looks`` adds how
    things look to the facts, as far as the scene model tells, and ``taught_words`` asks about looks in the words of the
    training questions.
    """

    frame: bool = True
    facts: bool = True
    overlay: bool = False
    crop: bool = True
    frame_with_crop: bool = True
    box: bool = False
    taught_words: bool = False
    looks: bool = False

    def __post_init__(self) -> None:
        if self.overlay and not self.frame:
            raise InputError("prompt option 'overlay' draws on the frame; turn 'frame' on as well.")
        for name in ("box", "looks"):
            if getattr(self, name) and not self.facts:
                raise InputError(f"prompt option '{name}' is one of the facts; turn 'facts' on as well.")

    @classmethod
    def parse(cls, text: str) -> PromptOptions:
        """Options from "facts,crop"; "none" sends the bare frame. InputError names a word that is wrong."""
        words = [word.strip() for word in text.split(",") if word.strip()]
        unknown = [word for word in words if word not in (*_EVIDENCE, "none")]
        if unknown or not words:
            what = f"{', '.join(unknown)!r} is unknown" if unknown else "names nothing"
            raise InputError(f"--prompt {what}; use none, or a list of {', '.join(_EVIDENCE)} such as facts,crop.")
        if "none" in words and len(words) > 1:
            raise InputError(f"--prompt {text!r} combines none with something; use none alone or leave it out.")
        return cls(**{name: name in words for name in _EVIDENCE})

    def without_facts(self) -> PromptOptions:
        """The same pictures, and no facts of any kind."""
        return replace(self, facts=False, box=False, looks=False)

    def to_dict(self) -> dict[str, bool]:
        """All options; the later ones only where they are on, so that a run begun before them goes on."""
        return {name: value for name, value in asdict(self).items() if name not in _LATER or value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PromptOptions:
        """The options of a saved dict; InputError for an unknown key or a value that is no bool."""
        known = [field.name for field in fields(cls)]
        bad = sorted(key for key, value in data.items() if key not in known or not isinstance(value, bool))
        if bad:
            raise InputError(f"prompt options {bad} are unknown or not true/false; known: {', '.join(known)}.")
        return cls(**data)


def region_chat(
    frame: Frame, scene: Scene, region_id: int, options: PromptOptions, taxonomy: Taxonomy | None = None
) -> Chat:
    """Ask for a description of one region; RecordError when the scene has no such region."""
    known = region_facts(scene, region_id)
    if options.box and _shows_frame(options, region_id):
        known["box"] = box_mark(scene.region(region_id).box_xyxy, scene.size_wh)
    if options.looks:
        known |= region_looks(scene.region(region_id))
    facts = to_json(known) if options.facts else ""
    text = render("region", facts=facts, region_id=region_id)
    return _chat(_pictures(frame, scene, options, taxonomy, region_id), text)


def scene_chat(frame: Frame, scene: Scene, options: PromptOptions, taxonomy: Taxonomy | None = None) -> Chat:
    """Ask for a description of the whole frame."""
    known = scene_facts(scene) | (view_facts(scene) if options.looks else {})
    facts = to_json(known) if options.facts else ""
    return _chat(_pictures(frame, scene, options, taxonomy, None), render("scene", facts=facts))


def question_chat(
    frame: Frame,
    scene: Scene,
    question: str,
    options: PromptOptions,
    region_id: int | None = None,
    *,
    taxonomy: Taxonomy | None = None,
) -> Chat:
    """Ask a question about the frame, or about one region of it."""
    known = question_facts(scene, region_id)
    if options.looks:
        known |= view_facts(scene) if region_id is None else region_looks(scene.region(region_id))
    facts = to_json(known) if options.facts else ""
    text = render("question", facts=facts, question=question.strip(), region_id=region_id)
    return _chat(_pictures(frame, scene, options, taxonomy, region_id), text)


def _chat(pictures: list[Picture], text: str) -> Chat:
    return Message("system", (Text(render("system")),)), Message("user", (*pictures, Text(text)))


def _shows_frame(options: PromptOptions, region_id: int | None) -> bool:
    cropped = options.crop and region_id is not None
    return options.frame and (options.frame_with_crop or not cropped)


def _pictures(
    frame: Frame, scene: Scene, options: PromptOptions, taxonomy: Taxonomy | None, region_id: int | None
) -> list[Picture]:
    pictures = []
    if _shows_frame(options, region_id):
        image = at_most(frame.image, FRAME_SIDE_PX)
        # A blank overlay costs accuracy, so a frame without regions goes out plain.
        if options.overlay and scene.regions:
            marked = numbered_overlay(image, scene, taxonomy or load_taxonomy("core"))
            pictures.append(Picture(marked, "overlay"))
        else:
            pictures.append(Picture(image, "frame"))
    if options.crop and region_id is not None:
        pictures.append(Picture(focal_crop(frame.image, scene.region(region_id)), "crop"))
    return pictures
