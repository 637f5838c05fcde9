"""`describer bench vqa`: questions on held-out rendered frames, in wordings that no training saw.

The questions follow from what was rendered and are asked of the picture: what the scene model misses is missed here.
They are scored against that truth, beside the controls, and once more against the scene that the answers were given
from ("given": questions made from the found scene, to which what was rendered adds only the looks).
"""

from __future__ import annotations

import functools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from describer.controls import control_report, unseen_chat
from describer.eval.answers import number_of
from describer.eval.calibration import calibration_scores
from describer.instructions import Told, told_frames
from describer.masks import iou
from describer.messages import Chat
from describer.pipeline import Describer
from describer.prompts.build import PromptOptions, question_chat
from describer.prompts.questions import QA, TYPES, drawn, questions
from describer.scores import HELD_OUT_VLM_SEED
from describer.seg.truth import appearances, visible_tips
from describer.taxonomy import Taxonomy
from describer.types import Answer, Frame, Scene
from describer.vqa import Opened, Question, answer_all, same_meaning

FIRST_SEED = HELD_OUT_VLM_SEED + 10_000_000
_SAME_REGION = 0.3  # mask IoU
_COUNTS = ("count", "count kinds", "hop count")
_PLACED = ("location", "relation")
_TIMED = (
    *("Which instruments are in view?", "How many instruments are there?", "Which tissues are in view?"),
    *("What is the surgeon doing?", "Is there smoke?", "Is the view bloody?", "Is the view sharp?"),
    *("What is in the center?", "Which tissue is largest?", "Is the lens dirty?"),
)


@dataclass(frozen=True, slots=True)
class _Case:
    """A question on a frame, by its number, and how its region ids read in the scene that answers."""

    frame: int
    qa: QA
    region: int | None
    true_scene: Scene


def vqa_bench(
    describer: Describer,
    n_frames: int,
    per_frame: int = 6,
    first_seed: int = FIRST_SEED,
    progress: Callable[[str], object] = lambda told: None,
) -> dict[str, Any]:
    """Scores as JSON values: against the truth with its controls, against the given scene, and what ten questions cost.

    A question that points at a region is asked of the found region there; where none was found it is left out.
    """
    told = list(told_frames(first_seed, n_frames))
    progress("frames rendered")
    found = describer.find_scenes([one.frame for one in told])
    progress("scenes found")
    truth = _cases(told, [one.scene for one in told], found, describer.taxonomy, per_frame)
    given = _cases(told, found, found, describer.taxonomy, per_frame)
    said = _asked(describer, told, found, truth)
    progress("asked")
    report = _scored(said, truth, found, describer.taxonomy)
    report["controls"] = _controls(describer, told, found, truth, said)
    progress("controls asked")
    said_given = _asked(describer, told, found, given)
    return {
        "frames": n_frames,
        "wordings": "unseen",
        "truth": report,
        "given": _scored(said_given, given, found, describer.taxonomy),
        "cost": ten_against_one(describer, told[0].frame),
    }


def _cases(
    told: Sequence[Told], asked_of: Sequence[Scene], answering: Sequence[Scene], taxonomy: Taxonomy, per_frame: int
) -> list[_Case]:
    cases = []
    for i, (one, scene, answers) in enumerate(zip(told, asked_of, answering)):
        rng = np.random.default_rng([one.frame.ref.index, 11])
        looks, tips = appearances(scene, one.rendered), visible_tips(scene, one.rendered)
        made = questions(scene, looks, one.rendered.view, rng, tips=tips, taxonomy=taxonomy, split="unseen")
        for qa in drawn(made, per_frame, rng):
            region = None if qa.about is None else _match(scene, qa.about, answers)
            if qa.about is None or region is not None:
                cases.append(_Case(i, qa, region, scene))
    return cases


def _match(scene: Scene, region_id: int, other: Scene) -> int | None:
    """The region of another scene of the same frame that is the same thing, None where nothing is."""
    if scene is other:
        return region_id
    mask = scene.region(region_id).mask.to_array()
    overlaps = [(iou(mask, region.mask.to_array()), region.id) for region in other.regions]
    best = max(overlaps, default=(0.0, 0))
    return best[1] if best[0] >= _SAME_REGION else None


def _asked(describer: Describer, told: Sequence[Told], scenes: Sequence[Scene], cases: Sequence[_Case]) -> list[Answer]:
    triples = [(told[c.frame].frame, scenes[c.frame], Question(c.qa.question, c.region)) for c in cases]
    return answer_all(describer, triples)


