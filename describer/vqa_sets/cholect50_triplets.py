"""CholecT50's triplets turned into questions: is an instrument there, what does it do, to what, and in which phase.

From the dataset's own ROOT/labels/VIDxx.json and videos/ (Nwoye et al., MedIA 2022), or from a JSONL of file, sequence,
phase and objects (instrument, verb, target). Of every frame one instrument is asked after that is there and one that is
not, so that a constant yes earns half; what an instrument does is asked only where there is one of its kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from describer.errors import InputError
from describer.seg.datasets import cholect50
from describer.seg.datasets.dataset import Item
from describer.taxonomy import load_taxonomy
from describer.vqa_sets.lines import plain, read_rows, text_of
from describer.vqa_sets.question import Question, QuestionSet
from describer.wording import is_plural, with_article

_MARK = "labels/VID*.json | *triplets*.jsonl | text/*triplets*.jsonl"
_INSTRUMENTS = {
    "grasper": "grasper",
    "bipolar": "bipolar forceps",
    "hook": "hook",
    "scissors": "scissors",
    "clipper": "clip applier",
    "irrigator": "suction irrigator",
}
_VERBS = ("grasp", "retract", "dissect", "coagulate", "clip", "cut", "aspirate", "irrigate", "pack")
_TARGETS = {
    **{word: word for word in (
        "gallbladder", "cystic plate", "cystic duct", "cystic artery", "cystic pedicle", "blood vessel", "fluid",
        "liver", "adhesion", "omentum", "peritoneum", "gut", "specimen bag",
    )},
    "abdominal wall cavity": "abdominal wall",
}  # fmt: skip
_PHASES = {
    "preparation": "preparation",
    "carlot-triangle-dissection": "calot triangle dissection",
    "clipping-and-cutting": "clipping and cutting",
    "gallbladder-dissection": "gallbladder dissection",
    "gallbladder-packaging": "gallbladder packaging",
    "cleaning-and-coagulation": "cleaning and coagulation",
    "gallbladder-extraction": "gallbladder extraction",
}
_CHOICES = {
    "instrument": ("yes", "no"),
    "verb": _VERBS,
    "target": tuple(_TARGETS.values()),
    "phase": tuple(_PHASES.values()),
}


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame's labels in plain words; ``deeds`` are (instrument, verb or "", target or "")."""

    file: str
    video: str
    phase: str | None
    deeds: tuple[tuple[str, str, str], ...]
    split: str | None


def _read(root: Path, reading: str) -> Iterator[Question]:
    for frame in _frames(root):
        yield from _questions(frame)


def _frames(root: Path) -> Iterator[_Frame]:
    if any(root.glob("labels/VID*.json")):
        for item in cholect50.read(root):
            if isinstance(item, Item):
                yield _of_item(item)
        return
    for path in sorted({found for glob in _MARK.split(" | ")[1:] for found in root.glob(glob)}):
        for where, row in read_rows(path):
            objects = row.get("objects", [])
            try:
                deeds = [(entry["instrument"], entry["verb"], entry["target"]) for entry in objects]
            except (TypeError, KeyError) as error:
                raise InputError(
                    f"{where}: an object needs instrument, verb and target; copy the file again."
                ) from error
            phase = row.get("phase")
            yield _Frame(
                text_of(row, "file", where),
                text_of(row, "sequence", where),
                phase if isinstance(phase, str) else None,
                tuple(
                    (name, *("" if word.startswith("null_") else plain(word) for word in rest)) for name, *rest in deeds
                ),
                None,
            )


def _of_item(item: Item) -> _Frame:
    tools = (item.tools((1, 1)) if item.tools else None) or ()
    deeds = tuple((tool.instrument or "", tool.verb or "", tool.target or "") for tool in tools)
    return _Frame(item.name, item.group, item.phase, deeds, item.split)


def _questions(frame: _Frame) -> Iterator[Question]:
    def ask(kind: str, text: str, answers: Sequence[str], about: str = "") -> Question:
        return Question(
            id=f"{Path(frame.file).with_suffix('').as_posix()}/{kind}" + (f"/{about}" if about else ""),
            frames=(frame.file,),
            video=frame.video,
            text=text,
            answers=tuple(answers),
            type=kind,
            split=frame.split,
            choices=_CHOICES[kind],
        )

    shown = [name for name, _, _ in frame.deeds]
    for answer, names in (("yes", sorted(set(shown))), ("no", [name for name in _INSTRUMENTS if name not in shown])):
        if names:
            name = _INSTRUMENTS[_picked(frame.file, names)]
            verb = "Are" if is_plural(name) else "Is"
            yield ask("instrument", f"{verb} there {with_article(name, 'instrument')} in view?", (answer,), name)
    for label, verb, target in frame.deeds:
        if shown.count(label) > 1:
            continue
        name = _INSTRUMENTS[label]
        be = "are" if is_plural(name) else "is"
        if verb:
            yield ask("verb", f"What {be} the {name} doing?", (verb,), name)
        if target:
            yield ask(
                "target", f"What {be} the {name} acting on?", tuple(dict.fromkeys((_TARGETS[target], target))), name
            )
    if frame.phase in _PHASES:
        yield ask("phase", "Which phase of the operation is this?", (_PHASES[frame.phase], frame.phase))


def _picked(file: str, names: Sequence[str]) -> str:
    """One of the names, always the same one for a frame."""
    return names[int(hashlib.sha256(file.encode()).hexdigest()[:8], 16) % len(names)]


def _core() -> dict[str, str]:
    """Words of targets to core labels, as the taxonomy of the dataset has them."""
    labels = {label.name: label.core for label in load_taxonomy("cholect50").labels if label.core}
    return {_TARGETS[name]: labels[name] for name in _TARGETS if name in labels}


DATASET = QuestionSet(
    name="cholect50-vqa",
    title="CholecT50 triplets as questions: instrument, verb, target, phase",
    layout="labels/VIDxx.json and videos/VIDxx/NNNNNN.png, or a JSONL of file, sequence, phase, objects",
    marks=(_MARK,),
    read=_read,
    splits="by video, that of Rendezvous, where the labels are the dataset's own",
    licence="CC BY-NC-SA 4.0",
    notes="Overlaps Cholec80 and Endoscapes. Each frame is asked one instrument that is there, one that is not.",
    words={**_INSTRUMENTS, **_TARGETS, **_PHASES},
    core={**_core(), **{name: name for name in _INSTRUMENTS.values()}},
)
