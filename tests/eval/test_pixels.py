"""The pixel metrics against plain loops over pixels and frames, on random masks with ignored and absent classes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from describer.eval.boundary_f import boundary_f, boundary_scores
from describer.eval.endovis_iou import endovis_scores
from describer.eval.segmentation import confusion, levelled_scores, segmentation_scores

CLASSES = 5
SMALL = settings(max_examples=20, deadline=None)


@st.composite
def frames(draw):
    """1 to 5 frames of one size: predictions of 5 classes, truth of those or 255; classes are often absent."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=6))
    few = draw(st.integers(1, CLASSES))
    ids = hnp.arrays(np.uint8, shape, elements=st.integers(0, few - 1))
    known = hnp.arrays(np.uint8, shape, elements=st.sampled_from([*range(few), 255, 255]))
    return draw(st.lists(st.tuples(ids, known), min_size=1, max_size=5))


def plain_miou(pairs):
    """mIoU and mean Dice by counting pixels in sets; None without a scored pixel."""
    ious, dices = [], []
    for c in range(CLASSES):
        hit = miss = false = 0
        for predicted, true in pairs:
            for p, t in zip(predicted.ravel().tolist(), true.ravel().tolist()):
                if t != 255:
                    hit += p == t == c
                    miss += t == c != p
                    false += p == c != t
        if hit + miss:
            ious.append(hit / (hit + miss + false))
            dices.append(2 * hit / (2 * hit + miss + false))
    return (np.mean(ious), np.mean(dices)) if ious else None


@SMALL
@given(frames(), st.integers(1, 3))
def test_levels_agree_with_plain_counting(pairs, n_videos):
    videos = [f"v{i % n_videos}" for i in range(len(pairs))]
    scores = levelled_scores([confusion(p, t, CLASSES) for p, t in pairs], videos)
    for score, wanted in (
        (scores.pooled, plain_miou(pairs)),
        *zip(scores.by_frame, (plain_miou([pair]) for pair in pairs)),
        *((s, plain_miou([q for q, v in zip(pairs, videos) if v == name])) for name, s in scores.by_video.items()),
    ):
        assert (score.miou, score.mean_dice) == pytest.approx(wanted or (0, 0))
        assert (score.n_px > 0) == (wanted is not None)
    frame_values = [value for value in (plain_miou([pair]) for pair in pairs) if value]
    assert (scores.frame_miou, scores.frame_dice) == pytest.approx(np.mean(frame_values or [(0, 0)], axis=0))
    assert scores.n_frames == len(frame_values)
    assert scores.pooled.n_px == sum(int((t != 255).sum()) for _, t in pairs)


def test_a_long_video_outweighs_a_short_one_only_when_pooled():
    good, bad = np.diag([50, 50]), np.array([[0, 50], [50, 0]])
    scores = levelled_scores([good, good, good, bad], ["long", "long", "long", "short"])
    assert (scores.video_miou, scores.frame_miou) == (0.5, 0.75)
    assert scores.pooled.miou == pytest.approx(150 / 250)
    with pytest.raises(ValueError, match="1 confusion matrices against 2 videos"):
        levelled_scores([good], ["a", "b"])


def plain_endovis(pairs):
    """Ch_IoU, ISI_IoU and mcIoU in the order of steps of ISINet's scorer, written anew."""
    challenge, isi = [], []
    by_class = {c: [] for c in range(1, CLASSES)}
    for predicted, true in pairs:
        all_ious, true_ious = [], []
        for c, found in by_class.items():
            ours, theirs = (predicted == c) & (true != 255), true == c
            if ours.any() or theirs.any():
                iou = (ours & theirs).sum() / (ours | theirs).sum()
                all_ious.append(iou)
                found.append(iou)
                if theirs.any():
                    true_ious.append(iou)
        challenge += [np.mean(true_ious)] if true_ious else []
        isi += [np.mean(all_ious)] if all_ious else []
    means = [np.mean(values) for values in by_class.values() if values]
    return [np.mean(values) if len(values) else 0.0 for values in (challenge, isi, means)]


@SMALL
@given(frames())
def test_endovis_scores_agree_with_the_steps_of_the_public_scorer(pairs):
    scores = endovis_scores([confusion(p, t, CLASSES) for p, t in pairs])
    assert [scores.ch_iou, scores.isi_iou, scores.mc_iou] == pytest.approx(plain_endovis(pairs))
    assert scores.isi_iou <= scores.ch_iou + 1e-12 or scores.n_isi > scores.n_ch or scores.n_ch == 0