def _scored(
    said: Sequence[Answer], cases: Sequence[_Case], scenes: Sequence[Scene], taxonomy: Taxonomy
) -> dict[str, Any]:
    right = [_right(answer.text, case, taxonomy) for answer, case in zip(said, cases)]
    by_type = {
        name: _share([ok for ok, case in zip(right, cases) if case.qa.type == name])
        for name in TYPES
        if any(case.qa.type == name for case in cases)
    }
    close = [_close(answer.text, case.qa.answer) for answer, case in zip(said, cases) if case.qa.kind in _COUNTS]
    placed = [
        _right_regions(answer, case, scenes[case.frame])
        for answer, case in zip(said, cases)
        if case.qa.type in _PLACED and case.qa.region_ids
    ]
    sure = [answer.confidence or 0.0 for answer in said]
    curve = calibration_scores(sure, [bool(ok) for ok in right])
    return {
        "accuracy": _share(right),
        "by_type": by_type,
        "counts_within_1": _share(close),
        "regions_right": _share(placed),
        "regions_exist": _share([_exist(answer, scenes[case.frame]) for answer, case in zip(said, cases)]),
        "answered_by_scene": _share([float(answer.scene_answer is not None) for answer in said]),
        "risk": {
            "all": round(1 - float(np.mean(right)), 4),
            "at 80 %": round(curve.risk[int(0.8 * len(right)) - 1], 4),
        },
        "auroc": round(curve.auroc, 4),
        "model_alone": _share([_right(answer.model_answer or "", case, taxonomy) for answer, case in zip(said, cases)]),
        "wrong": _kinds_wrong(right, cases),
    }


def _share(values: Sequence[float]) -> dict[str, float]:
    return {"share": round(float(np.mean(values)), 4) if values else 0.0, "n": len(values)}


def _kinds_wrong(right: Sequence[float], cases: Sequence[_Case]) -> dict[str, str]:
    """Each kind with its wrong answers and n, the most wrong ones first."""
    kinds: dict[str, list[float]] = defaultdict(list)
    for ok, case in zip(right, cases):
        kinds[case.qa.kind].append(1 - ok)
    ranked = sorted(kinds.items(), key=lambda entry: -sum(entry[1]))
    return {kind: f"{sum(wrong):.0f} of {len(wrong)}" for kind, wrong in ranked if sum(wrong)}


def _right(text: str, case: _Case, taxonomy: Taxonomy) -> float:
    return float(same_meaning(text, case.qa.answer, taxonomy, case.qa.kind))


def _close(text: str, reference: str) -> float:
    said, true = number_of(text), number_of(reference)
    return float(said is not None and true is not None and abs(said - true) <= 1)


def _exist(answer: Answer, scene: Scene) -> float:
    return float(set(answer.region_ids) <= {region.id for region in scene.regions})


def _right_regions(answer: Answer, case: _Case, scene: Scene) -> float:
    """Whether the answer's regions are exactly those of the true answer, by mask."""
    matched = {_match(case.true_scene, i, scene) for i in case.qa.region_ids}
    return float(None not in matched and set(answer.region_ids) == matched)


def _controls(
    describer: Describer, told: Sequence[Told], scenes: Sequence[Scene], cases: Sequence[_Case], said: Sequence[Answer]
) -> dict[str, Any]:
    black = replace(told[0].frame, image=np.zeros_like(told[0].frame.image))
    dark = describer.find_scenes([black])[0]
    unseen = [replace(case, region=None) for case in cases]
    plain = [Question(case.qa.question) for case in cases]
    shifted = [replace(case, frame=(case.frame + 1) % len(told)) for case in unseen]
    chats = [unseen_chat(describer, functools.partial(_chat, case.qa.question)) for case in cases]
    blind = describer.vlm.generate(chats, describer.generation)
    answers = {
        "black image": [a.text for a in answer_all(describer, [(black, dark, q) for q in plain])],
        "another frame's image": [a.text for a in _asked(describer, told, scenes, shifted)],
        "no image, no facts": [generated.text for generated in blind],
        "constant answer a kind": _constants(cases),
    }

    def score(texts: Sequence[str]) -> list[float]:
        return [_right(text, case, describer.taxonomy) for text, case in zip(texts, cases)]

    frames = [str(case.frame) for case in cases]
    found = control_report([a.text for a in said], answers, None, score, frames, {})
    rows = {c.name: {"accuracy": round(c.score.value, 4), "margin": str(c.margin.difference)} for c in found.controls}
    margin = round(found.model.value - found.best.score.value, 4)
    return {**rows, "best": found.best.name, "margin": margin, "n": len(cases)}


def _chat(question: str, frame: Frame, scene: Scene, options: PromptOptions) -> Chat:
    return question_chat(frame, scene, question, options)


def _constants(cases: Sequence[_Case]) -> list[str]:
    by_kind: Mapping[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        by_kind[case.qa.kind][case.qa.answer] += 1
    return [by_kind[case.qa.kind].most_common(1)[0][0] for case in cases]


def ten_against_one(describer: Describer, frame: Frame) -> dict[str, float]:
    """What one question and ten on one frame cost, scene model included, at best of three: seconds and their ratio.

    The processor's seconds say the same on a busy machine, those of the clock on an accelerator.
    """

    def best(count: int) -> tuple[float, float]:
        taken = []
        for _ in range(3):
            start, worked = time.perf_counter(), time.process_time()
            Opened(describer, frame, describer.find_scenes([frame])[0]).ask_all(_TIMED[:count])
            taken.append((time.perf_counter() - start, time.process_time() - worked))
        return min(wall for wall, _ in taken), min(cpu for _, cpu in taken)

    best(1)
    (one, one_cpu), (ten, ten_cpu) = best(1), best(len(_TIMED))
    return {
        "one_s": round(one, 3),
        "ten_s": round(ten, 3),
        "ratio": round(ten / one, 2),
        "one_cpu_s": round(one_cpu, 3),
        "ten_cpu_s": round(ten_cpu, 3),
        "cpu_ratio": round(ten_cpu / max(one_cpu, 1e-9), 2),
    }
