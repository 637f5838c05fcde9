"""Instruction data of the embedded language model: rendered frames, scenes true or as predicted, true answers.

Geometry in an answer is that of the scene which the prompt holds, so that the model learns to trust its
facts; how things look comes from what was rendered, so that it must learn to look.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from describer.geometry import make_region
from describer.messages import Text
from describer.prompts.build import PromptOptions, question_chat, region_chat, scene_chat
from describer.prompts.questions import drawn, questions
from describer.prompts.sentences import region_sentence, scene_sentence
from describer.seg.synth import render
from describer.seg.synth.scene import SynthFrame
from describer.seg.truth import appearances, true_scene, visible_tips
from describer.synthesis import parallel
from describer.taxonomy import load_taxonomy
from describer.types import KINDS, Activity, Appearance, Frame, FrameRef, Scene
from describer.vlm.samples import Sample

FRAME_WH = (640, 512)
CHUNK = 100
# Regions with something to see on them are rare and all told; of the plain ones a few are enough.
_REGIONS = 6
_PLAIN_REGIONS = 3
_QUESTIONS = 6
# A summary is one sample of ten and the longest list to copy: other scenes on the same picture make it more. What their
# facts say is not what the picture shows, so the picture cannot stand in for reading them.
_OTHER_SCENES = 4
_KEPT = 0.65
_TURNED = 0.5
_PHASED = 0.3
_NO_HASH = "0" * 64


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """A rendered frame with the scene to speak of and what is true to say of its looks."""

    frame: Frame
    scene: Scene
    looks: Mapping[int, Appearance]
    rendered: SynthFrame


def told_frames(first_seed: int, n: int, scene_model: str | None = None) -> Iterator[Told]:
    """Frames of seeds ``first_seed``...: with their true scenes, or with those that a scene model predicts."""
    taxonomy = load_taxonomy("core")
    predict: Callable[[np.ndarray], Scene] | None = None
    if scene_model is not None:
        from describer.seg.predict import ScenePredictor

        predictor = ScenePredictor.load(scene_model)
        predict = lambda image: predictor.predict([image])[0]  # noqa: E731
    for seed in range(first_seed, first_seed + n):
        rendered = render(seed, "mixed", FRAME_WH)
        frame = Frame(rendered.image, FrameRef(f"synth-{seed}", seed, None, FRAME_WH, _NO_HASH))
        if predict is None:
            scene, looks = true_scene(rendered, taxonomy)
        else:
            scene = predict(rendered.image)
            looks = appearances(scene, rendered)
        yield Told(frame, scene, looks, rendered)


def samples_of(told: Told, options: PromptOptions, rng: np.random.Generator) -> list[Sample]:
    """Some of a frame's regions (those whose looks are known), its summary and a few questions."""
    known = rng.permutation([r.id for r in told.scene.regions if r.id in told.looks])
    striking = [i for i in known if _striking(told.looks[int(i)])]
    plain = [i for i in known if not _striking(told.looks[int(i)])]
    chosen = sorted([*striking[:_REGIONS], *plain[:_PLAIN_REGIONS]][:_REGIONS])
    made = [
        Sample(
            region_chat(told.frame, told.scene, int(i), options),
            region_sentence(told.scene, int(i), told.looks[int(i)]),
        )
        for i in chosen
    ]
    view = told.rendered.view
    for scene in (told.scene, *(_other_scene(told.scene, rng) for _ in range(_OTHER_SCENES))):
        made.append(Sample(scene_chat(told.frame, scene, options), scene_sentence(scene, view)))
    return [*made, *_questions(told, options, rng)]


def _questions(told: Told, options: PromptOptions, rng: np.random.Generator) -> list[Sample]:
    """A few questions of different types, in wordings to train on."""
    scene = _in_a_phase(told, rng)
    asked = questions(scene, told.looks, told.rendered.view, rng, tips=visible_tips(scene, told.rendered))
    return [
        Sample(question_chat(told.frame, scene, qa.question, options, qa.shown), qa.answer)
        for qa in drawn(asked, _QUESTIONS, rng)
    ]