@pytest.mark.parametrize(
    ("predicted", "true", "expected", "counted", "why"),
    [
        ([[1, 1, 0, 0]], [[1, 1, 0, 0]], (1, 1, 1), (1, 1, 1), "all right"),
        ([[1, 1, 2, 0]], [[1, 1, 0, 0]], (1, 0.5, 0.5), (1, 1, 2), "a class that is not there: Ch_IoU overlooks it"),
        ([[0, 0, 2, 0]], [[0, 0, 0, 0]], (0, 0, 0), (0, 1, 1), "an empty truth is left out of Ch_IoU"),
        ([[0, 0, 0, 0]], [[0, 0, 0, 0]], (0, 0, 0), (0, 0, 0), "nothing to find and nothing found: left out"),
        ([[0, 0, 0, 0]], [[1, 1, 2, 2]], (0, 0, 0), (1, 1, 2), "nothing found"),
    ],
)  # fmt: skip
def test_endovis_scores_of_single_frames(predicted, true, expected, counted, why):
    scores = endovis_scores([confusion(np.array(predicted), np.array(true), 3)])
    assert (scores.ch_iou, scores.isi_iou, scores.mc_iou) == expected, why
    assert (scores.n_ch, scores.n_isi, scores.n_classes) == counted, why


def test_endovis_mean_class_iou_weighs_classes_not_frames():
    right, wrong = np.array([[1, 0, 0], [0, 4, 0], [0, 0, 0]]), np.array([[1, 0, 0], [0, 0, 0], [4, 0, 0]])
    scores = endovis_scores([right, right, right, wrong])
    assert scores.ch_iou == 0.75
    assert scores.mc_iou == 0.5
    assert scores.class_iou[1:] == (1, 0) and math.isnan(scores.class_iou[0])
    with pytest.raises(ValueError, match="no frame"):
        endovis_scores([])


def plain_boundary_f(predicted, true, tolerance):
    """DAVIS' steps: outlines, each grown by a disc, then F."""
    height, width = true.shape
    radius = math.ceil(tolerance * math.hypot(height, width))

    def outline(mask):
        padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
        here = padded[:-1, :-1]
        return (here != padded[1:, :-1]) | (here != padded[:-1, 1:]) | (here != padded[1:, 1:])

    def grown(edge):
        out = np.zeros_like(edge)
        for y, x in np.argwhere(edge):
            ys, xs = np.ogrid[:height, :width]
            out |= (ys - y) ** 2 + (xs - x) ** 2 <= radius**2
        return out

    ours, theirs = outline(predicted), outline(true)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    precision, recall = (ours & grown(theirs)).sum() / ours.sum(), (theirs & grown(ours)).sum() / theirs.sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@SMALL
@given(st.integers(0, 10**6), st.floats(0.01, 0.4))
def test_boundary_f_agrees_with_growing_discs(seed, tolerance):
    rng = np.random.default_rng(seed)
    predicted, true = (np.kron(rng.random((5, 6)) < 0.4, np.ones((3, 3), bool)) for _ in range(2))
    assert boundary_f(predicted, true, tolerance) == pytest.approx(plain_boundary_f(predicted, true, tolerance))


def test_boundary_f_sees_a_lost_thin_tip_that_iou_does_not():
    true = np.zeros((200, 200), np.uint8)
    true[60:140, 20:120] = 1
    true[98:102, 120:190] = 1
    cut = true.copy()
    cut[:, 120:] = 0
    iou = segmentation_scores(confusion(cut, true, 2)).iou[1]
    assert iou > 0.96
    assert boundary_scores(cut, true, 2).by_class[1] < 0.85
    assert boundary_scores(true, true, 2).f == 1.0


def test_outlines_against_ignored_pixels_do_not_count():
    true = np.zeros((40, 40), np.uint8)
    true[10:30, 10:20] = 1
    true[:, 20:] = 255
    predicted = np.where(true == 255, 0, true)
    beyond = predicted.copy()
    beyond[10:30, 20:35] = 1
    assert boundary_scores(predicted, true, 2) == boundary_scores(beyond, true, 2)
    assert boundary_scores(beyond, true, 3).f == 1.0
    assert math.isnan(boundary_scores(beyond, true, 3).by_class[2])
    with pytest.raises(ValueError, match="one size"):
        boundary_f(np.zeros((2, 2), bool), np.zeros((2, 3), bool))
