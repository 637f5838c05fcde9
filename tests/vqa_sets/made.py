"""Small folders of the published layouts: words of the real files, pictures of a few bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def write(root: Path, name: str, *lines: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def rows(root: Path, name: str, *entries: dict) -> None:
    write(root, name, *(json.dumps(entry) for entry in entries))


def picture(root: Path, name: str, value: int = 90) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((32, 40, 3), value, np.uint8)).save(path)


def endovis18_vqa(root: Path) -> None:
    for sequence in (1, 2):
        lines = (
            "what organ is being operated?|kidney",
            "what is the state of bipolar forceps?|Tissue_Manipulation",
            "where is bipolar forceps located?|left-top",
        )
        write(root, f"seq_{sequence}/vqa/Classification/frame000_QA.txt", *lines)
        picture(root, f"seq_{sequence}/left_frames/frame000.png")


def endovis18_vqa_sentence(root: Path) -> None:
    lines = (
        "what organ is being operated?|organ being operated is kidney",
        "what tools are operating the organ?|the tools operating are bipolar forceps , prograsp forceps",
        "what is the state of stapler?|action done by stapler is staple",
        "where is bipolar forceps located?|bipolar forceps is located at left-top",
    )
    write(root, "seq_5/vqa/Sentence/frame010_QA.txt", *lines)
    picture(root, "seq_5/left_fr/frame010.png")


def endovis18_vqla(root: Path) -> None:
    lines = (
        "what organ is being operated?|kidney|1,1,1280,1024",
        "where is suction located?|right-bottom|11, 21, 30, 40",
    )
    write(root, "seq_16/vqla/label/frame001_QA.txt", *lines)
    picture(root, "seq_16/left_frames/frame001.png")


def endovis17_vqla(root: Path) -> None:
    write(root, "vqla/label/seq3_frame012_QA.txt", "what is the state of suction?|Suction|11,21,30,40")
    picture(root, "left_frames/seq3_frame012.jpg")


def cholec80_vqa(root: Path) -> None:
    lines = ("is grasper used in this frame?|yes", "how many tools are there?|2", "what is the phase?|clipping cutting")
    write(root, "Classification/5/100_QA.txt", *lines)
    write(root, "Classification/5/125_QA.txt", *lines)
    write(root, "Classification/6/200_QA.txt", lines[0])
    picture(root, "cropped_image/5/100.png")


def cholec80_vqa_sentence(root: Path) -> None:
    write(root, "Sentence/1/0_QA.txt", "what is the phase of image?|the phase of image is preparation")


def ssg_vqa(root: Path) -> None:
    lines = (
        "frame 7",
        "5 questions",
        "Is there a grasper?|True|zero_hop.json|exist",
        "What number of tools are there?|2|one_hop.json|count",
        "What is left of the liver?|abdominal_wall_cavity|one_hop.json|query_component",
        "What color is the hook?|silver|single_and.json|query_color",
    )
    write(root, "qa_txt/VID22/7.txt", *lines)
    write(root, "qa_txt/VID01/10.txt", *lines[:3])
    picture(root, "videos/VID22/000007.png")


def pitvqa(root: Path) -> None:
    lines = (
        "What is the surgical phase?|nasal_sphenoid",
        "What is the surgical step?|septum_displacement",
        "Which instrument is present?|no_visible_instrument",
        "How many instruments are there?|one",
        "Where is the suction?|top-left",
        "What is being done?|The sphenoid ostium is identified and opened",
    )
    write(root, "qa-classes/video_02/00010.txt", *lines)
    picture(root, "images/video_02/00010.png")


def psi_ava_vqa(root: Path) -> None:
    write(root, "Train/C1_location.txt", "CASE001/00010.jpg|where is the bipolar forceps?|top left")
    write(root, "Train/C2_action.txt", "CASE001/00010.jpg|what is the bipolar forceps doing?|['Cauterize', 'Close']")
    write(root, "Train/C3_phase.txt", "CASE001/00010.jpg|what is the phase?|Espacio_de_Retzius")
    write(root, "Val/C4_step.txt", "CASE002/00020.jpg|what is the step?|Anudar")
    picture(root, "keyframes/CASE001/00010.jpg")


def real_colon_vqa(root: Path) -> None:
    entry = {
        "id": "qa_1", "video_id": "002-006", "frames": ["002-006_1", "002-006_5"], "frame_numbers": [1, 5],
        "question": "Where is the lesion on the screen?", "question_type": "lesion_screen_position",
        "answer": "The lesion appears in the lower-right quadrant of the screen.", "short_answer": "lower-right",
    }  # fmt: skip
    rows(root, "annotations/in_template.jsonl", entry)
    rows(
        root, "annotations/out_template.jsonl", entry | {"question": "In what screen quadrant does the lesion appear?"}
    )
    picture(root, "videos/002-006_frames/002-006_1.jpg")


def surgvu(root: Path) -> None:
    entry = {
        "case": "case1", "question": "Are there forceps being used here?", "answer": "No",
        "references": ["No", "No forceps are listed."], "frames": ["frame_0.jpg", "frame_1.jpg"],
    }  # fmt: skip
    rows(root, "my_surgvu.jsonl", entry)
    picture(root, "case1/frame_1.jpg")


def cholect50(root: Path) -> None:
    """The dataset's own label file: two instruments, then a frame with none."""
    names = {
        "instrument": {"0": "grasper", "1": "hook"},
        "verb": {"0": "retract", "1": "dissect"},
        "target": {"0": "gallbladder", "1": "abdominal_wall_cavity"},
        "phase": {"0": "preparation"},
    }
    first = [
        [17, 0, 1, -1, -1, -1, -1, 0, 0, -1, -1, -1, -1, -1, 0],
        [58, 1, 1, -1, -1, -1, -1, 1, 1, -1, -1, -1, -1, -1, 0],
    ]
    none = [[-1] * 14 + [0]]
    write(root, "labels/VID08.json", json.dumps({"annotations": {"0": first, "1": none}, "categories": names}))
    picture(root, "videos/VID08/000000.png")
    picture(root, "videos/VID08/000001.png", 20)


def kvasir_vqa(root: Path) -> None:
    write(
        root,
        "metadata.csv",
        "file_name,source,question,answer",
        "images/a1.jpg,polyps,How many polyps are in the image?,1",
        "images/a1.jpg,polyps,Is there text?,no",
        "images/a1.jpg,polyps,Where in the image is the abnormality?,center;lower-rigth",
        "images/a1.jpg,polyps,none,nan",
    )
    picture(root, "images/a1.jpg")


MAKERS: dict[str, Callable[[Path], None]] = {
    "endovis18-vqa": endovis18_vqa,
    "endovis18-vqa-sentence": endovis18_vqa_sentence,
    "endovis18-vqla": endovis18_vqla,
    "endovis17-vqla": endovis17_vqla,
    "cholec80-vqa": cholec80_vqa,
    "cholec80-vqa-sentence": cholec80_vqa_sentence,
    "ssg-vqa": ssg_vqa,
    "pitvqa": pitvqa,
    "psi-ava-vqa": psi_ava_vqa,
    "real-colon-vqa": real_colon_vqa,
    "surgvu": surgvu,
    "cholect50-vqa": cholect50,
    "kvasir-vqa": kvasir_vqa,
}
