"""SSG-VQA: questions from scene graphs of CholecT45, up to two hops (Yuan et al., IPCAI 2024).

ROOT/qa_txt/VIDxx/N.txt, two lines of head, then `question|answer|hops|what is asked`; the frames are those of
CholecT45, ROOT/videos/VIDxx/00000N.png (or ROOT/data/VIDxx/).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from describer.vqa_sets.lines import Pictures, answers_of, plain, read_lines
from describer.vqa_sets.question import Question, QuestionSet

_VAL = ("VID18", "VID48", "VID01", "VID35", "VID31")
_TEST = ("VID22", "VID74", "VID60", "VID02", "VID43")
_TRAIN = tuple(
    f"VID{number:02d}"
    for number in (73, 40, 62, 42, 29, 56, 50, 78, 66, 13, 52, 6, 36, 5, 12, 26, 68, 32, 49, 65, 47, 4, 23, 79, 51, 10,
                   57, 75, 25, 14, 15, 8, 80, 27, 70)
)  # fmt: skip
_COMPONENTS = (
    "abdominal_wall_cavity", "adhesion", "blood_vessel", "cystic_artery", "cystic_duct", "cystic_pedicle",
    "cystic_plate", "fluid", "gallbladder", "gut", "liver", "omentum", "peritoneum", "specimen_bag", "specimenbag",
    "bipolar", "clipper", "grasper", "hook", "irrigator", "scissors",
)  # fmt: skip
_VERBS = ("aspirate", "clip", "coagulate", "cut", "dissect", "grasp", "irrigate", "pack", "retract")
_WORDS = {
    "True": "yes",
    "False": "no",
    **{label: plain(label) for label in (*_COMPONENTS, *_VERBS)},
    "abdominal_wall_cavity": "abdominal wall",
    "specimenbag": "specimen bag",
    "bipolar": "bipolar forceps",
    "clipper": "clip applier",
    "irrigator": "suction irrigator",
}
_CHOICES = {
    "exist": ("yes", "no"),
    "count": tuple(str(number) for number in range(11)),
    "query_color": ("blue", "brown", "red", "silver", "white", "yellow"),
    "query_type": ("anatomy", "instrument"),
    "query_component": tuple(dict.fromkeys(_WORDS[label] for label in (*_COMPONENTS, *_VERBS))),
}
_HOPS = {"zero_hop": "no hop", "one_hop": "one hop", "single_and": "two conditions"}


def _read(root: Path, reading: str) -> Iterator[Question]:
    pictures = Pictures(root)
    paths = (path for path in root.glob("qa_txt/VID*/*.txt") if path.stem.isdecimal())
    for path in sorted(paths, key=lambda path: (path.parent.name, int(path.stem))):
        video, name = path.parent.name, f"{int(path.stem):06d}"
        frame = pictures.first(
            *(f"{top}/{video}/{name}{end}" for top in ("videos", "data") for end in (".png", ".jpg"))
        )
        for number, (asked, answer, *types) in read_lines(path, 2, skip=2):
            hops, kind = [*(part.removesuffix(".json") for part in types), "", ""][:2]
            yield Question(
                id=f"{video}/{path.stem}/{number}",
                frames=(frame,),
                video=video,
                text=asked,
                answers=answers_of(answer, _WORDS),
                type=" / ".join(part for part in (plain(kind), _HOPS.get(hops, plain(hops))) if part),
                split="val" if video in _VAL else "test" if video in _TEST else "train" if video in _TRAIN else None,
                choices=_CHOICES.get(kind, ()),
            )


DATASET = QuestionSet(
    name="ssg-vqa",
    title="SSG-VQA: questions from scene graphs of CholecT45",
    layout="qa_txt/VIDxx/N.txt and videos/VIDxx/00000N.png of CholecT45",
    marks=("qa_txt/VID*/*.txt",),
    read=_read,
    splits="by video, the authors': val 01, 18, 31, 35, 48; test 02, 22, 43, 60, 74; train 35 others",
    licence="CC BY-NC-SA 4.0",
    notes="Overlaps Cholec80, CholecT50, CholecSeg8k and Endoscapes. Answers come from detectors, not from people.",
    words=_WORDS,
    core={
        "abdominal wall": "abdominal wall", "adhesion": "connective tissue", "gallbladder": "gallbladder",
        "gut": "bowel", "liver": "liver", "omentum": "fat", "peritoneum": "abdominal wall",
        "bipolar forceps": "bipolar forceps",
        "clip applier": "clip applier", "grasper": "grasper", "hook": "hook", "scissors": "scissors",
        "suction irrigator": "suction irrigator",
    },
)  # fmt: skip
