"""A small labelled source that trainings of the scene model learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from describer.seg.data import write_shard


@pytest.fixture
def tiny_frames(tmp_path: Path) -> Path:
    """Eight frames of coloured blocks, four classes, two activities, in two shards, the second without depth."""
    rng = np.random.default_rng(0)
    labels = np.zeros((8, 64, 80), np.uint8)
    for i in range(8):
        labels[i, 10:40, 8 * (i % 4) : 8 * (i % 4) + 40] = 1 + i % 3
    images = np.array([[40, 40, 40], [200, 30, 30], [30, 200, 30], [30, 30, 200]], np.uint8)[labels]
    images = (images + rng.integers(0, 20, images.shape)).astype(np.uint8)
    activity, annotated = np.arange(8) % 3 - 1, np.ones((8, 4), bool)
    folder = tmp_path / "frames"
    half = [slice(0, 4), slice(4, 8)]
    for k, s in enumerate(half):
        depth = None if k else labels[s] + 1.0
        write_shard(folder, k, images[s], labels[s], activity=activity[s], annotated=annotated[s], depth=depth)
    return folder
