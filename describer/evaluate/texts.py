"""Texts against reference texts and true scenes: caption metrics, entities, truthfulness."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from describer.claims import contradictions
from describer.eval.calibration import calibration_scores
from describer.eval.entities import SPEC as ENTITIES
from describer.eval.intervals import Interval
from describer.eval.registry import MetricSpec, Scores
from describer.eval.reports.report import Curve, ItemScores, Number
from describer.eval.truth import entity_f1, labels_of
from describer.evaluate.findings import Findings, known_items, mean_of_items, of_sums, of_whole, ratio
from describer.evaluate.material import Material, ScenePair, TextPair
from describer.mentions import link
from describer.taxonomy import Taxonomy
from describer.types import Description


def captions(spec: MetricSpec, material: Material) -> Findings:
    """One caption metric on the summaries and, where there are any, on the texts of matched regions."""
    numbers: list[Number] = []
    items: list[ItemScores] = []
    for about, pairs in (("summaries", material.summaries), ("region texts", material.region_texts)):
        if pairs:
            found = _captions(spec, about, pairs)
            numbers += found.numbers
            items += found.items
    return Findings(tuple(numbers), tuple(items))


def _captions(spec: MetricSpec, about: str, pairs: Sequence[TextPair]) -> Findings:
    scores = _scored(spec, pairs)
    ids, videos = [p.id for p in pairs], [p.video for p in pairs]
    items = {
        key: known_items(spec.name, key, about, ids, videos, scores.items[key], key in spec.lower_is_better)
        for key in spec.keys
        if key in scores.items
    }
    means = {key: mean_of_items(item) for key, item in items.items() if item.values}
    # Corpus BLEU and the like are no means of items: the spread of the items is not that of the number.
    whole = [key for key in spec.keys if key not in means or not math.isclose(means[key].value, scores.corpus[key])]
    parts = _parts(spec, whole, pairs) if whole else {}
    return Findings(
        tuple(
            Number(
                spec.name, key, about, parts[key] if key in parts else means[key], about, key in spec.lower_is_better
            )
            for key in spec.keys
        ),
        tuple(items.values()),
    )


def _scored(spec: MetricSpec, pairs: Sequence[TextPair]) -> Scores:
    return spec.function(predictions=[p.said for p in pairs], references=[list(p.true) for p in pairs])


def _parts(spec: MetricSpec, keys: Sequence[str], pairs: Sequence[TextPair]) -> dict[str, Interval]:
    """Intervals of corpus values; every part of the data is scored once for all keys."""
    found: dict[bytes, Scores] = {}

    def value(chosen: np.ndarray, key: str) -> float:
        scores = found.get(chosen.tobytes())
        if scores is None:
            scores = found[chosen.tobytes()] = _scored(spec, [pairs[i] for i in chosen])
        return float(scores.corpus[key])

    videos = [p.video for p in pairs]
    return {key: of_whole(partial(value, key=key), videos) for key in keys}


def entities(material: Material) -> Findings:
    """Micro precision, recall and F1 of the entities named by summaries, of those that any reference names."""
    pairs = material.summaries
    each = [entity_f1([p.said], ["\n".join(p.true)], material.taxonomy) for p in pairs]
    parts = np.array([(s.matched, s.said, s.expected) for s in each], np.float64).reshape(-1, 3)
    ids, videos = [p.id for p in pairs], [p.video for p in pairs]

    def f1(sums: np.ndarray) -> float:
        return float(2 * sums[0] / (sums[1] + sums[2])) if sums[1] + sums[2] else 0.0

    intervals = {
        "precision": ratio([s.matched for s in each], [s.said for s in each], videos),
        "recall": ratio([s.matched for s in each], [s.expected for s in each], videos),
        "f1": of_sums(f1, parts, videos),
    }
    of = {"precision": "labels said", "recall": "labels in references", "f1": "summaries"}
    # Nothing to say and nothing said is as good as can be.
    values = [s.f1 if s.said + s.expected else 1.0 for s in each]
    return Findings(
        tuple(Number(ENTITIES.name, key, "summaries", intervals[key], of[key]) for key in ENTITIES.keys),
        (known_items(ENTITIES.name, "f1", "summaries", ids, videos, values),),
        rules=(f"Entities are words of the taxonomy {material.taxonomy.name}, by name, synonym or plural; "
               "a denied word ('no snare') is not said.",),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Told:
    """One frame: labels said and there, and for each text about what is there whether the masks refute it."""

    said: frozenset[str]
    there: frozenset[str]
    refuted: Mapping[int | None, bool]


def truth(material: Material) -> Findings:
    """What the run's texts say against the true scenes: hallucination, omission, contradiction, and confidence."""
    scenes = material.scenes
    told = [_told(pair, material.taxonomy) for pair in scenes]
    videos, ids = [p.video for p in scenes], [p.id for p in scenes]
    rates = {
        "hallucination": ([len(t.said - t.there) for t in told], [len(t.said) for t in told], "labels said"),
        "omission": ([len(t.there - t.said) for t in told], [len(t.there) for t in told], "labels there"),
        "contradiction": ([sum(t.refuted.values()) for t in told], [len(t.refuted) for t in told], "texts"),
    }
    numbers, items = [], []
    for key, (counts, of, what) in rates.items():
        numbers.append(Number("truth", key, "texts against true scenes", ratio(counts, of, videos), what, True))
        shares = [count / n if n else math.nan for count, n in zip(counts, of)]
        items.append(known_items("truth", key, "texts against true scenes", ids, videos, shares, True))
    return Findings(
        tuple(numbers),
        tuple(items),
        curves=tuple(_sureness(scenes, told, material.taxonomy)),
        rules=(
            "Hallucination: labels said that the true frame lacks, of all labels said. Omission: labels of the true "
            "frame that no text of it says. Contradiction: texts (the summary, and texts of regions that are there) "
            "with a place or count word that the true masks refute. Labels count once a frame.",
        ),
    )


