"""Label sets: names, kinds, synonyms, colours and raw codes, one YAML file a dataset.

Add a dataset's labels by adding one file to ``describer/taxonomies/``; its format is checked on load.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from describer.errors import TaxonomyError
from describer.types import KINDS, Kind

_FOLDER = Path(__file__).parent / "taxonomies"
_LABEL_KEYS = {"name", "kind", "code", "colour", "synonyms", "colour_code", "core"}


@dataclass(frozen=True, slots=True)
class Label:
    """One class: ``code`` is the raw mask value (None where the dataset has boxes or words only),
    ``colour_code`` the RGB of colour-coded masks, ``core`` the label of the core set it maps to."""

    name: str
    kind: Kind
    colour: tuple[int, int, int]
    code: int | None = None
    synonyms: tuple[str, ...] = ()
    colour_code: tuple[int, int, int] | None = None
    core: str | None = None


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """A named label set with its activities, phases, verbs and targets, and where its codes come from.

    ``verbs`` are what an instrument may do (an idle instrument has none); ``targets`` name what it may do it to: labels
    of this set, or finer words that no mask has. ``core_words`` are those of the words above that the core set says
    otherwise. ``rest_codes`` are mask values of whatever the dataset does not annotate: not a class of another set.
    """

    name: str
    labels: tuple[Label, ...]
    activities: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    phase_organs: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    background_code: int = 0
    ignore_codes: tuple[int, ...] = ()
    rest_codes: tuple[int, ...] = ()
    core_words: Mapping[str, str] = field(default_factory=dict, hash=False)
    source: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        names = [label.name for label in self.labels]
        _check(len(names) == len(set(names)), self.name, f"label names repeat: {names}")
        codes = [label.code for label in self.labels if label.code is not None]
        _check(len(codes) == len(set(codes)), self.name, f"raw codes repeat: {codes}")
        words = [word.lower() for label in self.labels for word in (label.name, *label.synonyms)]
        double = sorted({word for word in words if words.count(word) > 1})
        _check(not double, self.name, f"words stand for two labels: {double}")
        spoken = {*self.activities, *self.phases, *self.verbs, *self.targets}
        foreign = sorted(set(self.core_words) - spoken)
        _check(not foreign, self.name, f"core_words that are no activity, phase, verb or target: {foreign}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    def label(self, name: str) -> Label:
        """The label of that name; TaxonomyError when there is none."""
        for label in self.labels:
            if label.name == name:
                return label
        raise TaxonomyError(f"label {name!r} is not in taxonomy {self.name!r}; it has {', '.join(self.names)}.")

    def of_kind(self, kind: str) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels if label.kind == kind)


def _check(ok: bool, name: str, what: str) -> None:
    if not ok:
        raise TaxonomyError(f"taxonomy {name!r}: {what}.")


def _colour(value: Any, name: str, label: str) -> tuple[int, int, int]:
    good = isinstance(value, list) and len(value) == 3 and all(isinstance(v, int) and 0 <= v <= 255 for v in value)
    _check(good, name, f"label {label!r} needs a colour [r, g, b] of 0 to 255, got {value!r}")
    return value[0], value[1], value[2]


def _label(entry: dict[str, Any], name: str) -> Label:
    unknown = sorted(set(entry) - _LABEL_KEYS)
    _check(not unknown, name, f"unknown keys {unknown} in label {entry.get('name')!r}; known: {sorted(_LABEL_KEYS)}")
    title = entry.get("name")
    _check(isinstance(title, str) and bool(title), name, f"a label has no name: {entry}")
    kind = entry.get("kind")
    _check(kind in KINDS, name, f"label {title!r} needs a kind out of {KINDS}, got {kind!r}")
    code_colour = entry.get("colour_code")
    return Label(
        name=str(title),
        kind=kind,  # type: ignore[arg-type]
        colour=_colour(entry.get("colour"), name, str(title)),
        code=entry.get("code"),
        synonyms=tuple(entry.get("synonyms", ())),
        colour_code=None if code_colour is None else _colour(code_colour, name, str(title)),
        core=entry.get("core"),
    )


def parse_taxonomy(data: Any, name: str) -> Taxonomy:
    """Check the mapping of a taxonomy file; TaxonomyError names what is wrong."""
    _check(isinstance(data, dict) and isinstance(data.get("labels"), list), name, "needs a list `labels`")
    known = {entry.name for entry in fields(Taxonomy)} - {"name"}
    unknown = sorted(set(data) - known)
    _check(not unknown, name, f"unknown keys {unknown}; known: {sorted(known)}")
    return Taxonomy(
        name=name,
        labels=tuple(_label(entry, name) for entry in data["labels"]),
        activities=tuple(data.get("activities", ())),
        phases=tuple(data.get("phases", ())),
        phase_organs=tuple(data.get("phase_organs", ())),
        verbs=tuple(data.get("verbs", ())),
        targets=tuple(data.get("targets", ())),
        background_code=int(data.get("background_code", 0)),
        ignore_codes=tuple(data.get("ignore_codes", ())),
        rest_codes=tuple(data.get("rest_codes", ())),
        core_words=dict(data.get("core_words", {})),
        source=str(data.get("source", "")),
        notes=str(data.get("notes", "")),
    )


def known_taxonomies() -> tuple[str, ...]:
    """Names of the label sets in the package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@functools.cache
def load_taxonomy(name_or_path: str) -> Taxonomy:
    """A label set of the package by name, or anyone's YAML file by path."""
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = _FOLDER / f"{name_or_path}.yaml"
        if not path.is_file():
            known = ", ".join(known_taxonomies())
            raise TaxonomyError(f"taxonomy {name_or_path!r} is unknown; use one of {known} or a path to a .yaml.")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TaxonomyError(f"taxonomy file {path} cannot be read ({error.strerror}); check the path.") from error
    except yaml.YAMLError as error:
        raise TaxonomyError(
            f"taxonomy file {path} is not valid YAML; mend it: {str(error).splitlines()[0]}."
        ) from error
    return parse_taxonomy(data, path.stem)
