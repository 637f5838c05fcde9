"""Cholec80-VQA: tools, counts and phases of cholecystectomy (Seenivasan et al., MICCAI 2022).

ROOT/Classification/V/F_*.txt (and Sentence/), a line `question|answer`, on ROOT/cropped_image/V/F.png; of the frames at
1 fps the authors use every hundredth number.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from describer.vqa_sets.lines import Pictures, answers_of, read_lines
from describer.vqa_sets.question import Question, QuestionSet

_VAL = (5, 11, 12, 17, 19, 26, 27, 31)
_TRAIN = (1, 2, 3, 4, 6, 7, 8, 9, 10, 13, 14, 15, 16, 18, 20, 21, 22, 23, 24, 25, 28, 29, 30, 32, 33, 34, 35, 36,
          37, 38, 39, 40)  # fmt: skip
_EVERY = 100
_PHASES = {
    "preparation": "preparation",
    "calot triangle dissection": "calot triangle dissection",
    "clipping cutting": "clipping and cutting",
    "gallbladder dissection": "gallbladder dissection",
    "gallbladder packaging": "gallbladder packaging",
    "cleaning coagulation": "cleaning and coagulation",
    "gallbladder retraction": "gallbladder extraction",
}
_CHOICES = {"existence": ("yes", "no"), "count": ("0", "1", "2", "3"), "phase": tuple(_PHASES.values())}


def _read(form: str, root: Path, reading: str) -> Iterator[Question]:
    pictures = Pictures(root)
    paths = (path for path in root.glob(f"{form}/*/*.txt") if path.stem.split("_")[0].isdecimal())
    for path in sorted(paths, key=lambda path: (path.parent.name, int(path.stem.split("_")[0]), path.name)):
        video, frame = path.parent.name, int(path.stem.split("_")[0])
        if frame % _EVERY:
            continue
        number_of_video = int(video) if video.isdecimal() else -1
        for number, (asked, answer, *_) in read_lines(path, 2):
            kind = _type(answer) if form == "Classification" else _asked_type(asked)
            yield Question(
                id=f"{video}/{path.stem}/{number}",
                frames=(pictures.first(f"cropped_image/{video}/{frame}.png", f"cropped_image/{video}/{frame}.jpg"),),
                video=video,
                text=asked,
                answers=answers_of(answer, _PHASES) if form == "Classification" else (answer,),
                type=kind,
                split="val" if number_of_video in _VAL else "train" if number_of_video in _TRAIN else None,
                choices=_CHOICES[kind] if form == "Classification" else (),
            )


def _type(answer: str) -> str:
    return "count" if answer.isdecimal() else "existence" if answer in ("yes", "no") else "phase"


def _asked_type(question: str) -> str:
    asked = question.lower()
    return "count" if "how many" in asked else "phase" if "phase" in asked else "existence"


def _set(name: str, title: str, form: str) -> QuestionSet:
    return QuestionSet(
        name=name,
        title=title,
        layout=f"{form}/V/F_*.txt and cropped_image/V/F.png",
        marks=(f"{form}/*/*.txt",),
        read=partial(_read, form),
        splits="by video: val 5, 11, 12, 17, 19, 26, 27, 31; train the others of the first 40",
        notes=f"Every {_EVERY}th frame number, as its authors read it; shares videos with Cholec80 and CholecT50.",
        words=_PHASES,
        core={said: said for said in _PHASES.values()},
    )


CLASSIFICATION = _set("cholec80-vqa", "Cholec80-VQA, one of 13 labels an answer", "Classification")
SENTENCE = _set("cholec80-vqa-sentence", "Cholec80-VQA, a sentence an answer", "Sentence")
