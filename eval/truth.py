"""Truthfulness of texts: do they name what is there, only what is there, and as it looks?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from describer.claims import contradictions
from describer.eval.classification import ClassScores, class_scores
from describer.mentions import affirmed_labels, link
from describer.taxonomy import Taxonomy, load_taxonomy
from describer.types import Annotation, Appearance, Description, Scene
from describer.wording import parse_appearance


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` out of ``of``; the value is 0 when there was nothing to count."""

    count: int
    of: int

    @property
    def value(self) -> float:
        return self.count / self.of if self.of else 0.0

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.count + other.count, self.of + other.of)


@dataclass(frozen=True, slots=True)
class EntityScores:
    """Micro-averaged over ``n`` text pairs: ``matched`` labels of those ``said`` and those ``expected``."""

    matched: int
    said: int
    expected: int
    n: int

    @property
    def precision(self) -> float:
        return Rate(self.matched, self.said).value

    @property
    def recall(self) -> float:
        return Rate(self.matched, self.expected).value

    @property
    def f1(self) -> float:
        return Rate(2 * self.matched, self.said + self.expected).value


def labels_of(text: str, taxonomy: Taxonomy) -> frozenset[str]:
    """Labels that a text says are there, by name, synonym or plural; "no snare" names none."""
    return frozenset(found.label for found in affirmed_labels(text, taxonomy))


def entity_f1(candidates: Sequence[str], references: Sequence[str], taxonomy: Taxonomy) -> EntityScores:
    """Entity precision, recall and F1 of candidate texts against one reference text each.

    A text's entities are the set of labels it names (a label said twice counts once; synonyms are the same
    label). A candidate's label is matched when its reference names it. ValueError when the lengths differ.
    """
    _same_length(candidates, references)
    matched = said = expected = 0
    for candidate, reference in zip(candidates, references):
        ours, theirs = labels_of(candidate, taxonomy), labels_of(reference, taxonomy)
        matched += len(ours & theirs)
        said += len(ours)
        expected += len(theirs)
    return EntityScores(matched, said, expected, len(candidates))


@dataclass(frozen=True, slots=True)
class SceneTruth:
    """Texts against true scenes; adds up over frames.

    ``hallucination``: labels said that the scene lacks, of all labels said. ``omission``: labels of the scene that
    no text of the frame says, of all labels of the scene. ``contradiction``: texts with a place, count or contact that
    the scene's masks refute, of all texts. Labels count once a frame, however many regions or words they have.
    """

    hallucination: Rate = Rate(0, 0)
    omission: Rate = Rate(0, 0)
    contradiction: Rate = Rate(0, 0)

    def __add__(self, other: SceneTruth) -> SceneTruth:
        return SceneTruth(
            self.hallucination + other.hallucination,
            self.omission + other.omission,
            self.contradiction + other.contradiction,
        )


def scene_truth(texts: Sequence[str], scene: Scene, taxonomy: Taxonomy) -> SceneTruth:
    """What free texts about a whole frame say, against what is truly in it.

    Unlike the rates of an Annotation, which hold a run's sentences against the run's own scene, ``scene`` is the
    reference here and the texts may come from anywhere; the scene's labels are those of ``taxonomy``.
    """
    there = {region.label for region in scene.regions}
    said = frozenset[str]().union(*(labels_of(text, taxonomy) for text in texts))
    refuted = sum(bool(contradictions(_about_scene(text, scene, taxonomy), scene, taxonomy)) for text in texts)
    return SceneTruth(
        hallucination=Rate(len(said - there), len(said)),
        omission=Rate(len(there - said), len(there)),
        contradiction=Rate(refuted, len(texts)),
    )


def _about_scene(text: str, scene: Scene, taxonomy: Taxonomy) -> Description:
    mentions, ungrounded = link(text, scene, taxonomy)
    return Description(None, text, mentions, 0.0, ungrounded)


def hallucination_rate(annotations: Iterable[Annotation]) -> Rate:
    """Entity words without a region of that label in their frame, of all entity words said."""
    total = Rate(0, 0)
    for annotation in annotations:
        for description in annotation.descriptions:
            missing = len(description.ungrounded)
            total += Rate(missing, missing + len(description.mentions))
    return total


