"""Pairs of entries turned into what metrics take: texts, scenes and answers; and what had to be left out."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from pycocotools import mask as coco_mask

from describer.errors import InputError, TaxonomyError
from describer.eval.reports.report import Skip
from describer.eval.segmentation import IGNORE, confusion
from describer.evaluate.files import Side
from describer.evaluate.matching import Matched, Pair
from describer.taxonomy import Label, Taxonomy, load_taxonomy
from describer.types import Annotation, Failure, Region, Scene

SAME_REGION_IOU = 0.5
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class TextPair:
    """One text of the run and the reference texts of the same thing."""

    id: str
    video: str
    said: str
    true: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScenePair:
    """One frame: its true scene, the texts of the run about it, and the run's scene where it has one.

    ``same`` maps region ids of the run to those of the truth: same label, mask IoU of at least 0.5, each once.
    """

    id: str
    video: str
    truth: Scene
    texts: tuple[str, ...]
    summary: str | None
    run: Annotation | None
    same: dict[int, int]


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """One question with the run's answer and the true one."""

    id: str
    video: str
    type: str
    question: str
    said: str
    true: str
    confidence: float | None


T = TypeVar("T", TextPair, ScenePair, AnswerPair)


@dataclass(frozen=True)
class Material:
    """All that can be scored of a run. ``scenes`` are the frames whose truth is annotated.

    ``labelled`` are the labels of the taxonomy that the references use at all, in its order; ``unmapped`` those of
    the references that it lacks.
    """

    taxonomy: Taxonomy
    summaries: tuple[TextPair, ...]
    region_texts: tuple[TextPair, ...]
    scenes: tuple[ScenePair, ...]
    answers: tuple[AnswerPair, ...]
    labelled: tuple[str, ...]
    unmapped: frozenset[str]
    skips: tuple[Skip, ...]
    rules: tuple[str, ...]

    @functools.cached_property
    def run_scenes(self) -> tuple[ScenePair, ...]:
        """The frames with a scene on both sides, of one size."""
        return tuple(pair for pair in self.scenes if pair.run is not None)

    def maps(self, pair: ScenePair) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) class ids of the run and of the truth: 0 rest, then ``labelled``; unmapped labels are IGNORE."""
        assert pair.run is not None
        codes = {label: i for i, label in enumerate(self.labelled, start=1)}
        return label_map(pair.run.scene, codes), label_map(pair.truth, codes | dict.fromkeys(self.unmapped, IGNORE))

    @functools.cached_property
    def matrices(self) -> np.ndarray:
        """(frames, classes, classes) pixel counts of ``run_scenes``, rows the truth; several metrics read them."""
        classes = 1 + len(self.labelled)
        return np.stack([confusion(*self.maps(pair), classes) for pair in self.run_scenes])


def label_map(scene: Scene, codes: dict[str, int]) -> np.ndarray:
    """(H, W) uint8: ``codes`` of the regions' labels, larger regions below smaller ones, 0 elsewhere."""
    canvas = np.zeros((scene.size_wh[1], scene.size_wh[0]), np.uint8)
    for region in sorted(scene.regions, key=lambda region: -region.area_fraction):
        if region.label in codes:
            canvas[region.mask.to_array()] = codes[region.label]
    return canvas


