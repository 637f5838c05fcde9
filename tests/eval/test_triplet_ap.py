import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from describer.eval.triplet_ap import COMPONENTS, average_precision, triplet_scores

HOOK_CUTS_FAT = ("hook", "cut", "fat")
HOOK_CUTS_LIVER = ("hook", "cut", "liver")
GRASPER_HOLDS_FAT = ("grasper", "hold", "fat")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=20))
def test_average_precision_is_scikit_learns(pairs):
    scores, true = np.array([float(s) for s, _ in pairs]), np.array([t for _, t in pairs])
    if true.any():
        assert average_precision(scores, true) == pytest.approx(average_precision_score(true, scores))
    else:
        assert math.isnan(average_precision(scores, true))


def test_by_hand():
    scores = [
        {HOOK_CUTS_FAT: 0.9, GRASPER_HOLDS_FAT: 0.8},
        {HOOK_CUTS_FAT: 0.8, HOOK_CUTS_LIVER: 0.1, GRASPER_HOLDS_FAT: 0.3},
        {HOOK_CUTS_FAT: 0.2, HOOK_CUTS_LIVER: 0.7},
    ]
    true = [{HOOK_CUTS_FAT}, {HOOK_CUTS_LIVER, GRASPER_HOLDS_FAT}, {HOOK_CUTS_FAT}]
    found = triplet_scores(scores, true)
    # hook cuts fat: ranks 1 and 3 of 3; hook cuts liver: rank 2; grasper holds fat: rank 2.
    assert found.ap_by_class["ivt"] == pytest.approx(
        {"hook, cut, fat": (1 + 2 / 3) / 2, "hook, cut, liver": 1 / 2, "grasper, hold, fat": 1 / 2}
    )
    assert found.ap["ivt"] == pytest.approx((5 / 6 + 1 / 2 + 1 / 2) / 3)
    # The hook is in every frame; the grasper in the second, which ranks second.
    assert found.ap_by_class["i"] == pytest.approx({"hook": 1, "grasper": 1 / 2})
    # Fat is true in all frames, whichever instrument is at it; liver ranks as its only triplet does.
    assert found.ap_by_class["t"] == pytest.approx({"fat": 1, "liver": 1 / 2})
    assert (found.n_frames, found.n_videos, found.n_true) == (3, 1, 4)


def test_a_class_counts_in_the_videos_where_it_occurs_and_classes_weigh_alike():
    """Two videos of two frames: cutting liver occurs in one alone, and is not diluted by the other."""
    scores = [{HOOK_CUTS_FAT: s, HOOK_CUTS_LIVER: 1 - s} for s in (0.9, 0.1, 0.9, 0.1)]
    true = [{HOOK_CUTS_FAT}, {HOOK_CUTS_LIVER}, set(), {HOOK_CUTS_FAT}]
    found = triplet_scores(scores, true, ["a", "a", "b", "b"])
    assert found.ap_by_class["ivt"] == {"hook, cut, fat": (1 + 1 / 2) / 2, "hook, cut, liver": 1.0}
    assert found.ap["ivt"] == (3 / 4 + 1) / 2
    assert found.n_videos == 2
    # As one video, liver at 0.9 ties with a frame that has none.
    assert triplet_scores(scores, true).ap_by_class["ivt"]["hook, cut, liver"] == 1 / 2


def brute_force(scores, true, videos, parts):
    """The definition word by word, with scikit-learn's AP and -1 for a triplet without a score."""
    classes = {tuple(t[i] for i in parts) for frame in true for t in frame}
    of_class = []
    for key in classes:
        of_video = []
        for video in sorted(set(videos)):
            frames = [f for f, name in enumerate(videos) if name == video]
            occurs = [any(tuple(t[i] for i in parts) == key for t in true[f]) for f in frames]
            highest = [
                max((s for t, s in scores[f].items() if tuple(t[i] for i in parts) == key), default=-1) for f in frames
            ]
            if any(occurs):
                of_video.append(average_precision_score(occurs, highest))
        of_class.append(np.mean(of_video))
    return np.mean(of_class)


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_definition_word_by_word(seed):
    rng = np.random.default_rng(seed)
    triplets = [(i, v, t) for i in "ab" for v in "cd" for t in "efg"]
    n = 40
    scores = [{t: round(float(rng.random()), 1) for t in triplets if rng.random() < 0.7} for _ in range(n)]
    true = [{t for t in triplets if rng.random() < 0.15} for _ in range(n)]
    videos = [str(rng.integers(3)) for _ in range(n)]
    found = triplet_scores(scores, true, videos)
    for name, parts in COMPONENTS.items():
        assert found.ap[name] == pytest.approx(brute_force(scores, true, videos, parts)), name


def test_nothing_true_and_nothing_at_all():
    for found in (triplet_scores([{HOOK_CUTS_FAT: 1.0}], [set()]), triplet_scores([], [])):
        assert all(math.isnan(value) for value in found.ap.values())
        assert found.ap_by_class["ivt"] == {}


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="1 frames against triplets of 2"):
        triplet_scores([{}], [set(), set()])
    with pytest.raises(ValueError, match="videos of 1"):
        triplet_scores([{}, {}], [set(), set()], ["a"])
    with pytest.raises(ValueError, match="frame 0 has score nan"):
        triplet_scores([{HOOK_CUTS_FAT: math.nan}], [{HOOK_CUTS_FAT}])
