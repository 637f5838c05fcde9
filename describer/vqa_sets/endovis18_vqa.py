"""EndoVis-18-VQA: organ, tools, actions and locations of robotic nephrectomy (Seenivasan et al., MICCAI 2022).

ROOT/seq_N/vqa/{Classification,Sentence}/frameXXX_QA.txt, a line `question|answer`, on seq_N/left_frames/frameXXX.png.

Its location words say where the tool's centre is from the centre of the kidney's box, not of the picture, and its
generator inverted the vertical one: what is called "left-top" lies to the lower left of the kidney as one sees it.
The reading "published" gives the words as they stand in the files, which all published scores are on; the reading
"image" turns the vertical word round, so that it is true of the picture (but of the kidney's box all the same).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from describer.errors import InputError
from describer.vqa_sets.lines import Pictures, answers_of, plain, read_lines
from describer.vqa_sets.question import Question, QuestionSet

TRAIN, VAL = (2, 3, 4, 6, 7, 9, 10, 11, 12, 14, 15), (1, 5, 16)
ACTIONS = (
    "Idle", "Grasping", "Retraction", "Tissue_Manipulation", "Tool_Manipulation", "Cutting", "Cauterization",
    "Suction", "Looping", "Suturing", "Clipping", "Staple", "Ultrasound_Sensing",
)  # fmt: skip
PLACES = {
    "left-top": "upper left",
    "right-top": "upper right",
    "left-bottom": "lower left",
    "right-bottom": "lower right",
}
_INVERTED = {
    "left-top": "left-bottom", "left-bottom": "left-top", "right-top": "right-bottom", "right-bottom": "right-top",
}  # fmt: skip
WORDS = {"kidney": "kidney", **{label: plain(label) for label in ACTIONS}, "Staple": "stapling", **PLACES}
CORE = {
    "grasping": "grasp", "retraction": "retract", "cutting": "cut", "cauterization": "coagulate",
    "suction": "aspirate", "suturing": "suture", "clipping": "clip", "bipolar forceps": "bipolar forceps",
    "monopolar curved scissors": "scissors", "prograsp forceps": "grasper", "large needle driver": "needle driver",
    "clip applier": "clip applier",
}  # fmt: skip
CHOICES = {
    "organ": ("kidney",),
    "action": tuple(WORDS[label] for label in ACTIONS),
    "location": tuple(PLACES.values()),
}
NOTES = (
    "Location words are relative to the kidney's box, and the vertical one is inverted in the published files; "
    "--reading image turns it round."
)
_STARTS = {"what organ": "organ", "what tools": "tools", "what is the state": "action", "where is": "location"}


def type_of(question: str, where: str) -> str:
    """organ, tools, action or location, by how the question starts; InputError for another one."""
    for start, kind in _STARTS.items():
        if question.lower().startswith(start):
            return kind
    raise InputError(f"{where}: {question[:60]!r} is no question of EndoVis-18-VQA; check the folder.")


def located(answer: str, reading: str) -> str:
    """An answer with its vertical word as the reading has it, in a label or at the end of a sentence."""
    for label, other in _INVERTED.items():
        if reading == "image" and answer.endswith(label):
            return answer[: -len(label)] + other
    return answer


def split_of(sequence: str) -> str | None:
    number = int(sequence.rpartition("_")[2]) if sequence.rpartition("_")[2].isdecimal() else -1
    return "train" if number in TRAIN else "val" if number in VAL else None


def picture_of(pictures: Pictures, sequence: str, stem: str) -> str:
    """Some copies keep the pictures in left_fr."""
    folders = [f"{sequence}/{name}" for name in ("left_frames", "left_fr")] if sequence else ["left_frames"]
    return pictures.first(*(f"{folder}/{stem}{suffix}" for folder in folders for suffix in (".png", ".jpg")))


def _read(form: str, root: Path, reading: str) -> Iterator[Question]:
    pictures = Pictures(root)
    for path in sorted(root.glob(f"seq_*/vqa/{form}/*.txt")):
        sequence, stem = path.parents[2].name, path.stem.split("_")[0]
        for number, (asked, answer, *_) in read_lines(path, 2):
            kind = type_of(asked, f"{path}:{number}")
            label = located(answer, reading)
            yield Question(
                id=f"{sequence}/{stem}/{number}",
                frames=(picture_of(pictures, sequence, stem),),
                video=sequence,
                text=asked,
                answers=_sentence(label, kind) if form == "Sentence" else answers_of(label, WORDS),
                type=kind,
                split=split_of(sequence),
                choices=CHOICES.get(kind, ()),
            )


def _sentence(answer: str, kind: str) -> tuple[str, ...]:
    """What the sentence says, as a label in plain words, and the sentence itself."""
    end = answer.rpartition(" is located at " if kind == "location" else " are " if kind == "tools" else " is ")[2]
    said = "; ".join(part.strip() for part in end.split(" , ")) if kind == "tools" else WORDS.get(end, end)
    return ("stapling" if said == "staple" else said, answer)


def _set(name: str, title: str, form: str) -> QuestionSet:
    return QuestionSet(
        name=name,
        title=title,
        layout=f"seq_N/vqa/{form}/frameXXX_QA.txt and seq_N/left_frames/frameXXX.png",
        marks=(f"seq_*/vqa/{form}/*.txt",),
        read=partial(_read, form),
        splits="by sequence: val 1, 5, 16; train 2-4, 6, 7, 9-12, 14, 15",
        notes=NOTES,
        readings=("published", "image"),
        words=WORDS,
        core=CORE,
    )


CLASSIFICATION = _set("endovis18-vqa", "EndoVis-18-VQA, one of 18 labels an answer", "Classification")
SENTENCE = _set("endovis18-vqa-sentence", "EndoVis-18-VQA, a sentence an answer", "Sentence")