def _told(pair: ScenePair, taxonomy: Taxonomy) -> _Told:
    """As ``eval.truth.scene_truth``, but a region's text is held against the true region that it is of."""
    said = frozenset[str]().union(*(labels_of(text, taxonomy) for text in pair.texts))
    about: dict[int | None, str] = {None: pair.summary} if pair.summary else {}
    if pair.run is not None:
        about |= {d.region_id: d.text for d in pair.run.descriptions if d.region_id in pair.same}
    refuted = {i: _is_refuted(text, None if i is None else pair.same[i], pair, taxonomy) for i, text in about.items()}
    there = {region.label for region in pair.truth.regions} & set(taxonomy.names)
    return _Told(said, frozenset(there), refuted)


def _is_refuted(text: str, about: int | None, pair: ScenePair, taxonomy: Taxonomy) -> bool:
    mentions, ungrounded = link(text, pair.truth, taxonomy, about)
    return bool(contradictions(Description(about, text, mentions, 0.0, ungrounded), pair.truth, taxonomy))


def _sureness(scenes: Sequence[ScenePair], told: Sequence[_Told], taxonomy: Taxonomy) -> list[Curve]:
    """Risk against coverage of the texts' own confidences, where a run gives any."""
    sure, right = [], []
    for pair, known in zip(scenes, told):
        for d in pair.run.descriptions if pair.run is not None else ():
            if d.confidence is None:
                continue
            true = known.refuted.get(d.region_id) is False and labels_of(d.text, taxonomy) <= known.there
            sure.append(d.confidence)
            right.append(true)
    if not any(sure):
        return []
    found = calibration_scores(sure, right)
    meaning = "its region is there, it names nothing that is not, and no place or count in it is refuted"
    return [Curve("confidence of texts", meaning, found.coverage, found.risk, found.n, "texts")]
