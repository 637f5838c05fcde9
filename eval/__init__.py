"""Scores, one subject a file; importing any of them needs NumPy and this package only.

``metric(name)`` gives a metric with its plain function, ``load_metric(name)`` the same as ``evaluate.Metric``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from describer.eval.registry import METRICS, MetricSpec, Scores, metric

if TYPE_CHECKING:
    from describer.eval.hub_metric import load_metric

__all__ = ["METRICS", "MetricSpec", "Scores", "load_metric", "metric"]


def __getattr__(name: str) -> Any:
    # PEP 562: the evaluate library loads with the first metric that is asked for in its form.
    if name != "load_metric":
        raise AttributeError(f"module 'describer.eval' has no attribute {name!r}")
    from describer.eval.hub_metric import load_metric

    return load_metric
