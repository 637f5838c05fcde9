"""What the generators of questions share: a question with its answer, and the words it is asked in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from describer.prompts.questions.wordings import Split, wordings
from describer.taxonomy import Taxonomy
from describer.types import Appearance, Region, Scene, View
from describer.wording import is_mass, is_plural, joined, plural, sentence_case, with_article

# The coarse types of issue and report, and the kinds that each has.
TYPES: Mapping[str, tuple[str, ...]] = {
    "existence": ("exists", "any kind", "which instruments", "which tissues", "identify"),
    "count": ("count", "count kinds"),
    "location": ("place", "tip", "entry", "at place"),
    "attribute": ("colour", "size", "jaws", "jaws open", "cover", "covered with", "glare", "sharp"),
    "relation": (
        *("touches", "touches tissue", "touched by", "does touch"),
        *("left of", "right of", "above", "below", "nearer"),
    ),
    "action": ("does", "acts on", "acted on by", "who does", "idle"),
    "activity": ("activity", "activity yes", "phase"),
    "comparison": ("larger", "larger yes", "nearer of", "nearest", "largest", "more"),
    "multi-hop": ("hop colour", "hop place", "hop count", "hop size", "hop does", "hop touches"),
    "visibility": ("smoke", "blood", "view glare", "blur", "dirt", "clear", "disturbs", "tip visible"),
}
KINDS = tuple(kind for kinds in TYPES.values() for kind in kinds)
_TYPE_OF = {kind: name for name, kinds in TYPES.items() for kind in kinds}
NUMBERS = ("None", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
_SYNONYM = 0.12

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class QA:
    """A question, its true answer, its kind (one of KINDS) and the regions it rests on.

    ``about`` is the region that the question points at ("What colour is this instrument?"), ``shown`` the one whose
    crop and facts it is best answered from, named or pointed at; ``choices`` are the answers that it offers.
    """

    question: str
    answer: str
    kind: str
    region_ids: tuple[int, ...] = ()
    about: int | None = None
    choices: tuple[str, ...] = ()
    shown: int | None = None

    @property
    def type(self) -> str:
        """The coarse type, one of TYPES."""
        return _TYPE_OF[self.kind]


@dataclass(frozen=True, slots=True)
class Thing:
    """What is asked of: a label and its kind; ``pointed`` says "this instrument" instead of the label."""

    label: str
    kind: str
    pointed: bool = False


@dataclass(frozen=True, slots=True)
class Asker:
    """One frame to ask of, and the voice that asks: every generator takes this and yields QAs.

    ``tips`` says by region id whether an instrument's tip can be seen. What is not known is not asked.
    """

    scene: Scene
    looks: Mapping[int, Appearance]
    view: View | None
    tips: Mapping[int, bool]
    taxonomy: Taxonomy
    rng: np.random.Generator
    split: Split

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self.rng.integers(len(items)))]

    def say(self, kind: str, one: Thing | None = None, two: Thing | None = None, /, **words: str) -> str:
        """The question in one of its wordings."""
        slots = dict(words)
        for suffix, thing in (("", one), ("2", two)):
            if thing is not None:
                slots |= slots_of(thing, thing.label if thing.pointed else self._name(thing.label), suffix)
        return sentence_case(self.pick(wordings(kind, self.split)).format(**slots))

    def _name(self, label: str) -> str:
        """The label, at times one of its synonyms."""
        synonyms = self.taxonomy.label(label).synonyms if label in self.taxonomy.names else ()
        return self.pick(synonyms) if synonyms and self.chance(_SYNONYM) else label

    def single(self) -> list[Region]:
        """Regions that "the LABEL" names without doubt."""
        labels = [region.label for region in self.scene.regions]
        return [region for region in self.scene.regions if labels.count(region.label) == 1]

    def absent(self, kinds: Sequence[str] = ("instrument", "anatomy", "pathology", "other")) -> Thing | None:
        """A label of the taxonomy that is not in the scene."""
        seen = {region.label for region in self.scene.regions}
        pool = [label for label in self.taxonomy.labels if label.kind in kinds and label.name not in seen]
        if not pool:
            return None
        label = self.pick(pool)
        return Thing(label.name, label.kind)


def slots_of(thing: Thing, name: str, suffix: str = "") -> dict[str, str]:
    """What a wording's ``{the}``, ``{is}`` and their like stand for, of a thing called ``name``."""
    name = f"this {noun_of(thing.kind)}" if thing.pointed else name
    many = is_plural(name) and not thing.pointed
    article = "" if thing.pointed else "the "
    verbs = {
        "is": "are" if many else "is",
        "does": "do" if many else "does",
        "has": "have" if many else "has",
    }
    slots = {
        "the": f"{article}{name}",
        "a": name if thing.pointed else with_article(name, thing.kind),
        "many": name if is_mass(name) else plural(name),
        **verbs,
        **{word.capitalize(): said.capitalize() for word, said in verbs.items()},
    }
    return {f"{key}{suffix}": value for key, value in slots.items()}


def thing_of(region: Region) -> Thing:
    return Thing(region.label, region.kind)


def noun_of(kind: str) -> str:
    """What a region of a kind is called when it is pointed at."""
    return {"instrument": "instrument", "anatomy": "tissue"}.get(kind, "region")


def yes_no(true: bool) -> str:
    return "Yes." if true else "No."


def number(value: int) -> str:
    return f"{NUMBERS[value] if value < len(NUMBERS) else value}."


def named(regions: Sequence[Region]) -> str:
    """ "A grasper and the liver.", each label once; "None." of none."""
    phrases = list(dict.fromkeys(with_article(region.label, region.kind) for region in regions))
    return sentence_case(f"{joined(phrases)}.") if phrases else "None."


def in_places(places: Sequence[str]) -> str:
    """ "In the upper left and center."."""
    return f"In the {joined(list(dict.fromkeys(places)))}."


def no_such(thing: Thing) -> str:
    """The answer to a question about something that is not there."""
    be = "are" if is_plural(thing.label) else "is"
    name = thing.label if thing.kind == "anatomy" else with_article(thing.label, thing.kind)
    return f"There {be} no {name.removeprefix('a ').removeprefix('an ')} in view."


def ids_of(regions: Sequence[Region]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(region.id for region in regions))
