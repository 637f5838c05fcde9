"""Triplet AP of a scene model: right answers score 1, none found scores least, unlabelled frames do not count."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from describer.seg.actions import ToolScores
from describer.seg.data import CachedDataset, write_shard
from describer.seg.vocabulary import MAX_TOOLS, Vocabulary
from describer.triplets import triplet_ap

WORDS = Vocabulary(("background", "hook", "grasper", "liver"), verbs=("cut", "grasp"), targets=("liver", "fat"))
# Class, verb and target ids by frame; the third frame's verb is unknown.
LABELS = [[(1, 1, 1)], [(2, 2, 2), (1, 0, 0)], [(1, -1, 1)], []]


@pytest.fixture
def frames(tmp_path: Path) -> CachedDataset:
    labels = np.full((4, MAX_TOOLS, 3), -1, np.int16)
    for row, tools in enumerate(LABELS):
        for k, ids in enumerate(tools):
            labels[row, k] = ids
    images = np.zeros((4, 8, 8, 3), np.uint8)
    images[:] = np.arange(4)[:, None, None, None]
    write_shard(
        tmp_path / "frames",
        0,
        images,
        np.zeros((4, 8, 8)),
        activity=np.full(4, -1),
        annotated=np.ones((4, 4), bool),
        tool_boxes_xyxy=np.full((4, MAX_TOOLS, 4), np.nan),
        tool_labels=labels,
        tools_known=np.array([True, True, True, True]),
    )
    return CachedDataset(tmp_path / "frames")


def predictor(answer: Any, tools: Any = True) -> Any:
    config = SimpleNamespace(vocabulary=WORDS, instrument_classes=[1, 2])
    return SimpleNamespace(model=SimpleNamespace(config=config, tools=tools), tool_scores=answer)


def perfect(images: list[np.ndarray]) -> list[list[ToolScores]]:
    return [
        [ToolScores(np.eye(2)[k - 1], np.eye(3)[v], np.eye(3)[t]) for k, v, t in LABELS[int(image[0, 0, 0])]]
        for image in images
    ]


def test_right_answers_score_one(frames: CachedDataset) -> None:
    found = triplet_ap(predictor(perfect), frames)
    assert found is not None and found["ap"] == dict.fromkeys(("i", "v", "t", "iv", "it", "ivt"), 1.0)
    assert (found["n_frames"], found["n_triplets"], found["classes"]) == (3, 3, 3)


def test_finding_nothing_scores_by_chance(frames: CachedDataset) -> None:
    found = triplet_ap(predictor(lambda images: [[] for _ in images]), frames)
    assert found is not None and found["ap"]["ivt"] == pytest.approx(1 / 3)  # each triplet in one of three frames


def test_no_head_or_no_labels_is_no_score(frames: CachedDataset, tiny_unlabelled: CachedDataset) -> None:
    assert triplet_ap(predictor(perfect, tools=None), frames) is None
    assert triplet_ap(predictor(perfect), tiny_unlabelled) is None


@pytest.fixture
def tiny_unlabelled(tmp_path: Path) -> CachedDataset:
    images = np.zeros((1, 8, 8, 3))
    write_shard(tmp_path / "u", 0, images, np.zeros((1, 8, 8)), activity=np.zeros(1), annotated=np.ones((1, 4)))
    return CachedDataset(tmp_path / "u")
