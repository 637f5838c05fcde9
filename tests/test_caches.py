"""Training caches: reused when they hold what is asked for, refused or made again when they do not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from describer import caches
from describer.errors import OutputError
from describer.seg.data import CachedDataset
from describer.seg.synth.scene import CORE_NAMES
from describer.taxonomy import load_taxonomy

ACTIVITIES = load_taxonomy("core").activities


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "CACHE_HW", (96, 120))


def test_rendered_shards_are_kept_and_other_seeds_refused(tmp_path: Path) -> None:
    told: list[int] = []
    for _ in range(2):
        caches.rendered_cache(tmp_path / "a", 7, 3, CORE_NAMES, ACTIVITIES, progress=told.append, workers=1)
    assert told == [3] and len(CachedDataset(tmp_path / "a")) == 3
    with pytest.raises(OutputError, match="other seeds"):
        caches.rendered_cache(tmp_path / "a", 8, 3, CORE_NAMES, ACTIVITIES)


def test_frames_of_tools_have_no_activity_and_are_another_origin(tmp_path: Path) -> None:
    folder = caches.rendered_cache(tmp_path / "a", 7, 2, CORE_NAMES, ACTIVITIES, caches.TOOLS, workers=1)
    data = CachedDataset(folder)
    assert [data[i].activity for i in range(2)] == [-1, -1]
    with pytest.raises(OutputError, match="other seeds"):
        caches.rendered_cache(tmp_path / "a", 7, 2, CORE_NAMES, ACTIVITIES)


def test_real_caches_are_made_again_for_another_index(tmp_path: Path) -> None:
    def index(name: str, count: int) -> Path:
        folder = tmp_path / name / "gae"
        folder.mkdir(parents=True)
        entries = []
        for i in range(count):
            Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(folder / f"{i}.png")
            Image.fromarray(np.eye(40, 50, dtype=np.uint8) * 255).save(folder / f"{i}_mask.png")
            entry = {"file": f"gae/{i}.png", "mask": f"gae/{i}_mask.png", "type": "image", "sequence": "Testing"}
            entries.append(entry)
        path = tmp_path / name / "index.json"
        path.write_text(json.dumps(entries))
        return path

    cache = tmp_path / "cache"
    for path, count in ((index("one", 1), 1), (index("two", 2), 2)):
        found = caches.real_caches(cache, path, "train", CORE_NAMES, ACTIVITIES)
        assert len(CachedDataset(found["gae"])) == count
