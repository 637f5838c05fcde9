"""COCO files against pycocotools, which everybody reads them with."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from describer.export.coco import to_coco
from describer.frames import as_frame
from describer.taxonomy import load_taxonomy
from tests.demo.fake import FakeDescriber
from tests.scenes import random_scene

CORE = load_taxonomy("core")


@pytest.mark.parametrize("seed", range(4))
def test_pycocotools_reads_back_masks_boxes_and_labels(tmp_path, seed):
    rng = np.random.default_rng(seed)
    frames = [as_frame(np.full((128, 160, 3), i, np.uint8), source=f"{i}.png") for i in range(3)]
    made = FakeDescriber().annotate_frames(frames, [random_scene(rng) for _ in frames])
    (tmp_path / "coco.json").write_text(json.dumps(to_coco(made, CORE)))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "coco.json"))
    assert [coco.imgs[i]["file_name"] for i in sorted(coco.imgs)] == ["0.png", "1.png", "2.png"]
    for image_id, annotation in enumerate(made, start=1):
        objects = coco.loadAnns(coco.getAnnIds(imgIds=image_id))
        assert len(objects) == len(annotation.scene.regions)
        for entry, region in zip(objects, annotation.scene.regions):
            assert np.array_equal(coco.annToMask(entry).astype(bool), region.mask.to_array())
            x, y, width, height = entry["bbox"]
            assert (x, y, x + width, y + height) == region.box_xyxy
            assert entry["area"] == np.count_nonzero(region.mask.to_array())
            category = coco.cats[entry["category_id"]]
            assert (category["name"], category["supercategory"]) == (region.label, region.kind)


def test_categories_are_the_same_in_every_file_and_the_use_is_said():
    assert to_coco([], CORE)["categories"] == to_coco([], load_taxonomy("core"))["categories"]
    assert to_coco([], CORE)["info"]["description"] == "For research and annotation, not for clinical decisions."