def omission_rate(annotations: Iterable[Annotation]) -> Rate:
    """Regions that no description of their frame mentions, of all regions."""
    total = Rate(0, 0)
    for annotation in annotations:
        said = {region_id for d in annotation.descriptions for _, _, region_id in d.mentions}
        regions = annotation.scene.regions
        total += Rate(sum(region.id not in said for region in regions), len(regions))
    return total


def contradiction_rate(annotations: Iterable[Annotation], taxonomy: Taxonomy | None = None) -> Rate:
    """Descriptions with at least one claim that the masks refute (see describer.claims), of all descriptions.

    ``taxonomy`` None takes the label set that each annotation names.
    """
    total = Rate(0, 0)
    for annotation in annotations:
        labels = taxonomy or load_taxonomy(annotation.provenance.taxonomy)
        for description in annotation.descriptions:
            total += Rate(int(bool(contradictions(description, annotation.scene, labels))), 1)
    return total


@dataclass(slots=True)
class Tally:
    """Adds annotations up one by one, so that a run of any length takes the same memory."""

    taxonomy: Taxonomy | None = None
    frames: int = 0
    regions: int = 0
    descriptions: int = 0
    _rates: dict[str, Rate] = field(default_factory=dict)

    def add(self, annotation: Annotation) -> None:
        self.frames += 1
        self.regions += len(annotation.scene.regions)
        self.descriptions += len(annotation.descriptions)
        for name, rate in (
            ("hallucination", hallucination_rate([annotation])),
            ("omission", omission_rate([annotation])),
            ("contradiction", contradiction_rate([annotation], self.taxonomy)),
        ):
            self._rates[name] = self._rates.get(name, Rate(0, 0)) + rate

    def summary(self) -> dict[str, Any]:
        """Counts, and each rate as its value with what it was counted on."""
        out: dict[str, Any] = {
            "frames": self.frames,
            "regions": self.regions,
            "descriptions": self.descriptions,
        }
        for name in ("hallucination", "omission", "contradiction"):
            rate = self._rates.get(name, Rate(0, 0))
            out[f"{name}_rate"] = round(rate.value, 4)
            out[f"{name}_count"] = rate.count
            out[f"{name}_of"] = rate.of
        return out


def run_summary(annotations: Iterable[Annotation], taxonomy: Taxonomy | None = None) -> dict[str, Any]:
    """The truthfulness of a run: see Tally; mentions, regions and descriptions are what rates are of."""
    tally = Tally(taxonomy)
    for annotation in annotations:
        tally.add(annotation)
    return tally.summary()


def appearance_scores(candidates: Sequence[str], appearances: Sequence[Appearance]) -> dict[str, ClassScores]:
    """How well region texts tell what only pixels show: accuracy, macro-F1 and n of each attribute.

    The words are read back with ``wording.parse_appearance``. Colour and jaws are scored where the truth
    knows them (a text silent on them is wrong there); cover, glare and blur on every text. ValueError when
    the lengths differ.
    """
    _same_length(candidates, appearances)
    pairs = [(parse_appearance(text), true) for text, true in zip(candidates, appearances)]
    coloured = [pair for pair in pairs if pair[1].colour is not None]
    jawed = [pair for pair in pairs if pair[1].state is not None]
    return {
        "colour": class_scores([p.colour for p, _ in coloured], [t.colour for _, t in coloured]),
        "cover": class_scores([p.cover for p, _ in pairs], [t.cover for _, t in pairs]),
        "glare": class_scores([p.glare for p, _ in pairs], [t.glare for _, t in pairs]),
        "blur": class_scores([not p.sharp for p, _ in pairs], [not t.sharp for _, t in pairs]),
        "jaws": class_scores([p.state for p, _ in jawed], [t.state for _, t in jawed]),
    }


def _same_length(candidates: Sequence[object], references: Sequence[object]) -> None:
    if len(candidates) != len(references):
        raise ValueError(f"{len(candidates)} candidates against {len(references)} references")
