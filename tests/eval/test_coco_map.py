import contextlib
import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from describer.eval.coco_map import Detection, TrueObject, detection_scores
from describer.types import Mask
from tests.scenes import disc

KEYS = [
    "ap",
    "ap50",
    "ap75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "ar_1",
    "ar_10",
    "ar_100",
    "ar_small",
    "ar_medium",
    "ar_large",
]


def reference(detections, truth):
    """COCOeval's twelve numbers and its AP by label; its -1 as NaN."""
    images = sorted({thing.image for thing in (*detections, *truth)})
    labels = sorted({thing.label for thing in (*detections, *truth)})

    def entry(thing, i):
        row = {"id": i + 1, "image_id": images.index(thing.image) + 1, "category_id": labels.index(thing.label) + 1}
        if isinstance(thing.shape, Mask):
            return {**row, "segmentation": thing.shape.to_rle(), "area": thing.shape.area_px}
        x0, y0, x1, y1 = thing.shape
        return {**row, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}

    def real(thing, i):
        row = {**entry(thing, i), "iscrowd": int(thing.crowd)}
        return row if thing.area_px is None else {**row, "area": thing.area_px}

    masks = any(isinstance(thing.shape, Mask) for thing in (*detections, *truth))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": i + 1, "height": 128, "width": 160} for i in range(len(images))],
            "categories": [{"id": i + 1, "name": label} for i, label in enumerate(labels)],
            "annotations": [real(thing, i) for i, thing in enumerate(truth)],
        }
        coco.createIndex()
        found = COCO()
        if detections:
            found = coco.loadRes([{**entry(d, i), "score": d.score} for i, d in enumerate(detections)])
        judge = COCOeval(coco, found, "segm" if masks else "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    stats = [math.nan if value == -1 else value for value in judge.stats]
    known = {thing.label for thing in truth}
    precision = judge.eval["precision"][:, :, :, 0, 2]
    by_label = {}
    for k, label in enumerate(labels):
        values = precision[:, :, k]
        if label in known:
            by_label[label] = values[values > -1].mean() if (values > -1).any() else math.nan
    return stats, by_label


def assert_equal(detections, truth):
    ours = detection_scores(detections, truth)
    stats, by_label = reference(detections, truth)
    np.testing.assert_allclose([getattr(ours, key) for key in KEYS], stats, atol=1e-9)
    assert ours.ap_by_label == pytest.approx(by_label, abs=1e-9, nan_ok=True)
    return ours


def boxes(rng, images, n, low=4, high=140):
    for _ in range(n):
        x, y = rng.uniform(0, 200, 2)
        w, h = rng.uniform(low, high, 2)
        yield f"{rng.integers(images):03d}", "abc"[rng.integers(3)], (x, y, x + w, y + h)


def near(rng, shape, noise):
    x0, y0, x1, y1 = shape
    dx, dy, sx, sy = rng.normal(0, noise, 4)
    w, h = (x1 - x0) * math.exp(sx), (y1 - y0) * math.exp(sy)
    x, y = x0 + dx * (x1 - x0), y0 + dy * (y1 - y0)
    return x, y, x + w, y + h


def random_case(seed, n=40, images=6, ties=False):
    """Objects, some of them crowds; most are found more or less well, with false alarms among them."""
    rng = np.random.default_rng(seed)
    truth = [TrueObject(i, k, s, crowd=bool(rng.random() < 0.15)) for i, k, s in boxes(rng, images, n)]
    found = [(t.image, t.label, near(rng, t.shape, 0.1)) for t in truth for _ in range(rng.integers(3))]
    found += list(boxes(rng, images, n // 2))
    rng.shuffle(found)
    scores = rng.random(len(found))
    scores = np.round(scores, 1) if ties else scores
    return [Detection(*f, float(s)) for f, s in zip(found, scores)], truth


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("ties", [False, True])
def test_boxes_equal_pycocotools(seed, ties):
    scores = assert_equal(*random_case(seed, ties=ties))
    assert 0.05 < scores.ap < 0.95


def test_more_than_a_hundred_detections_of_a_label_in_an_image():
    scores = assert_equal(*random_case(0, n=220, images=1))
    assert scores.ar_1 < scores.ar_10 < scores.ar_100


def test_stated_areas_are_used():
    detections, truth = random_case(1)
    truth = [TrueObject(t.image, t.label, t.shape, area_px=50.0 * (i % 40), crowd=t.crowd) for i, t in enumerate(truth)]
    assert_equal(detections, truth)


def masks(rng, n):
    for _ in range(n):
        x, y, dx, dy = (int(rng.integers(*span)) for span in ((20, 140), (20, 108), (-4, 5), (-4, 5)))
        at, shifted, axes = (x, y), (x + dx, y + dy), (int(rng.integers(3, 45)), int(rng.integers(3, 45)))
        yield f"{rng.integers(4)}", "ab"[rng.integers(2)], disc(at, axes), disc(shifted, axes)


@pytest.mark.parametrize("seed", range(4))
def test_masks_equal_pycocotools(seed):
    rng = np.random.default_rng(seed)
    rows = list(masks(rng, 30))
    truth = [TrueObject(i, k, Mask.from_array(real), crowd=bool(rng.random() < 0.2)) for i, k, real, _ in rows]
    found = [Detection(i, k, Mask.from_array(mask), float(rng.random())) for i, k, _, mask in rows[:24]]
    assert 0.05 < assert_equal(found, truth).ap < 0.95


A, B, FAR = (0, 0, 50, 50), (100, 0, 150, 50), (200, 200, 250, 250)


@pytest.mark.parametrize(
    ("detections", "truth", "ap", "why"),
    [
        ([Detection("1", "a", A, 0.5)], [TrueObject("1", "a", A)], 1.0, "found"),
        ([], [TrueObject("1", "a", A)], 0.0, "missed"),
        ([Detection("1", "a", A, 0.5)], [TrueObject("2", "a", A)], 0.0, "in another image"),
        ([Detection("1", "b", A, 0.5)], [TrueObject("1", "a", A)], 0.0, "by another name"),
        ([Detection("1", "a", A, 0.5)] * 2, [TrueObject("1", "a", A)], 1.0, "a second time, after all are found"),
        (
            [Detection("1", "a", FAR, 0.9), Detection("1", "a", A, 0.5)],
            [TrueObject("1", "a", A)],
            0.5,
            "a false alarm first",
        ),
        (
            [Detection("1", "a", A, 0.5), Detection("1", "a", B, 0.9), Detection("1", "a", B, 0.8)],
            [TrueObject("1", "a", A), TrueObject("1", "a", B, crowd=True)],
            1.0,
            "a crowd takes any number and counts neither way",
        ),
        ([Detection("1", "a", A, 0.5)], [TrueObject("1", "a", A, crowd=True)], math.nan, "nothing but a crowd"),
        (
            [Detection("1", "a", A, 0.5)],
            [TrueObject("1", "a", A), TrueObject("1", "a", A, crowd=True)],
            1.0,
            "an object before a crowd",
        ),
        ([Detection("1", "a", A, 0.5)], [TrueObject("1", "a", A), TrueObject("1", "b", B)], 0.5, "one label of two"),
    ],
)
def test_cases_made_by_hand(detections, truth, ap, why):
    assert assert_equal(detections, truth).ap == pytest.approx(ap, nan_ok=True), why


def test_nothing_at_all_and_nothing_true():
    for detections in ([], [Detection("1", "a", A, 0.5)]):
        scores = detection_scores(detections, [])
        assert math.isnan(scores.ap) and scores.ap_by_label == {} and scores.n_objects == 0
    assert (scores.n_detections, scores.n_images) == (1, 1)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), factor=st.floats(0.1, 10))
def test_only_the_order_of_scores_counts(seed, factor):
    detections, truth = random_case(seed, n=12, images=2)
    changed = [Detection(d.image, d.label, d.shape, factor * d.score - 3) for d in detections]
    ours, theirs = detection_scores(changed, truth), detection_scores(detections, truth)
    np.testing.assert_array_equal([getattr(ours, k) for k in KEYS], [getattr(theirs, k) for k in KEYS])


def test_bad_input_is_named():
    mask = Mask.from_array(np.ones((2, 2), bool))
    with pytest.raises(ValueError, match="mix boxes with masks"):
        detection_scores([Detection("1", "a", mask, 0.5)], [TrueObject("1", "a", A)])
    with pytest.raises(ValueError, match="score nan"):
        Detection("1", "a", A, math.nan)
    with pytest.raises(ValueError, match="is it"):
        detection_scores([], [TrueObject("1", "a", (10, 10, 5, 5))])
