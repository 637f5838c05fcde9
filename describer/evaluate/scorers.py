"""The metrics that files can be scored with, by the registry's names, and what each needs of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from describer.errors import InputError
from describer.eval.registry import CAPTIONS, METRICS, metric
from describer.evaluate import answers, pixels, texts
from describer.evaluate.findings import Findings
from describer.evaluate.material import Material


@dataclass(frozen=True, slots=True)
class Need:
    """What a metric needs of the files: ``given`` says whether it is there, ``what`` says it to people."""

    what: str
    given: Callable[[Material], bool]


_TEXTS = Need("captions in RUN and REF", lambda m: bool(m.summaries))
_TRUTH = Need("annotations in REF and captions in RUN", lambda m: any(pair.texts for pair in m.scenes))
_SCENES = Need("annotations with regions in RUN and REF", lambda m: bool(m.run_scenes and m.labelled))
_ACTIVITIES = Need(
    "annotations with activities in RUN and REF", lambda m: any(pair.truth.activities for pair in m.run_scenes)
)
_ANSWERS = Need("questions and answers in REF", lambda m: bool(m.answers))

_OURS: Mapping[str, tuple[Need, Callable[[Material], Findings]]] = {
    "entities": (_TEXTS, texts.entities),
    "truth": (_TRUTH, texts.truth),
    "segmentation": (_SCENES, pixels.segmentation),
    "endovis_iou": (_SCENES, pixels.endovis_iou),
    "boundary_f": (_SCENES, pixels.boundary_f),
    "coco_map": (_SCENES, pixels.coco_map),
    "classification": (_ACTIVITIES, pixels.classification),
    "vqa": (_ANSWERS, answers.vqa),
    "yes_no": (_ANSWERS, answers.yes_no),
    "counts": (_ANSWERS, answers.counts),
    "calibration": (_ANSWERS, answers.calibration),
}
# Slow, or in need of a model: only when asked for.
_ON_REQUEST = frozenset({"boundary_f", "similarity"})


def available() -> tuple[str, ...]:
    """Names that ``--metrics`` takes: what people read, then regions, then answers."""
    captions = [name for name in METRICS if name not in _OURS and metric(name).inputs == CAPTIONS]
    return (*captions, *_OURS)


def chosen(names: Sequence[str] | None, material: Material) -> tuple[str, ...]:
    """The metrics to compute: those named, or all that the files allow but the slow ones.

    InputError for a name that there is not, for one that the files do not carry, and when nothing is left.
    """
    known = available()
    if names is None:
        names = [name for name in known if name not in _ON_REQUEST and _need(name).given(material)]
        if not names:
            raise InputError("there is nothing to score: RUN and REF share no captions, regions or answers.")
        return tuple(names)
    for name in names:
        if name not in known:
            raise InputError(f"--metrics {name!r} is unknown; use one or more of {', '.join(known)}.")
        if not _need(name).given(material):
            raise InputError(f"--metrics {name} needs {_need(name).what}; leave it out or give such files.")
    return tuple(dict.fromkeys(names))


def score(name: str, material: Material) -> Findings:
    """What the metric of that name finds."""
    if name in _OURS:
        return _OURS[name][1](material)
    return texts.captions(metric(name), material)


def _need(name: str) -> Need:
    return _OURS[name][0] if name in _OURS else _TEXTS
