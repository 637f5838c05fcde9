"""The metrics as ``evaluate.Metric``: compute, add, add_batch and ``evaluate.combine``, offline.

The only file that knows the evaluate library, which takes seconds to import.
"""

from __future__ import annotations

from typing import Any

import evaluate
from datasets import Features, Sequence, Value

from describer.eval.registry import MetricSpec, metric

# A kind of input and the types it may come in, tried in this order.
FEATURES: dict[str, tuple[Any, ...]] = {
    "text": (Value("string"),),
    "texts": (Sequence(Value("string")), Value("string")),
    "label": (Value("string"), Value("int64")),
    "number": (Value("float64"),),
    "label_map": (Sequence(Sequence(Value("int64"))),),
    "depth_map": (Sequence(Sequence(Value("float32"))),),
    "box": (Sequence(Value("float64")),),
    "detections": ([{"label": Value("string"), "box": Sequence(Value("float64")), "score": Value("float64")}],),
    "objects": ([{"label": Value("string"), "box": Sequence(Value("float64"))}],),
    "scored_triplets": ([{"triplet": Sequence(Value("string")), "score": Value("float64")}],),
    "triplets": (Sequence(Sequence(Value("string"))),),
}


class HubMetric(evaluate.Metric):
    """One of our metrics; ``compute`` returns its corpus values by key, its details, and ``n``.

    ``compute(..., per_item=True)`` adds ``<key>_items``, one value an item; other keyword arguments go to the
    metric's function.
    """

    def __init__(self, spec: MetricSpec, **options: Any) -> None:
        self.spec = spec
        super().__init__(**options)

    @property
    def name(self) -> str:
        return self.spec.name

    def _info(self) -> evaluate.MetricInfo:
        choices = max(len(FEATURES[kind]) for _, kind in self.spec.inputs)
        takes = "\n".join(f"    {name}: {kind} of each item" for name, kind in self.spec.inputs)
        return evaluate.MetricInfo(
            description=self.spec.summary,
            citation=self.spec.source,
            inputs_description=f"\nArgs:\n{takes}\nReturns:\n    {', '.join(self.spec.keys)}, n\n",
            features=[
                Features({name: FEATURES[kind][min(i, len(FEATURES[kind]) - 1)] for name, kind in self.spec.inputs})
                for i in range(choices)
            ],
        )

    def _compute(self, *, per_item: bool = False, **inputs: Any) -> dict[str, Any]:
        scores = self.spec.function(**inputs)
        items = {f"{key}_items": list(values) for key, values in scores.items.items()} if per_item else {}
        return {**scores.corpus, **scores.details, "n": scores.n, **items}


def load_metric(name: str, **options: Any) -> HubMetric:
    """The metric of that name as an ``evaluate.Metric``; InputError when there is none.

    ``options`` are those of ``evaluate.Metric`` (cache_dir, keep_in_memory, num_process, experiment_id ...).
    """
    return HubMetric(metric(name), **options)
