"""Depth maps against measured depth, as monocular depth papers report them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from describer.eval.registry import MetricSpec, Scores


@dataclass(frozen=True, slots=True)
class DepthScores:
    """The measures of Eigen et al. (NeurIPS 2014) over ``n_px`` pixels of ``n`` frames.

    ``abs_rel`` is mean |p - t| / t, ``sq_rel`` mean (p - t)^2 / t in mm, ``rmse`` and ``mae`` in mm, ``rmse_log``
    of natural logarithms, ``delta_k`` the share with max(p / t, t / p) < 1.25^k. ``scale`` is what the prediction
    was multiplied with, 1 without median scaling. Of several frames each is the mean over frames.
    """

    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    mae: float
    delta_1: float
    delta_2: float
    delta_3: float
    scale: float
    n_px: int
    n: int


def depth_scores(
    predicted_mm: np.ndarray,
    true_mm: np.ndarray,
    median_scaling: bool = False,
    limits_mm: tuple[float, float] | None = None,
) -> DepthScores | None:
    """Scores of one depth map; None where no pixel has a known true depth.

    ``predicted_mm`` and ``true_mm`` are of one shape; a true depth is known where it is finite and above 0.
    ``median_scaling`` first multiplies the prediction by the ratio of the medians over those pixels, for models
    that know depth up to a scale only. ``limits_mm`` (nearest, farthest) leaves out true depths beyond them and
    clips the prediction to them after scaling; SCARED is published with (0.001, 150). ValueError when the shapes
    differ or the prediction is not a positive number at a scored pixel.
    """
    if predicted_mm.shape != true_mm.shape:
        raise ValueError(f"prediction {predicted_mm.shape} and truth {true_mm.shape} differ in shape")
    known = np.isfinite(true_mm) & (true_mm > 0)
    if limits_mm is not None:
        known &= (true_mm > limits_mm[0]) & (true_mm < limits_mm[1])
    if not known.any():
        return None
    p, t = predicted_mm[known].astype(np.float64), true_mm[known].astype(np.float64)
    if not (np.isfinite(p) & (p > 0)).all():
        raise ValueError("predicted depth must be finite and above 0 mm wherever the truth is known")
    scale = float(np.median(t) / np.median(p)) if median_scaling else 1.0
    p = p * scale
    if limits_mm is not None:
        p = np.clip(p, *limits_mm)
    error, ratio = p - t, np.maximum(p / t, t / p)
    return DepthScores(
        abs_rel=float(np.mean(np.abs(error) / t)),
        sq_rel=float(np.mean(error**2 / t)),
        rmse=float(np.sqrt(np.mean(error**2))),
        rmse_log=float(np.sqrt(np.mean(np.log(p / t) ** 2))),
        mae=float(np.mean(np.abs(error))),
        delta_1=float(np.mean(ratio < 1.25)),
        delta_2=float(np.mean(ratio < 1.25**2)),
        delta_3=float(np.mean(ratio < 1.25**3)),
        scale=scale,
        n_px=len(t),
        n=1,
    )


def mean_depth_scores(frames: Sequence[DepthScores | None]) -> DepthScores:
    """The mean of each score over frames, those without known depth left out, as published numbers are taken.

    ``n_px`` and ``n`` are sums. ValueError when no frame has known depth.
    """
    scored = [frame for frame in frames if frame is not None]
    if not scored:
        raise ValueError("no frame has a known true depth")
    means = {f.name: float(np.mean([getattr(frame, f.name) for frame in scored])) for f in fields(DepthScores)}
    return DepthScores(**means | {"n_px": sum(f.n_px for f in scored), "n": sum(f.n for f in scored)})  # type: ignore[arg-type]


def _scores(
    predictions: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    median_scaling: bool = False,
    limits_mm: tuple[float, float] | None = None,
) -> Scores:
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predicted depth maps against {len(references)} true ones")
    frames = [
        depth_scores(np.asarray(p, np.float32), np.asarray(t, np.float32), median_scaling, limits_mm)
        for p, t in zip(predictions, references)
    ]
    means = asdict(mean_depth_scores(frames))
    return Scores(
        corpus={key: means[key] for key in SPEC.keys},
        n=len(frames),
        items={key: tuple(float("nan") if f is None else getattr(f, key) for f in frames) for key in SPEC.keys},
        details={"n_frames": means["n"], "n_px": means["n_px"], "scale": means["scale"]},
    )


SPEC = MetricSpec(
    name="depth",
    inputs=(("predictions", "depth_map"), ("references", "depth_map")),
    function=_scores,
    keys=("abs_rel", "sq_rel", "rmse", "rmse_log", "mae", "delta_1", "delta_2", "delta_3"),
    summary="depth maps in mm, the mean over frames; `median_scaling=True` for depth known up to a scale",
    source="Eigen et al., Depth Map Prediction from a Single Image, NeurIPS 2014",
    lower_is_better=("abs_rel", "sq_rel", "rmse", "rmse_log", "mae"),
)