class _Skips:
    """Counts what is left out, by reason, in order of first use."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[str]] = {}

    def add(self, what: str, effect: str, example: str) -> None:
        self._found.setdefault((what, effect), []).append(example)

    def done(self) -> tuple[Skip, ...]:
        return tuple(
            Skip(what, len(names), effect, tuple(names[:_EXAMPLES])) for (what, effect), names in self._found.items()
        )


def make_material(run: Side, references: Side, matched: Matched, taxonomy_name: str | None) -> Material:
    """What there is to score; InputError for answers against captions, TaxonomyError for labels that do not meet."""
    if run.form == "answers" and references.form != "answers":
        raise InputError(f"{run.path} holds answers and {references.path} {references.form}; give true answers.")
    if references.form == "answers" and run.form == "annotations":
        raise InputError(f"{references.path} holds answers and {run.path} annotations; give a file of answers as RUN.")
    skips = _Skips()
    for name in matched.unknown:
        skips.add("ids of RUN that REF lacks", "not scored", name)
    for name in matched.missing:
        skips.add("ids of REF that RUN lacks", "not scored", name)
    pairs = [pair for pair in matched.pairs if not _failed(pair, skips)]
    labels, of_run, of_truth = _taxonomies(run, references, taxonomy_name)
    if references.form == "answers":
        return Material(labels, (), (), (), _answers(pairs, skips), (), frozenset(), skips.done(), ())
    unmapped = frozenset(name for name, core in of_truth.items() if core is None)
    scenes = _scenes(pairs, labels, of_run, of_truth, skips)
    return Material(
        taxonomy=labels,
        summaries=_summaries(pairs, skips),
        region_texts=tuple(_region_texts(pairs, {scene.id: scene for scene in scenes}, skips)),
        scenes=scenes,
        answers=(),
        labelled=_labelled(scenes, labels),
        unmapped=unmapped,
        skips=skips.done(),
        rules=_rules(run, references, labels, unmapped),
    )


def _labelled(scenes: Sequence[ScenePair], taxonomy: Taxonomy) -> tuple[str, ...]:
    used = {region.label for pair in scenes for region in pair.truth.regions}
    return tuple(name for name in taxonomy.names if name in used)


def on_shared_items(material: Material, other: Material) -> Material:
    """What of ``material`` the other has too: scores such as CIDEr-D hang on the whole set, so two runs compare
    only where both are scored on one."""

    def kept(ours: Sequence[T], theirs: Sequence[T]) -> tuple[T, ...]:
        known = {item.id for item in theirs}
        return tuple(item for item in ours if item.id in known)

    scenes = kept(material.scenes, other.scenes)
    return replace(
        material,
        summaries=kept(material.summaries, other.summaries),
        region_texts=kept(material.region_texts, other.region_texts),
        scenes=scenes,
        answers=kept(material.answers, other.answers),
        labelled=_labelled(scenes, material.taxonomy),
    )


def _failed(pair: Pair, skips: _Skips) -> bool:
    for side, entry in (("RUN", pair.run), ("REF", pair.reference)):
        if isinstance(entry.record, Failure):
            skips.add(f"error records in {side}", "not scored", entry.record.error)
            return True
    return False


def _answers(pairs: Sequence[Pair], skips: _Skips) -> tuple[AnswerPair, ...]:
    found = []
    for pair in pairs:
        said, true = "".join(pair.run.texts).strip(), pair.reference.texts[0]
        if not said:
            skips.add("empty answers in RUN", "scored as an empty text", pair.id)
        question = pair.reference.question or ""
        found.append(AnswerPair(pair.id, pair.video, pair.reference.type, question, said, true, pair.run.confidence))
    return tuple(found)


def _summaries(pairs: Sequence[Pair], skips: _Skips) -> tuple[TextPair, ...]:
    found = []
    for pair in pairs:
        true = tuple(text for text in pair.reference.texts if text.strip())
        said = "".join(pair.run.texts).strip()
        if not true:
            skips.add("references without a caption", "not scored by captions", pair.id)
            continue
        if not said:
            skips.add("empty captions in RUN", "scored as an empty text", pair.id)
        found.append(TextPair(pair.id, pair.video, said, true))
    return tuple(found)


def _region_texts(pairs: Sequence[Pair], scenes: dict[str, ScenePair], skips: _Skips) -> Iterable[TextPair]:
    """Texts of the regions that run and truth share."""
    for pair in pairs:
        run, truth = pair.run.record, pair.reference.record
        if not isinstance(run, Annotation) or not isinstance(truth, Annotation) or pair.id not in scenes:
            continue
        said, true = _texts_by_region(run), _texts_by_region(truth)
        for ours, theirs in sorted(scenes[pair.id].same.items()):
            if not true.get(theirs, "").strip():
                skips.add("true regions without a text", "not scored by captions", f"{pair.id} region {theirs}")
                continue
            if not said.get(ours, "").strip():
                skips.add("matched regions without a text in RUN", "scored as an empty text", f"{pair.id} {ours}")
            yield TextPair(f"{pair.id} region {theirs}", pair.video, said.get(ours, ""), (true[theirs],))


def _texts_by_region(annotation: Annotation) -> dict[int, str]:
    return {d.region_id: d.text for d in annotation.descriptions if d.region_id is not None}


def _scenes(
    pairs: Sequence[Pair],
    labels: Taxonomy,
    of_run: dict[str, str | None],
    of_truth: dict[str, str | None],
    skips: _Skips,
) -> tuple[ScenePair, ...]:
    found = []
    for pair in pairs:
        truth, run = pair.reference.record, pair.run.record
        if not isinstance(truth, Annotation):
            continue
        _check_labels(pair, labels, of_run, of_truth)
        scene = _renamed(truth.scene, of_truth)
        texts, same = pair.run.texts, {}
        if isinstance(run, Annotation):
            if run.frame.size_wh != truth.frame.size_wh:
                what = f"{pair.id}: {run.frame.size_wh} against {truth.frame.size_wh}"
                skips.add("frames of another size in REF", "scored by captions only", what)
                continue
            if run.frame.sha256 != truth.frame.sha256:
                skips.add("frames of other pixels in REF (a copy packed anew?)", "scored all the same", pair.id)
            run = replace(run, scene=_renamed(run.scene, of_run))
            texts, same = tuple(d.text for d in run.descriptions), same_regions(run.scene, scene)
        summary = pair.run.texts[0] if pair.run.texts else None
        annotation = run if isinstance(run, Annotation) else None
        found.append(ScenePair(pair.id, pair.video, scene, texts, summary, annotation, same))
    return tuple(found)


def _check_labels(pair: Pair, labels: Taxonomy, *names: dict[str, str | None]) -> None:
    for entry, known in zip((pair.run, pair.reference), names):
        if not isinstance(entry.record, Annotation):
            continue
        wrong = sorted({region.label for region in entry.record.scene.regions} - set(known))
        if wrong:
            raise TaxonomyError(
                f"{entry.id}: label {wrong[0]!r} is not in its taxonomy {entry.record.provenance.taxonomy!r}; "
                f"mend the record (the common taxonomy is {labels.name!r})."
            )


def _renamed(scene: Scene, names: dict[str, str | None]) -> Scene:
    """Labels of the common taxonomy; those that it lacks keep their own name."""
    regions = tuple(replace(region, label=names[region.label] or region.label) for region in scene.regions)
    return replace(scene, regions=regions)


def same_regions(run: Scene, truth: Scene) -> dict[int, int]:
    """Region ids of a run -> those of the truth: same label, mask IoU at least 0.5, best pairs first, each once."""
    found: dict[int, int] = {}
    for label in {region.label for region in run.regions}:
        ours, theirs = ([r for r in scene.regions if r.label == label] for scene in (run, truth))
        for i, j in _best_first(ours, theirs):
            if ours[i].id not in found and theirs[j].id not in found.values():
                found[ours[i].id] = theirs[j].id
    return found


def _best_first(ours: Sequence[Region], theirs: Sequence[Region]) -> list[tuple[int, int]]:
    if not ours or not theirs:
        return []
    rles = [[region.mask.to_rle() for region in regions] for regions in (ours, theirs)]
    iou = np.asarray(coco_mask.iou(*rles, [0] * len(theirs)))
    order = np.argsort(-iou, axis=None, kind="stable")
    pairs = [(int(at) // len(theirs), int(at) % len(theirs)) for at in order]
    return [(i, j) for i, j in pairs if iou[i, j] >= SAME_REGION_IOU]


def _taxonomies(
    run: Side, references: Side, wanted: str | None
) -> tuple[Taxonomy, dict[str, str | None], dict[str, str | None]]:
    """The common taxonomy, and each side's labels in it (None for a label that it lacks)."""
    ours, theirs = _named(run), _named(references)
    common = wanted or ("core" if ours and theirs and ours != theirs else ours or theirs or "core")
    labels = load_taxonomy(common)
    maps = []
    for side, name in ((run, ours), (references, theirs)):
        own = labels if name is None or name == common else load_taxonomy(name)
        maps.append({label.name: _in_common(own, label, labels) for label in own.labels})
        if own is not labels and not any(maps[-1].values()):
            raise TaxonomyError(
                f"{side.path} has taxonomy {own.name!r}, none of whose labels map to {labels.name!r}; "
                "name another with --taxonomy."
            )
    return labels, maps[0], maps[1]


def _in_common(own: Taxonomy, label: Label, common: Taxonomy) -> str | None:
    """The label's own name where the common set has it, else what its taxonomy says it is of the core set."""
    if own.name == common.name or label.name in common.names:
        return label.name
    return label.core if label.core in common.names else None


def _named(side: Side) -> str | None:
    records = (entry.record for entry in side.entries.values())
    return next((r.provenance.taxonomy for r in records if isinstance(r, Annotation)), None)


def _rules(run: Side, references: Side, labels: Taxonomy, unmapped: frozenset[str]) -> tuple[str, ...]:
    rules = []
    ours, theirs = _named(run), _named(references)
    for side, name in (("RUN", ours), ("REF", theirs)):
        if name is not None and name != labels.name:
            rules.append(f"Labels of {side} ({name}) were renamed to those of {labels.name} by the taxonomy's table.")
    if unmapped:
        rules.append(
            f"Labels of REF without a counterpart ({', '.join(sorted(unmapped))}): their pixels are ignored and "
            "their regions are no objects."
        )
    return tuple(rules)
