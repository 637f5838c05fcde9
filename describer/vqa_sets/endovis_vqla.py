"""EndoVis-18-VQLA and EndoVis-17-VQLA: the questions of EndoVis-18-VQA with the box of what each is about.

After Bai et al., ICRA 2023. ROOT/seq_N/vqla/label/frameXXX_QA.txt (18) and ROOT/vqla/label/*.txt (17, 97 frames for
testing only), a line `question|answer|x1,y1,x2,y2` in pixels of 1280 x 1024. The files count pixels from 1 (the
authors subtract 1); here boxes are half-open and count from 0. Location words are those of EndoVis-18-VQA.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from describer.errors import InputError
from describer.vqa_sets import endovis18_vqa as vqa
from describer.vqa_sets.lines import Pictures, answers_of, read_lines
from describer.vqa_sets.question import Box, Question, QuestionSet


def _read_18(root: Path, reading: str) -> Iterator[Question]:
    pictures = Pictures(root)
    for path in sorted(root.glob("seq_*/vqla/label/*.txt")):
        sequence = path.parents[2].name
        yield from _questions(pictures, path, sequence, path.stem.split("_")[0], reading)


def _read_17(root: Path, reading: str) -> Iterator[Question]:
    pictures = Pictures(root)
    for path in sorted(root.glob("vqla/label/*.txt")):
        yield from _questions(pictures, path, "", path.stem.removesuffix("_QA"), reading)


def _questions(pictures: Pictures, path: Path, sequence: str, stem: str, reading: str) -> Iterator[Question]:
    for number, (asked, answer, box, *_) in read_lines(path, 3):
        where = f"{path}:{number}"
        kind = vqa.type_of(asked, where)
        # The 97 frames of 2017 are named after their sequence where that is known.
        video = sequence or (stem.rpartition("_")[0] or "endovis17")
        yield Question(
            id=f"{video}/{stem}/{number}",
            frames=(vqa.picture_of(pictures, sequence, stem),),
            video=video,
            text=asked,
            answers=answers_of(vqa.located(answer, reading), vqa.WORDS),
            type=kind,
            split=vqa.split_of(sequence) if sequence else "test",
            boxes_xyxy_px=(_box(box, where),),
            choices=vqa.CHOICES.get(kind, ()),
        )


def _box(text: str, where: str) -> Box:
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"{where}: expected a box x1,y1,x2,y2, got {text[:40]!r}; copy the file again.") from error
    return x0 - 1, y0 - 1, x1, y1


ENDOVIS18 = QuestionSet(
    name="endovis18-vqla",
    title="EndoVis-18-VQLA, with the box of what is asked about",
    layout="seq_N/vqla/label/frameXXX_QA.txt and seq_N/left_frames/frameXXX.png",
    marks=("seq_*/vqla/label/*.txt",),
    read=_read_18,
    splits=vqa.CLASSIFICATION.splits,
    notes=vqa.NOTES,
    readings=("published", "image"),
    words=vqa.WORDS,
    core=vqa.CORE,
)
ENDOVIS17 = QuestionSet(
    name="endovis17-vqla",
    title="EndoVis-17-VQLA, 97 frames for testing only",
    layout="vqla/label/*.txt and left_frames/*.jpg",
    marks=("vqla/label/*.txt",),
    read=_read_17,
    splits="all test",
    notes=vqa.NOTES,
    readings=("published", "image"),
    words=vqa.WORDS,
    core=vqa.CORE,
)