def _in_a_phase(told: Told, rng: np.random.Generator) -> Scene:
    """The scene, at times with a phase as the scene model finds them: rendered frames have none of their own."""
    if told.rendered.procedure != "laparoscopy" or rng.random() >= _PHASED:
        return told.scene
    phases = load_taxonomy("core").phases
    phase = Activity("phase", phases[int(rng.integers(len(phases)))], 0.9)
    known = [activity for activity in told.scene.activities if activity.level != "phase"]
    return replace(told.scene, activities=(*known, phase))


def _striking(look: Appearance) -> bool:
    """Whether there is more to say of a region than its colour."""
    return look.cover != "none" or look.glare or not look.sharp


def _other_scene(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene as if some of its regions had not been found, at times mirrored, at times under other names."""
    part = scene.only([region.id for region in scene.regions if rng.random() < _KEPT])
    if rng.random() < _TURNED:
        part = _mirrored(part)
    return _renamed(part, rng) if rng.random() < _TURNED else part


def _mirrored(scene: Scene) -> Scene:
    """Left for right. Who is left of whom is left out: no facts tell it."""
    regions = []
    for region in scene.regions:
        mask = np.ascontiguousarray(region.mask.to_array()[:, ::-1])
        turned = make_region(region.id, region.label, region.kind, mask, region.score, region.depth_rank)
        regions.append(replace(turned, appearance=region.appearance))
    relations = tuple(relation for relation in scene.relations if relation.predicate != "left of")
    return replace(scene, regions=tuple(regions), relations=relations)


def _renamed(scene: Scene, rng: np.random.Generator) -> Scene:
    """Every label another one of its kind."""
    taxonomy = load_taxonomy("core")
    names: dict[str, str] = {}
    for kind in KINDS:
        labels = [label.name for label in taxonomy.labels if label.kind == kind]
        names |= dict(zip(labels, rng.permutation(labels).tolist()))
    return replace(scene, regions=tuple(replace(region, label=names[region.label]) for region in scene.regions))


def corpus(first_seed: int, n: int, options: PromptOptions, workers: int | None = None) -> list[str]:
    """Prompt texts and answers of ``n`` rendered frames: what the tokenizer is trained on."""
    jobs = [(first_seed + k, min(25, n - k), options) for k in range(0, n, 25)]
    return [text for texts in parallel(_texts, jobs, workers or os.cpu_count() or 1) for text in texts]


def _texts(job: tuple[int, int, PromptOptions]) -> list[str]:
    first_seed, n, options = job
    texts = []
    for told in told_frames(first_seed, n):
        for sample in samples_of(told, options, np.random.default_rng(told.frame.ref.index)):
            parts = [p.text for message in sample.chat for p in message.parts if isinstance(p, Text)]
            texts += [*parts, sample.answer]
    return texts


def write_samples(
    folder: Path,
    first_seed: int,
    n: int,
    processor_folder: Path,
    options: PromptOptions,
    scene_model: str | None = None,
    progress: Callable[[int], object] | None = None,
    workers: int | None = None,
) -> list[Path]:
    """Tokenised sample caches of ``n`` frames, one folder a hundred; finished folders are kept."""
    jobs, folders = [], []
    for k in range(0, n, CHUNK):
        target = folder / f"chunk-{k // CHUNK:05d}"
        folders.append(target)
        if not (target / "index.npz").is_file():
            jobs.append((target, first_seed + k, min(CHUNK, n - k), processor_folder, options, scene_model))
    for count in parallel(_write_chunk, jobs, workers or os.cpu_count() or 1):
        if progress is not None:
            progress(count)
    return folders


def _write_chunk(job: tuple[Path, int, int, Path, PromptOptions, str | None]) -> int:
    target, first_seed, n, processor_folder, options, scene_model = job
    import torch
    from transformers import AutoProcessor

    from describer.vlm.sample_cache import CacheWriter, FastEncoder

    torch.set_num_threads(1)
    processor: Any = AutoProcessor.from_pretrained(processor_folder)
    with CacheWriter(target, FastEncoder(processor)) as writer:
        for told in told_frames(first_seed, n, scene_model):
            for sample in samples_of(told, options, np.random.default_rng([told.frame.ref.index, 3])):
                writer.add(sample)
    return n
