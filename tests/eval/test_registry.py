"""The registry, and the caption metrics in the forms they can be used in."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

import describer.eval
from describer.errors import InputError
from describer.eval import METRICS, metric
from describer.eval.registry import CAPTIONS, MetricSpec, Scores

CAPTION_METRICS = ("bleu", "rouge_l", "cider_d", "meteor", "chrf")
PREDICTIONS = ["The hook cuts fat.", "A grasper", "no liver is seen here"]
REFERENCES = [["The hook cuts fat.", "A hook"], ["a grasper holds the liver"], ["the liver is not seen", "no", "none"]]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_says_what_it_is(name: str) -> None:
    spec = metric(name)
    assert spec.name == name
    assert spec.summary
    assert "\n" not in spec.summary
    assert spec.source
    assert len({name for name, _ in spec.inputs}) == len(spec.inputs)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'blue' is unknown; use one or more of .*bleu"):
        metric("blue")
    with pytest.raises(AttributeError, match="nothing"):
        _ = describer.eval.nothing  # type: ignore[attr-defined]


def test_values_are_checked_when_made() -> None:
    with pytest.raises(ValueError, match="2 values for 3 items"):
        Scores({"a": 1.0}, 3, {"a": (0.0, 1.0)})
    with pytest.raises(ValueError, match="lower is better"):
        MetricSpec("a", CAPTIONS, lambda: None, ("a",), "A.", "B.", lower_is_better=("b",))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CAPTION_METRICS)
def test_lists_and_ids_give_the_same(name: str) -> None:
    function = metric(name).function
    listed = function(PREDICTIONS, REFERENCES)
    by_id = function(
        {i: [text] for i, text in enumerate(PREDICTIONS)}, {i: REFERENCES[i] for i in reversed(range(len(REFERENCES)))}
    )
    assert by_id == listed
    assert listed.n == 3
    assert set(listed.corpus) == set(listed.items) == set(metric(name).keys)
    assert function([], []) == Scores(dict.fromkeys(metric(name).keys, 0.0), 0, function([], []).items)


@pytest.mark.parametrize("name", CAPTION_METRICS)
@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        (["a"], [["a"], ["b"]], "1 predictions against 2 references"),
        (["a"], [[]], "item 0 has no reference"),
        ([["a", "b"]], [["a"]], "item 0 has 2 predictions"),
        ({"x": "a"}, {"y": ["a"]}, "ids without reference: x; ids without prediction: y"),
        ({"x": "a"}, [["a"]], "both be lists"),
        ("a", ["a"], "both be lists"),
    ],
)
def test_bad_input_says_what_is_wrong(name: str, predictions, references, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric(name).function(predictions, references)


def test_a_text_that_is_none_is_named() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        metric("bleu").function([None], [["a"]])


def test_nothing_heavy_until_it_is_asked_for() -> None:
    code = (
        "import sys, describer.eval as e; [e.metric(name) for name in e.METRICS]\n"
        "heavy = {'evaluate', 'datasets', 'torch', 'transformers', 'sentence_transformers', 'pandas'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def load(monkeypatch, tmp_path):
    """load_metric with the network cut off and files kept in the test's folder."""

    def refused(*_):
        raise AssertionError("a metric wants the network")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", refused)
    return lambda name: describer.eval.load_metric(name, cache_dir=str(tmp_path))


@pytest.mark.parametrize("name", CAPTION_METRICS)
def test_as_evaluate_metric_with_any_number_of_references(name: str, load) -> None:
    scores = metric(name).function(PREDICTIONS, REFERENCES)
    hub = load(name)
    whole = hub.compute(predictions=PREDICTIONS, references=REFERENCES, per_item=True)
    assert whole == {**scores.corpus, "n": 3, **{f"{key}_items": [*values] for key, values in scores.items.items()}}
    hub.add(prediction=PREDICTIONS[0], reference=REFERENCES[0])
    hub.add_batch(predictions=PREDICTIONS[1:], references=REFERENCES[1:])
    assert hub.compute() == {**scores.corpus, "n": 3}
    assert hub.compute(predictions=PREDICTIONS, references=PREDICTIONS)["n"] == 3
    assert metric(name).summary == hub.description


def test_combined(load) -> None:
    evaluate = pytest.importorskip("evaluate")
    combined = evaluate.combine([load("bleu"), load("rouge_l"), load("cider_d")])
    found = combined.compute(predictions=PREDICTIONS, references=REFERENCES)
    for name in ("bleu", "rouge_l", "cider_d"):
        assert metric(name).function(PREDICTIONS, REFERENCES).corpus.items() <= found.items()
        assert found[f"{name}_n"] == 3
