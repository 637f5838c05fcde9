"""Each metric that is not of captions: by name, as a plain function and as an ``evaluate.Metric``."""

import math
import subprocess
import sys

import numpy as np
import pytest

from describer.eval.registry import metric

MAP, TRUE_MAP = [[0, 1, 1], [2, 2, 0]], [[0, 1, 255], [2, 0, 0]]
EMPTY = [[255, 255, 255]] * 2
FOUND = [{"label": "a", "box": [0.0, 0.0, 9.0, 9.0], "score": 0.9}]
TRUE = [{"label": "a", "box": [0.0, 0.0, 9.0, 10.0]}, {"label": "b", "box": [5.0, 5.0, 9.0, 9.0]}]

SCORED = [{"triplet": ["hook", "cut", "fat"], "score": 0.4}, {"triplet": ["hook", "cut", "liver"], "score": 0.9}]

# name, predictions, references, options, some of what is expected
CASES = [
    ("segmentation", [MAP, MAP], [TRUE_MAP, EMPTY], {"videos": ["a", "b"]}, {"miou": (2 / 3 + 1 + 1 / 2) / 3}),
    ("endovis_iou", [MAP, MAP], [TRUE_MAP, EMPTY], {}, {"ch_iou": 0.75, "isi_iou": 0.75, "mc_iou": 0.75}),
    ("boundary_f", [MAP, MAP], [TRUE_MAP, EMPTY], {"classes": 3}, {}),
    ("box_iou", [[0.0, 0, 2, 2], [0, 0, 1, 1]], [[0.0, 0, 2, 4], [2, 2, 3, 3]], {}, {"iou": 0.25, "acc_50": 0.5}),
    ("iou_legacy", [[0.4, 0.4, 0.5, 0.5]], [[0.5, 0.4, 0.6, 0.5]], {}, {"iou_legacy": 1.0 * 1.1 / (2.42 - 1.1)}),
    ("coco_map", [FOUND, []], [TRUE, []], {}, {"ap50": 0.5, "ar_100": 0.45}),
    ("depth", [[[11.0, 5.0]], [[1.0, 1.0]]], [[[10.0, 5.0]], [[0.0, 0.0]]], {"median_scaling": False}, {"mae": 0.5}),
    ("classification", ["cut", "clip"], ["cut", "cut"], {}, {"accuracy": 0.5, "balanced_accuracy": 0.5}),
    ("triplet_ap", [SCORED, []], [[["hook", "cut", "fat"]], []], {"videos": ["a", "a"]}, {"ap_ivt": 1.0, "ap_i": 1.0}),
    ("vqa", ["Yes, it is.", "fat"], ["No", "Fat."], {"types": ["a", "b"]}, {"exact": 0, "normalised": 0.5}),
    ("yes_no", ["Yes, forceps are being used", "yes", "fat"], ["No", "Yes", "Fat."], {}, {"accuracy": 0.5}),
    ("counts", ["Two.", "4"], ["2", "Two."], {}, {"exact": 0.5, "within_1": 0.5, "mae": 1.0}),
    ("calibration", [0.9, 0.2], [1.0, 0.0], {}, {"auroc": 1.0, "aurc": 0.25, "ece": 0.15}),
    ("entities", ["a snare", "liver, no fat"], [["a hook", "snare"], ["the liver"]], {}, {"f1": 4 / 5}),
]
NAMES = [case[0] for case in CASES]


def scores_of(name, predictions, references, options):
    return metric(name).function(predictions=predictions, references=references, **options)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_as_a_plain_function(case):
    name, predictions, references, options, expected = case
    spec, scores = metric(name), scores_of(name, predictions, references, options)
    assert (spec.name, set(scores.corpus), scores.n) == (name, set(spec.keys), len(references))
    assert {key: scores.corpus[key] for key in expected} == pytest.approx(expected)
    for key, values in scores.items.items():
        assert np.nanmean(values) == pytest.approx(scores.corpus.get(key)) or name in ("segmentation", "entities")


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_as_a_hub_metric(case, tmp_path):
    hub_metric = pytest.importorskip("describer.eval.hub_metric")
    name, predictions, references, options, _ = case
    hub = hub_metric.load_metric(name, cache_dir=str(tmp_path))
    hub.add_batch(predictions=predictions[:1], references=references[:1])
    hub.add_batch(predictions=predictions[1:], references=references[1:])
    found, wanted = hub.compute(**options), scores_of(name, predictions, references, options)
    for key, value in wanted.corpus.items():
        assert found[key] == pytest.approx(value, nan_ok=True)
    assert found["n"] == wanted.n


def test_details_hold_no_nan():
    """JSON has none: what is undefined in a table is null."""
    for name, predictions, references, options, _ in CASES:
        details = scores_of(name, predictions, references, options).details
        flat = [v for value in details.values() for v in (value if isinstance(value, list) else [value])]
        assert not [v for v in flat if isinstance(v, float) and math.isnan(v)], name


def test_none_of_them_loads_a_heavy_library():
    code = (
        f"import sys; from describer.eval.registry import metric; [metric(name) for name in {NAMES}]\n"
        "sys.exit(bool({'torch', 'transformers', 'evaluate', 'datasets', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
