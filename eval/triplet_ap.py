"""Average precision of instrument-verb-target triplets and of their components, over frames with any number of them.

Recognition AP of Nwoye et al. (Rendezvous, Medical Image Analysis 2022, arXiv 2109.03223; metrics and splits of
CholecT50: arXiv 2204.05235), as ivtmetrics' video-wise AP has it: a component's score in a frame is the highest
among the triplets that contain it; a class's AP is over the frames of one video, then its mean over the videos it
occurs in; the result is the mean over the classes that occur.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from describer.eval.registry import MetricSpec, Scores

Triplet = tuple[str, str, str]
"""(instrument, verb, target). A null verb or target is a name like any other; leave such triplets out to skip them."""

# Which parts of a triplet make up a component's class.
COMPONENTS: Mapping[str, tuple[int, ...]] = {
    "i": (0,),
    "v": (1,),
    "t": (2,),
    "iv": (0, 1),
    "it": (0, 2),
    "ivt": (0, 1, 2),
}


@dataclass(frozen=True, slots=True)
class TripletScores:
    """``ap``: mean AP in [0, 1] by component (keys of COMPONENTS), NaN where no frame has a triplet.

    ``ap_by_class``: by component, the AP of each class that occurs, its parts joined by ", ". Counts: frames, videos,
    and true triplets over all frames.
    """

    ap: dict[str, float]
    ap_by_class: dict[str, dict[str, float]]
    n_frames: int
    n_videos: int
    n_true: int


def triplet_scores(
    scores: Sequence[Mapping[Triplet, float]],
    true: Sequence[Collection[Triplet]],
    videos: Sequence[str] | None = None,
) -> TripletScores:
    """Scores of the triplets of each frame, any finite numbers, against the triplets that are there.

    A triplet without a score in a frame ranks last in it, tied with all such. ``videos`` names each frame's video;
    None takes all frames as one (ivtmetrics' global AP). ValueError when lengths differ or a score is not finite.
    """
    n = len(true)
    if len(scores) != n or (videos is not None and len(videos) != n):
        given = f", videos of {len(videos)}" if videos is not None else ""
        raise ValueError(f"scores of {len(scores)} frames against triplets of {n}{given}")
    frames_of_video: dict[str, list[int]] = {}
    for frame in range(n):
        frames_of_video.setdefault(videos[frame] if videos is not None else "", []).append(frame)
    by_class = {name: _by_class(scores, true, frames_of_video, parts) for name, parts in COMPONENTS.items()}
    return TripletScores(
        ap={name: float(np.mean([*aps.values()])) if aps else math.nan for name, aps in by_class.items()},
        ap_by_class={name: {", ".join(key): ap for key, ap in aps.items()} for name, aps in by_class.items()},
        n_frames=n,
        n_videos=len(frames_of_video),
        n_true=sum(len(set(frame)) for frame in true),
    )


def average_precision(scores: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """Sum of precision times step in recall over the distinct scores, highest first, of (N,) scores and truths.

    Equal to scikit-learn's average_precision_score, but NaN when nothing is true.
    """
    n_true = np.count_nonzero(true)
    if n_true == 0:
        return math.nan
    order = np.argsort(-scores, kind="stable")
    # Things of equal score are taken together: a curve has one point a distinct score, its last place.
    last = np.flatnonzero(np.append(scores[order][1:] != scores[order][:-1], True))
    hits = np.cumsum(true[order])[last]
    return float(np.sum(np.diff(hits, prepend=0) / n_true * hits / (last + 1)))


def _by_class(
    scores: Sequence[Mapping[Triplet, float]],
    true: Sequence[Collection[Triplet]],
    frames_of_video: Mapping[str, Sequence[int]],
    parts: tuple[int, ...],
) -> dict[tuple[str, ...], float]:
    """AP of each class that is true somewhere, in the order of their names."""
    there = [{tuple(triplet[i] for i in parts) for triplet in frame} for frame in true]
    classes = sorted(set().union(*there))
    column = {key: i for i, key in enumerate(classes)}
    highest = np.full((len(true), len(classes)), -math.inf)
    occurs = np.zeros(highest.shape, bool)
    for frame, found in enumerate(scores):
        for triplet, score in found.items():
            if not math.isfinite(score):
                raise ValueError(f"frame {frame} has score {score} for {triplet}")
            k = column.get(tuple(triplet[i] for i in parts))
            if k is not None:
                highest[frame, k] = max(highest[frame, k], score)
        occurs[frame, [column[key] for key in there[frame]]] = True
    of_video = np.array(
        [
            [average_precision(highest[frames, k], occurs[frames, k]) for k in range(len(classes))]
            for frames in frames_of_video.values()
        ]
    )
    return {key: float(np.nanmean(of_video[:, k])) for k, key in enumerate(classes)}


def _scores(
    predictions: Sequence[Sequence[Mapping[str, Any]]],
    references: Sequence[Sequence[Sequence[str]]],
    videos: Sequence[str] | None = None,
) -> Scores:
    """One list of {"triplet", "score"} a frame against one of triplets."""
    found = triplet_scores(
        [{_triplet(row["triplet"]): row["score"] for row in frame} for frame in predictions],
        [{_triplet(names) for names in frame} for frame in references],
        videos,
    )
    return Scores(
        corpus={f"ap_{name}": found.ap[name] for name in COMPONENTS},
        n=found.n_frames,
        details={"ap_by_class": found.ap_by_class, "n_videos": found.n_videos, "n_true": found.n_true},
    )


def _triplet(names: Sequence[str]) -> Triplet:
    if len(names) != 3:
        raise ValueError(f"a triplet is (instrument, verb, target), not {tuple(names)}")
    return names[0], names[1], names[2]


SPEC = MetricSpec(
    name="triplet_ap",
    inputs=(("predictions", "scored_triplets"), ("references", "triplets")),
    function=_scores,
    keys=tuple(f"ap_{name}" for name in COMPONENTS),
    summary="average precision of instrument, verb, target, their pairs and triplets, by video",
    source="Nwoye et al., Rendezvous, Medical Image Analysis 2022; as ivtmetrics' video-wise recognition AP",
)
