"""PSI-AVA-VQA: locations, actions, phases and steps of prostatectomy (Seenivasan et al., SurgicalGPT, MICCAI 2023).

ROOT/{Train,Val}/{C1_location,C2_action,C3_phase,C4_step}.txt, a line `picture|question|answer`, on ROOT/keyframes/.
Actions are lists as Python prints them; phases and steps are named in Spanish, here in English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from describer.vqa_sets.lines import plain, read_lines
from describer.vqa_sets.question import Question, QuestionSet

_FILES = {"C1_location": "location", "C2_action": "action", "C3_phase": "phase", "C4_step": "step"}
_PLACES = {
    "top left": "upper left",
    "top right": "upper right",
    "bottom left": "lower left",
    "bottom right": "lower right",
}
_PHASES = {
    "Complejo_venoso_dorsal": "dorsal venous complex",
    "Control_Pediculos": "pedicle control",
    "Espacio_de_Retzius": "retzius space",
    "Fascia_Denonvilliers": "denonvilliers fascia",
    "Id_Cuello_Vesical": "identification of the bladder neck",
    "LPAD": "right pelvic lymphadenectomy",
    "LPAI": "left pelvic lymphadenectomy",
    "Rec_Cuello_Vesical": "bladder neck reconstruction",
    "Separacion_Prostata_Uretra": "severing the prostate from the urethra",
    "Tiempo_muerto": "idle",
    "Vesículas_Seminales": "seminal vesicles",
}
_STEPS = {
    "Anudar": "tying a suture",
    "Clip_Pediculos": "clipping the pedicles",
    "Corte": "cutting",
    "Corte_Prostata": "cutting the prostate",
    "Corte_Vejiga": "cutting the bladder",
    "Diseccion_Denon": "denonvilliers dissection",
    "Diseccion_Ganglios_Iliacos": "dissection of iliac lymph nodes",
    "Diseccion_Ganglios_Obturadores": "dissection of obturator lymph nodes",
    "Diseccion_Prevesical": "prevesical dissection",
    "Diseccion_Prostata": "prostate dissection",
    "Diseccion_Seminal": "seminal vesicle dissection",
    "Empacar_Ganglios": "packing the lymph nodes",
    "Empacar_Prostata": "packing the prostate",
    "Halar_sutura": "pulling the suture",
    "Id_Vena_Arteria_Iliaca": "identification of the iliac vein and artery",
    "Pasar_Aguja_Cuello": "passing the needle through the bladder neck",
    "Pasar_Aguja_Cvdp": "passing the needle through the dorsal venous complex",
    "Pasar_Aguja_Uretra": "passing the needle through the urethra",
    "Succion": "suction",
    "Sujetar_Prostata": "holding the prostate",
    "Tiempo_muerto": "idle",
}
_ACTIONS = (
    "cauterize", "close", "close something", "cut", "grasp", "hold", "open", "open something", "pull", "push",
    "release", "staple", "still", "suction", "travel", "wash",
)  # fmt: skip
_WORDS = {**_PLACES, **_PHASES, **_STEPS}
_CHOICES = {
    "location": tuple(_PLACES.values()),
    "action": _ACTIONS,
    "phase": tuple(_PHASES.values()),
    "step": tuple(_STEPS.values()),
}


def _read(root: Path, reading: str) -> Iterator[Question]:
    for folder, split in (("Train", "train"), ("Val", "val")):
        for stem, kind in _FILES.items():
            path = root / folder / f"{stem}.txt"
            for number, (picture, asked, answer, *_) in read_lines(path, 3) if path.is_file() else ():
                yield Question(
                    id=f"{split}/{stem}/{number}",
                    frames=(f"keyframes/{picture}",),
                    video=picture.split("/")[0],
                    text=asked,
                    answers=_answers(answer, kind),
                    type=kind,
                    split=split,
                    choices=_CHOICES[kind],
                )


def _answers(answer: str, kind: str) -> tuple[str, ...]:
    if kind == "action":
        return ("; ".join(part.lower() for part in re.findall(r"'([^']+)'", answer)) or plain(answer), answer)
    return tuple(dict.fromkeys((_WORDS.get(answer, plain(answer)), answer)))


DATASET = QuestionSet(
    name="psi-ava-vqa",
    title="PSI-AVA-VQA: robotic prostatectomy",
    layout="{Train,Val}/C1_location.txt, C2_action.txt, C3_phase.txt, C4_step.txt and keyframes/",
    marks=("Train/C?_*.txt | Val/C?_*.txt",),
    read=_read,
    splits="by folder, the authors'",
    notes="An action is a list, right in any order; phases and steps are translated from Spanish.",
    words=_WORDS,
    core={"cauterize": "coagulate", "cut": "cut", "grasp": "grasp", "suction": "aspirate"},
)
