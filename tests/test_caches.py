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
from describer.seg.vocabulary import Vocabulary
from describer.taxonomy import load_taxonomy

WORDS = Vocabulary.of(load_taxonomy("core"))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "CACHE_HW", (96, 120))


def test_rendered_shards_are_kept_and_other_seeds_refused(tmp_path: Path) -> None:
    told: list[int] = []
    for _ in range(2):
        caches.rendered_cache(tmp_path / "a", 7, 3, WORDS, progress=told.append, workers=1)
    assert told == [3] and len(CachedDataset(tmp_path / "a")) == 3
    with pytest.raises(OutputError, match="other seeds"):
        caches.rendered_cache(tmp_path / "a", 8, 3, WORDS)


def test_frames_of_tools_have_no_activity_and_are_another_origin(tmp_path: Path) -> None:
    folder = caches.rendered_cache(tmp_path / "a", 7, 2, WORDS, caches.TOOLS, workers=1)
    data = CachedDataset(folder)
    assert [data[i].activity for i in range(2)] == [-1, -1]
    with pytest.raises(OutputError, match="other seeds"):
        caches.rendered_cache(tmp_path / "a", 7, 2, WORDS)


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
        found = caches.real_caches(cache, path, "train", WORDS)
        assert len(CachedDataset(found["gae"])) == count


def test_rendered_instruments_come_with_their_deeds(tmp_path: Path) -> None:
    folder = caches.rendered_cache(tmp_path / "a", 7, 8, WORDS, "laparoscopy", workers=1)
    data = CachedDataset(folder)
    rows = [data[i] for i in range(8)]
    for row in rows:
        assert row.tools_known
        for box, (kind, verb, target) in zip(row.tool_boxes_xyxy, row.tool_labels):
            assert np.isfinite(box).all() == (kind > 0)
            if kind > 0:
                x0, y0, x1, y1 = box.round().astype(int)
                assert (row.labels[y0:y1, x0:x1] == kind).any()  # its own pixels lie in its box
                assert verb >= 0 and (target > 0 or verb == 0 or target == -1)
    assert any((row.tool_labels[:, 1] > 0).any() for row in rows)


def test_frames_of_tools_do_not_say_what_is_done(tmp_path: Path) -> None:
    data = CachedDataset(caches.rendered_cache(tmp_path / "a", 7, 2, WORDS, caches.TOOLS, workers=1))
    for i in range(2):
        assert (data[i].tool_labels[:, 0] > 0).any() and (data[i].tool_labels[:, 1:] == -1).all()
