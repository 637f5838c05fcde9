"""PitVQA: phases, steps, instruments and positions of pituitary surgery (He et al., MICCAI 2024).

ROOT/qa-classes/video_VV/N.txt, a line `question|answer`, on ROOT/images/video_VV/N.png. As the authors do, answers that
say that there is no (second) instrument are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from describer.vqa_sets.lines import Pictures, answers_of, plain, read_lines
from describer.vqa_sets.question import Question, QuestionSet

_VAL = ("02", "06", "12", "13", "24")
_TRAIN = ("01", "03", "04", "05", "07", "08", "09", "10", "11", "14", "15", "16", "17", "18", "19", "20", "21", "22",
          "23", "25")  # fmt: skip
_LEFT_OUT = ("no_visible_instrument", "no_secondary_instrument")
_STEPS = (
    "nasal_corridor_creation", "anterior_sphenoidotomy", "septum_displacement", "sphenoid_sinus_clearance", "sellotomy",
    "haemostasis", "synthetic_graft_placement", "durotomy", "tumour_excision", "fat_graft_placement",
    "gasket_seal_construct", "dural_sealant", "nasal_packing", "debris_clearance", "end_of_step",
)  # fmt: skip
_PHASES = ("nasal_sphenoid", "sellar", "closure", "end_of_phase")
_INSTRUMENTS = (
    "suction", "freer_elevator", "pituitary_rongeurs", "spatula_dissector", "kerrisons", "cottle", "haemostatic_foam",
    "micro_doppler", "nasal_cutting_forceps", "stealth_pointer", "irrigation_syringe", "retractable_knife",
    "dural_scissors", "ring_curette", "cup_forceps", "bipolar_forceps", "tissue_glue", "surgical_drill",
)  # fmt: skip
_COUNTS = {"zero": "0", "one": "1", "two": "2"}
_PLACES = {
    "top-left": "upper left", "top-right": "upper right", "centre": "center", "bottom-left": "lower left",
    "bottom-right": "lower right",
}  # fmt: skip
_WORDS = {**{label: plain(label) for label in (*_STEPS, *_PHASES, *_INSTRUMENTS)}, **_COUNTS, **_PLACES}
_TYPE_OF = {
    **dict.fromkeys(_STEPS, "step"),
    **dict.fromkeys(_PHASES, "phase"),
    **dict.fromkeys(_INSTRUMENTS, "instrument"),
    **dict.fromkeys(_COUNTS, "count"),
    **dict.fromkeys(_PLACES, "location"),
}
_CHOICES = {
    kind: tuple(_WORDS[label] for label, other in _TYPE_OF.items() if other == kind) for kind in set(_TYPE_OF.values())
}


def _read(root: Path, reading: str) -> Iterator[Question]:
    pictures = Pictures(root)
    for path in sorted(root.glob("qa-classes/*/*.txt")):
        video = path.parent.name
        number_of_video = video.rpartition("_")[2]
        for number, (asked, answer, *_) in read_lines(path, 2):
            if answer in _LEFT_OUT:
                continue
            # What is no label is a sentence of the operation note.
            kind = _TYPE_OF.get(answer, "note")
            yield Question(
                id=f"{video}/{path.stem}/{number}",
                frames=(pictures.first(f"images/{video}/{path.stem}.png", f"images/{video}/{path.stem}.jpg"),),
                video=video,
                text=asked,
                answers=(answer,) if kind == "note" else answers_of(answer, _WORDS),
                type=kind,
                split="val" if number_of_video in _VAL else "train" if number_of_video in _TRAIN else None,
                choices=_CHOICES.get(kind, ()),
            )


DATASET = QuestionSet(
    name="pitvqa",
    title="PitVQA: endoscopic pituitary surgery",
    layout="qa-classes/video_VV/N.txt and images/video_VV/N.png",
    marks=("qa-classes/*/*.txt",),
    read=_read,
    splits="by video, the authors': val 02, 06, 12, 13, 24; train 20 others",
    notes="doi 10.5522/04/27004666. Answers that there is no (second) instrument are left out, as its authors do.",
    words=_WORDS,
    core={"bipolar forceps": "bipolar forceps", "suction": "suction irrigator", "dural scissors": "scissors",
          "retractable knife": "electric knife"},
)  # fmt: skip
