import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from describer.eval.box_iou import paired_iou, pairwise_iou
from describer.eval.iou_legacy import iou_legacy


def boxes(seed, n, scale=1.0):
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.random((n, 2, 2)), axis=1)
    return scale * corners.reshape(n, 4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 1e4))
def test_agrees_with_pycocotools_at_any_scale(seed, scale):
    first, second = boxes(seed, 5, scale), boxes(seed + 1, 4, scale)
    as_xywh = [np.hstack([b[:, :2], b[:, 2:] - b[:, :2]]) for b in (first, second)]
    wanted = coco_mask.iou(*as_xywh, np.zeros(4, np.uint8))
    np.testing.assert_allclose(pairwise_iou(first, second), wanted, atol=1e-9)
    np.testing.assert_allclose(paired_iou(first[:4], second), np.diag(wanted), atol=1e-9)


def test_boxes_without_area_or_without_number():
    assert pairwise_iou([(1, 1, 1, 1)], [(1, 1, 1, 1)]) == 0
    assert pairwise_iou([], [(0, 0, 1, 1)]).shape == (0, 1)


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ([(0, 0, 1)], [(0, 0, 1)], "shape"),
        ([(5, 5, 2, 2)], [(0, 0, 1, 1)], "is it .x, y, w, h."),
        ([(0, 0, 1, np.nan)], [(0, 0, 1, 1)], "x0 <= x1"),
        ([(0, 0, 1, 1)] * 2, [(0, 0, 1, 1)], "2 boxes against 1"),
    ],
)
@pytest.mark.parametrize("function", [paired_iou, iou_legacy])
def test_bad_input_is_named(function, first, second, why):
    with pytest.raises(ValueError, match=why):
        function(first, second)


def published(a, b):
    """The faulty function's arithmetic, one pair at a time."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    shared = width * height
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return shared / max(sum(areas) - shared, 1)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_legacy_is_the_published_arithmetic(scale):
    first, second = boxes(3, 50, scale), boxes(4, 50, scale)
    np.testing.assert_allclose(iou_legacy(first, second), [published(a, b) for a, b in zip(first, second)])


@pytest.mark.parametrize(
    ("first", "second", "legacy", "fault"),
    [
        (
            (0.4, 0.4, 0.5, 0.5),
            (0.5, 0.4, 0.6, 0.5),
            0.8333,
            "side by side, nothing shared: the +1 outweighs the boxes",
        ),
        ((0.2, 0.2, 0.4, 0.4), (0.5, 0.5, 0.7, 0.7), 0.3913, "apart, yet far from 0"),
        ((0, 0, 10, 10), (20, 20, 30, 30), 0.5031, "two gaps in px multiply to an overlap"),
        ((0, 0, 10, 10), (1000, 1000, 1010, 1010), 978121.0, "far above 1"),
    ],
)
def test_legacy_is_faulty(first, second, legacy, fault):
    assert paired_iou([first], [second]) == 0
    assert iou_legacy([first], [second])[0] == pytest.approx(legacy, abs=1e-4), fault


def test_legacy_flatters_guessing():
    """Boxes drawn at random, normalised: the right score is low, the published one looks like a result."""
    first, second = boxes(0, 2000), boxes(1, 2000)
    assert paired_iou(first, second).mean() < 0.2
    assert iou_legacy(first, second).mean() > 0.4
