"""Composited training caches: only training frames are pasted on or cut from, and what is unknown stays unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from describer import caches, composites
from describer.errors import InputError, OutputError
from describer.seg.codes import REST, SOME_INSTRUMENT
from describer.seg.data import CachedDataset
from describer.seg.vocabulary import Vocabulary
from describer.taxonomy import load_taxonomy

WORDS = Vocabulary.of(load_taxonomy("core"))
HW = (96, 120)
# Of the picture's blue channel, by which a frame's background is known again.
TRAIN, HELD = 60, 200


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(caches, "CACHE_HW", HW)
        patch.setattr(composites, "_RENDERED", {caches.TOOLS: 4, "colonoscopy": 2})
        yield


def index_of(root: Path) -> Path:
    """Frames of a training and a held-out operation, tool masks of a training folder and of two for evaluation only."""

    def entry(file: str, blue: int, **more: object) -> dict[str, object]:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*HW, 3), (150, 100, blue), np.uint8)).save(path)
        return {"file": file, "type": "image", **more}

    tool = np.zeros(HW, np.uint8)
    tool[40:55, :70] = 255
    entries = []
    for operation, blue in (("VID74", TRAIN), ("VID68", HELD)):
        said = {"instrument": "hook", "verb": "dissect", "target": "liver", "phase": "preparation"}
        labels = [said | {"triplet": "hook,dissect,liver", "bbox_xywh_norm": [0.4, 0.4, 0.2, 0.2]}]
        entries.append(entry(f"cholect50val/{operation}/1.png", blue, sequence=operation, labels=labels))
    entries.append(entry("gae/Testing/1.png", TRAIN, sequence="Testing", mask="gae/Testing/1_mask.png"))
    Image.fromarray(tool).save(root / "gae/Testing/1_mask.png")
    for folder in ("endovis15_rigid", "artnet"):
        entries.append(entry(f"{folder}/1.png", HELD, mask="gae/Testing/1_mask.png", mask_legend={"0": "liver"}))
    path = root / "index.json"
    path.write_text(json.dumps(entries))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> CachedDataset:
    root = tmp_path_factory.mktemp("composites")
    return CachedDataset(composites.composited_cache(root / "c", index_of(root), 30, 5, WORDS, workers=1))


def test_only_training_frames_are_used(made: CachedDataset) -> None:
    assert len(made) == 30
    for k in range(30):
        sample = made[k]
        untouched = sample.labels == REST
        # Smoke and shadows move a channel, but never to the other side.
        assert np.median(sample.image[untouched][:, 2]) < (TRAIN + HELD) / 2


def test_of_an_unlabelled_background_only_what_was_pasted_is_said(made: CachedDataset) -> None:
    seen = set()
    for k in range(30):
        sample = made[k]
        codes = set(np.unique(sample.labels).tolist())
        instruments = codes & {*range(1, 10), SOME_INSTRUMENT}
        assert instruments and sample.activity == -1
        assert codes - instruments <= {REST}
        # The tool mask may hold several instruments; those of the operation are listed beside what was pasted.
        assert sample.tools_known != sample.annotated[1:10].all()
        seen |= instruments
    assert len(seen) > 2 and SOME_INSTRUMENT in seen


def test_tools_of_the_background_stay_listed_unless_covered(made: CachedDataset) -> None:
    hook = (WORDS.classes.index("hook"), WORDS.verbs.index("dissect") + 1, WORDS.targets.index("liver") + 1)
    counted = {True: 0, False: 0}
    for k in range(30):
        sample = made[k]
        if sample.tools_known:
            listed = hook in [tuple(ids) for ids in sample.tool_labels.tolist()]
            covered = (sample.labels[38:58, 48:72] != REST).mean() >= 0.5
            counted[listed] += 1
            assert listed != covered
            pasted = np.isfinite(sample.tool_boxes_xyxy[:, 0]).sum() - listed
            assert pasted >= len(set(np.unique(sample.labels).tolist()) - {REST})
    assert counted[True] > 3


def test_the_same_seed_gives_the_same_shards_and_another_is_refused(made: CachedDataset, tmp_path: Path) -> None:
    index = made.folder.parent / "index.json"
    again = CachedDataset(composites.composited_cache(tmp_path / "d", index, 30, 5, WORDS, workers=1))
    assert all(np.array_equal(again[k].image, made[k].image) for k in range(30))
    told: list[int] = []
    composites.composited_cache(made.folder, index, 30, 5, WORDS, told.append, workers=1)
    assert told == []
    with pytest.raises(OutputError, match="delete it"):
        composites.composited_cache(made.folder, index, 30, 6, WORDS)


def test_an_index_without_training_frames(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    path.write_text("[]")
    with pytest.raises(InputError, match="no training frames"):
        composites.composited_cache(tmp_path / "c", path, 3, 0, WORDS)
