"""REAL-Colon-VQA: colonoscopy clips of 8 frames, asked in two wordings (of SurgViVQA, 2025).

ROOT/annotations/{in,out}_template.jsonl and ROOT/videos/VVV-VVV_frames/NAME.jpg. The reading "in_template" asks as the
training does, "out_template" the same in other words. An answer is right by its short form or its sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from describer.errors import InputError
from describer.vqa_sets.lines import Pictures, read_rows, text_of
from describer.vqa_sets.question import Question, QuestionSet

_VAL, _TRAIN = ("002-006",), ("002-001", "002-002", "002-003", "002-004", "002-005")
_PLACES = ("upper left", "upper right", "lower left", "lower right")
_YES_NO = ("yes", "no")
_WORDS = {
    "upper-left": "upper left", "upper-right": "upper right", "lower-left": "lower left", "lower-right": "lower right",
    "sigma": "sigmoid colon", "descending": "descending colon", "ascending": "ascending colon",
    "<5": "less than 5 mm", "5-9": "5 to 9 mm", ">9": "more than 9 mm", "NBI": "narrow band imaging",
}  # fmt: skip
_CHOICES = {
    "lighting_mode": ("narrow band imaging", "white light"),
    "lesion_size_range": ("less than 5 mm", "5 to 9 mm", "more than 9 mm"),
    "fluid_occlusion_level": ("complete", "partial", "absent"),
    "scope_motion_type": ("advancing", "withdrawing"),
    "lesion_histology_extended": ("adenoma", "hyperplastic"),
    "lesion_site": ("ascending colon", "transverse colon", "descending colon", "sigmoid colon", "rectum"),
    "tool_identification": ("forceps", "catheter", "snare"),
    "lesion_screen_position": _PLACES,
    "lesion_motion_direction": ("stable", "left", "right", "up", "down"),
}


def _read(root: Path, reading: str) -> Iterator[Question]:
    globs = (f"*{reading}.jsonl", f"annotations/*{reading}.jsonl", f"text/*{reading}.jsonl")
    paths = sorted({path for glob in globs for path in root.glob(glob)})
    if not paths:
        raise InputError(f"{root} has no {reading}.jsonl; add annotations/{reading}.jsonl or choose another --reading.")
    pictures = Pictures(root)
    for path in paths:
        for where, row in read_rows(path):
            video, kind = text_of(row, "video_id", where), text_of(row, "question_type", where)
            frames, short = row.get("frames"), text_of(row, "short_answer", where)
            if not isinstance(frames, list) or not frames or not all(isinstance(name, str) for name in frames):
                raise InputError(f"{where}: needs 'frames' as a list of names; it has {frames!r:.60}.")
            said = _WORDS.get(short, short)
            yield Question(
                id=f"{video}/{text_of(row, 'id', where)}/{kind}",
                frames=tuple(
                    pictures.first(f"videos/{video}_frames/{name}.jpg", f"{video}_frames/{name}.jpg") for name in frames
                ),
                video=video,
                text=text_of(row, "question", where),
                answers=tuple(dict.fromkeys((said, short, text_of(row, "answer", where)))),
                type=kind.replace("_", " "),
                split="val" if video in _VAL else "train" if video in _TRAIN else None,
                choices=_CHOICES.get(kind, _YES_NO if short in _YES_NO else ()),
            )


DATASET = QuestionSet(
    name="real-colon-vqa",
    title="REAL-Colon-VQA: clips of colonoscopy",
    layout="annotations/{in,out}_template.jsonl and videos/VVV-VVV_frames/NAME.jpg",
    marks=("*in_template.jsonl | annotations/*in_template.jsonl | text/real_colon*in_template.jsonl",),
    read=_read,
    splits="by video, the authors': val 002-006; train 002-001 to 002-005",
    notes="A clip is 8 frames; motion cannot be told from one of them.",
    readings=("in_template", "out_template"),
    words=_WORDS,
    core={"snare": "snare", "adenoma": "polyp", "forceps": "grasper"},
)
