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


def test_frames_of_another_size_are_refused_and_real_ones_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches.rendered_cache(tmp_path / "a", 7, 2, WORDS, workers=1)
    index = _index(tmp_path, 1)
    caches.real_caches(tmp_path / "real", index, "train", WORDS)
    monkeypatch.setattr(caches, "CACHE_HW", (80, 100))
    with pytest.raises(OutputError, match="another size"):
        caches.rendered_cache(tmp_path / "a", 7, 2, WORDS)
    found = caches.real_caches(tmp_path / "real", index, "train", WORDS)
    assert CachedDataset(found["gae"])[0].image.shape == (80, 100, 3)


def test_frames_of_tools_have_no_activity_and_are_another_origin(tmp_path: Path) -> None:
    folder = caches.rendered_cache(tmp_path / "a", 7, 2, WORDS, caches.TOOLS, workers=1)
    data = CachedDataset(folder)
    assert [data[i].activity for i in range(2)] == [-1, -1]
    with pytest.raises(OutputError, match="other seeds"):
        caches.rendered_cache(tmp_path / "a", 7, 2, WORDS)


def _index(folder: Path, count: int) -> Path:
    """``count`` pictures of a source, each brighter than the one before."""
    (folder / "gae").mkdir(parents=True)
    entries = []
    for i in range(count):
        Image.fromarray(np.full((40, 50, 3), 90 + 10 * i, np.uint8)).save(folder / f"gae/{i}.png")
        Image.fromarray(np.eye(40, 50, dtype=np.uint8) * 255).save(folder / f"gae/{i}_mask.png")
        entry = {"file": f"gae/{i}.png", "mask": f"gae/{i}_mask.png", "type": "image", "sequence": "Testing"}
        entries.append(entry)
    (folder / "index.json").write_text(json.dumps(entries))
    return folder / "index.json"


def test_real_caches_are_made_again_for_another_index(tmp_path: Path) -> None:
    for name, count in (("one", 1), ("two", 2)):
        found = caches.real_caches(tmp_path / "cache", _index(tmp_path / name, count), "train", WORDS)
        assert len(CachedDataset(found["gae"])) == count


def test_fewer_real_frames_are_spread_over_their_source(tmp_path: Path) -> None:
    index = _index(tmp_path, 7)
    for most, wanted in ((3, [0, 2, 4]), (9, [*range(7)]), (None, [*range(7)])):
        data = CachedDataset(caches.real_caches(tmp_path / "cache", index, "train", WORDS, most)["gae"])
        assert [round((data[i].image.mean() - 90) / 10) for i in range(len(data))] == wanted


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


def test_rendered_scenes_tell_the_looks_of_every_part(tmp_path: Path) -> None:
    data = CachedDataset(caches.rendered_cache(tmp_path / "a", 7, 3, WORDS, "mixed", workers=1))
    for i in range(3):
        row = data[i]
        assert row.parts is not None and (row.view >= 0).all()
        known = int(row.parts.max())
        assert known and (row.looks[:known] >= 0).all() and (row.looks[known:] == -1).all()
        # A part is of one instrument or one tissue: labels do not change within it.
        assert all(len(np.unique(row.labels[row.parts == k])) <= 2 for k in range(1, known + 1))


def test_frames_of_tools_do_not_say_what_is_done(tmp_path: Path) -> None:
    data = CachedDataset(caches.rendered_cache(tmp_path / "a", 7, 2, WORDS, caches.TOOLS, workers=1))
    for i in range(2):
        assert (data[i].tool_labels[:, 0] > 0).any() and (data[i].tool_labels[:, 1:] == -1).all()
