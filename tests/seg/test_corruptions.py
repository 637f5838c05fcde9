import numpy as np
import pytest

from describer.errors import InputError
from describer.seg.corruptions import CORRUPTIONS, SEVERITIES, corrupt, move_labels
from describer.seg.synth import render

SIZE_WH = (280, 224)


@pytest.fixture(scope="module")
def frames():
    return [render(seed, "laparoscopy", SIZE_WH).image for seed in range(4)]


def distance(first, second):
    """Mean difference of grey levels."""
    return float(np.abs(first.astype(float) - second).mean())


def unlike(first, second):
    """1 - correlation: frost and fog darken the frame while they light it up, so grey levels may come closer again."""
    return 1 - float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def test_all_fifteen_are_there():
    assert len(set(CORRUPTIONS)) == 15
    assert {"gaussian noise", "shot noise", "impulse noise"} < set(CORRUPTIONS)
    assert {"defocus blur", "glass blur", "motion blur", "zoom blur"} < set(CORRUPTIONS)
    assert {"snow", "frost", "fog", "brightness"} < set(CORRUPTIONS)
    assert {"contrast", "elastic", "pixelate", "jpeg"} < set(CORRUPTIONS)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_it_grows_with_severity_and_keeps_shape_type_and_its_input(name, frames):
    measure = unlike if name in ("frost", "fog") else distance
    before = [frame.copy() for frame in frames]
    grown = []
    for severity in SEVERITIES:
        spoilt = [corrupt(frame, name, severity, seed) for seed, frame in enumerate(frames)]
        assert {(image.shape, image.dtype) for image in spoilt} == {((224, 280, 3), np.dtype(np.uint8))}
        grown.append(np.mean([measure(image, frame) for image, frame in zip(spoilt, frames)]))
    assert grown[0] > 0
    assert grown == sorted(grown), name
    assert grown[-1] > 1.2 * grown[0]
    assert all(np.array_equal(old, frame) for old, frame in zip(before, frames))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_seed_gives_the_same_picture_and_another_seed_another(name, frames):
    first = corrupt(frames[0], name, 3, 7)
    assert np.array_equal(first, corrupt(frames[0], name, 3, 7))
    unseeded = {"defocus blur", "zoom blur", "brightness", "contrast", "pixelate", "jpeg"}
    assert np.array_equal(first, corrupt(frames[0], name, 3, 8)) == (name in unseeded)


@pytest.mark.parametrize("name", ["defocus blur", "glass blur", "motion blur", "zoom blur", "snow"])
def test_blurs_leave_things_in_their_place(name):
    """A bright disc stays centred, so that labels stay true; snow falls on both halves alike."""
    ys, xs = np.mgrid[:96, :120]
    disc = np.where(np.hypot(xs - 59.5, ys - 47.5) < 20, 200, 20).astype(np.uint8)
    spoilt = np.mean([corrupt(np.dstack([disc] * 3), name, 5, seed).mean(axis=2) for seed in range(8)], axis=0)
    weight = spoilt - spoilt.min()
    assert abs((weight * xs).sum() / weight.sum() - 59.5) < 1.5
    assert abs((weight * ys).sum() / weight.sum() - 47.5) < 1.5


def test_labels_move_with_the_pixels_and_only_where_pixels_move():
    labels = np.zeros((96, 120), np.uint8)
    labels[20:60, 30:90] = 3
    labels[50:, 70:] = 7
    image = np.dstack([labels * 30] * 3)
    for severity in SEVERITIES:
        moved = move_labels(labels, "elastic", severity, 4)
        assert set(np.unique(moved)) == {0, 3, 7}
        shown = corrupt(image, "elastic", severity, 4)[:, :, 0]
        assert (np.abs(shown.astype(int) - moved * 30) > 30).mean() < 0.08
        assert not np.array_equal(moved, labels)
    assert all(move_labels(labels, name, 5, 4) is labels for name in CORRUPTIONS if name != "elastic")


def test_lengths_grow_with_the_frame():
    """Blur of a frame twice as large, made smaller again, is blur of the small one."""
    small = render(3, "laparoscopy", SIZE_WH).image
    large = np.kron(small, np.ones((2, 2, 1), np.uint8))
    blurred = corrupt(large, "defocus blur", 4)[::2, ::2]
    assert distance(blurred, corrupt(small, "defocus blur", 4)) < 0.25 * distance(blurred, small)


@pytest.mark.parametrize("size_wh", [(1, 1), (7, 3), (33, 500)])
def test_any_size_of_frame(size_wh):
    image = np.full((size_wh[1], size_wh[0], 3), 90, np.uint8)
    for name in CORRUPTIONS:
        assert corrupt(image, name, 5).shape == image.shape


def test_bad_input_is_named(frames):
    with pytest.raises(InputError, match="'rain' is unknown; use one of gaussian noise"):
        corrupt(frames[0], "rain", 1)
    with pytest.raises(InputError, match="severity of fog must be 1 to 5, got 6"):
        corrupt(frames[0], "fog", 6)
