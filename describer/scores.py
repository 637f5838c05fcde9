"""The numbers on the model cards: each is measured here, on seeds or splits never trained on, with its n."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from describer.eval.truth import appearance_scores, entity_f1, run_summary
from describer.instructions import Told, told_frames
from describer.pipeline import Describer
from describer.prompts.sentences import region_sentence, scene_sentence
from describer.seg.truth import true_scene
from describer.taxonomy import Taxonomy
from describer.types import Frame

HELD_OUT_VLM_SEED = 950_000_000


def language_scores(
    describer: Describer, n: int, first_seed: int = HELD_OUT_VLM_SEED, black: bool = False
) -> dict[str, Any]:
    """Scores of the language model on ``n`` held-out rendered frames with predicted masks.

    Against the scene it was given: entity F1, hallucination, omission, contradictions. Against the true
    scene: entity F1 of the summary. Appearance words against what was rendered. ``black`` blanks every
    picture (the control): what is still right then was guessed, not seen.
    """
    told = list(told_frames(first_seed, n, str(describer.scene_model.folder)))
    shown = [_blank(t.frame) if black else t.frame for t in told]
    scenes = [t.scene.unseen() if black else t.scene for t in told]  # its looks are those of the picture, too
    records = [describer.annotate_frames([frame], [scene])[0] for frame, scene in zip(shown, scenes)]
    said, given, seen = [], [], []
    summaries = []
    for t, record in zip(told, records):
        for d in record.descriptions:
            said.append(d.text)
            if d.region_id is None:
                given.append(scene_sentence(t.scene, t.rendered.view))
                summaries.append(d.text)
                continue
            looks = t.looks.get(d.region_id)
            given.append(region_sentence(t.scene, d.region_id, looks))
            if looks is not None:
                seen.append((d.text, looks))
    return {
        "n_frames": n,
        "n_texts": len(said),
        "entity": entity_f1(said, given, describer.taxonomy),
        "entity_true_scene": entity_f1(summaries, _true_summaries(told, describer.taxonomy), describer.taxonomy),
        "exact_share": round(float(np.mean([a == b for a, b in zip(said, given)])), 4),
        "appearance": appearance_scores([text for text, _ in seen], [looks for _, looks in seen]),
        **run_summary(records),
    }


def _true_summaries(told: Sequence[Told], taxonomy: Taxonomy) -> list[str]:
    return [scene_sentence(true_scene(t.rendered, taxonomy)[0], t.rendered.view) for t in told]


def _blank(frame: Frame) -> Frame:
    return replace(frame, image=np.zeros_like(frame.image))
