import numpy as np
import pytest

from describer.abstention import FILE, pick_threshold, read_threshold, write_threshold
from describer.errors import InputError, ModelError, OutputError
from describer.vlm import load_vlm
from tests.vlm.tiny import save_tiny_llava

SURE = [0.9, 0.8, 0.7, 0.6, 0.5]
RIGHT = [True, True, False, True, False]


def risk_above(sure, right, threshold):
    kept = [r for s, r in zip(sure, right) if s >= threshold]
    return 1 - sum(kept) / len(kept), len(kept) / len(sure)


@pytest.mark.parametrize("wanted", [0.1, 0.25, 0.3, 0.35])
def test_gives_the_most_answers_that_the_risk_allows(wanted):
    rng = np.random.default_rng(0)
    sure = rng.random(400).round(2)
    right = rng.random(400) < sure
    found = pick_threshold(sure, right, wanted, "made")
    assert (found.risk, found.coverage) == pytest.approx(risk_above(sure, right, found.confidence))
    assert found.risk <= wanted
    lower = [s for s in set(sure) if s < found.confidence]
    assert all(risk_above(sure, right, s)[0] > wanted for s in lower)


def test_the_order_of_ties_does_not_matter():
    sure = [0.9] * 12 + [0.4] * 4
    right = [True] * 9 + [False] * 3 + [True] * 2 + [False] * 2
    found = pick_threshold(sure, right, 0.25, "made")
    assert found == pick_threshold(sure[::-1], right[::-1], 0.25, "made")
    assert (found.confidence, found.coverage) == (0.9, 0.75)


def test_none_where_even_the_surest_are_too_often_wrong():
    assert pick_threshold(SURE, [False] * 5, 0.2, "made") is None
    assert pick_threshold([0.9] + [0.5] * 20, [True] + [False] * 20, 0.2, "one lucky answer is no evidence") is None


def test_all_right_answers_all():
    assert pick_threshold(SURE, [True] * 5, 0.2, "made").coverage == 1


@pytest.mark.parametrize("wanted", [0, 1, -0.1, 20])
def test_a_risk_must_be_a_share(wanted):
    with pytest.raises(InputError, match="must be between 0 and 1"):
        pick_threshold(SURE, RIGHT, wanted, "made")


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="5 confidences against 4"):
        pick_threshold(SURE, RIGHT[:4], 0.2, "made")


def test_round_trip_and_the_adapter_comes_before_its_base(tmp_path):
    base = pick_threshold(SURE, [True] * 5, 0.2, "base")
    own = pick_threshold(SURE, [True] * 5, 0.1, "own")
    write_threshold(tmp_path / "base", base)
    assert read_threshold(None, tmp_path / "none", tmp_path / "base") == base
    write_threshold(tmp_path / "own", own)
    assert read_threshold(tmp_path / "own", tmp_path / "base") == own
    assert read_threshold(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", '{"confidence": 0.5}', "{nan"])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ModelError, match=r"abstention\.json is no threshold"):
        read_threshold(tmp_path)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "model").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_threshold(tmp_path / "model", pick_threshold(SURE, [True] * 5, 0.2, "made"))


def test_a_model_carries_the_threshold_of_its_folder(tmp_path):
    folder = save_tiny_llava(tmp_path / "model")
    assert load_vlm(str(folder)).threshold is None
    kept = pick_threshold(SURE, [True] * 5, 0.2, "made")
    write_threshold(folder, kept)
    assert load_vlm(str(folder)).threshold == kept
