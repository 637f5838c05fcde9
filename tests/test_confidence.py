import json
from pathlib import Path

import numpy as np
import pytest

from describer.confidence import (
    FILE,
    Calibration,
    Curve,
    beside_answers,
    fit_curve,
    isotonic,
    read_calibration,
    write_calibration,
)
from describer.errors import ModelError, OutputError
from describer.eval.calibration import calibration_scores

CURVE = Curve((0.5, 0.9), (0.2, 0.6), 40)


def test_isotonic_is_the_public_library_s():
    regression = pytest.importorskip("scipy.optimize").isotonic_regression
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 60):
        values, weights = rng.normal(size=n).cumsum(), rng.integers(1, 9, n).astype(float)
        assert isotonic(values, weights) == pytest.approx(regression(values, weights=weights).x)


def test_rising_values_stay_and_falling_ones_are_pooled():
    assert isotonic(np.array([1.0, 2.0, 3.0]), np.ones(3)).tolist() == [1, 2, 3]
    assert isotonic(np.array([3.0, 1.0, 5.0]), np.array([1.0, 3.0, 1.0])).tolist() == [1.5, 1.5, 5]
    assert isotonic(np.array([3.0, 2.0, 1.0]), np.ones(3)).tolist() == [2, 2, 2]


def test_overconfidence_is_mended_on_other_texts_and_their_order_kept():
    rng = np.random.default_rng(1)

    def texts(n):
        sure = rng.uniform(0.6, 1.0, n)
        return sure, rng.random(n) < sure**4

    curve = fit_curve(*texts(2000))
    sure, right = texts(2000)
    mended = [curve(value) for value in sure]
    assert calibration_scores(sure, right).ece > 0.2 and calibration_scores(mended, right).ece < 0.05
    by_raw = np.array(mended)[np.argsort(sure)]
    assert (np.diff(by_raw) >= 0).all() and curve.n == 2000


def test_no_point_says_more_than_its_texts_can():
    sure = fit_curve([0.9] * 30, [True] * 30)
    assert 0.9 < sure(0.9) < 1 and sure(0.1) == sure(1.0)
    assert 0 < fit_curve([0.3, 0.2], [False, False])(0.25) < 0.5
    with pytest.raises(ValueError, match="give one a text"):
        fit_curve([0.5], [])


def test_between_points_is_a_line_and_outside_the_nearest_point():
    assert [CURVE(raw) for raw in (0.0, 0.5, 0.7, 0.9, 1.0)] == [0.2, 0.2, 0.4, 0.6, 0.6]


def test_kinds_have_curves_of_their_own_and_the_unknown_stays():
    calibration = Calibration({"scene": CURVE}, "here")
    assert calibration("scene", 0.7) == 0.4
    assert calibration("tissue", 0.7) == 0.7
    assert calibration("scene", None) is None
    assert calibration.name.startswith("calibrated@") and calibration.name == Calibration({"scene": CURVE}, "x").name
    assert calibration.name != Calibration({"tissue": CURVE}, "here").name


def test_it_is_read_as_it_was_written(tmp_path):
    calibration = Calibration({"scene": CURVE, "tissue": CURVE}, "300 frames", {"vlm": "embedded"})
    write_calibration(tmp_path / "adapter", calibration)
    assert read_calibration(tmp_path / "adapter") == calibration
    assert read_calibration(tmp_path) is None
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        write_calibration(tmp_path / "file", calibration)


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        '{"curves": {}}',
        json.dumps({"split": "", "made_with": {}, "curves": {"scene": {"raw": [0.5], "right": [], "n": 1}}}),
        json.dumps({"split": "", "made_with": {}, "curves": {"scene": {"raw": [0.9, 0.5], "right": [0, 1], "n": 1}}}),
        json.dumps({"split": "", "made_with": {}, "curves": {"scene": {"raw": [0.5], "right": [1.5], "n": 1}}}),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path, damage):
    (tmp_path / FILE).write_text(damage)
    with pytest.raises(ModelError, match="holds no confidence curves"):
        read_calibration(tmp_path)


def test_curves_of_answers_stay_beside_new_ones(tmp_path: Path) -> None:
    old, new = Curve((0.5,), (0.4,), 30), Curve((0.5,), (0.9,), 40)
    write_calibration(tmp_path, Calibration({"scene": old, "answer of the model": old}, "old; answers: asked", {}))
    kept = beside_answers(Calibration({"scene": new}, "new", {}), tmp_path)
    assert kept.curves == {"scene": new, "answer of the model": old} and kept.split == "new; answers: asked"
    assert beside_answers(Calibration({"scene": new}, "new", {}), tmp_path / "none").curves == {"scene": new}
