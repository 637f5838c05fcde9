"""Questions and their true short answers, made from a Scene and, where known, from how things look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from describer.prompts.facts import activity_of, contacts_of, listed_contacts, tip_place
from describer.prompts.sentences import View
from describer.taxonomy import load_taxonomy
from describer.types import Appearance, Region, Scene
from describer.wording import is_plural, joined, plural, sentence_case, with_article

KINDS = (
    "exists", "count", "which instruments", "place", "touches", "tip", "activity",
    "colour", "jaws", "smoke", "blood",
)  # fmt: skip
_NUMBERS = ("None", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")

_WORDINGS: dict[str, tuple[str, ...]] = {
    "exists": ("{Is} there {a}?", "{Is} {a} in view?", "Can you see {a}?", "{Is} {a} visible in this frame?"),
    "count": (
        "How many {many} are there?",
        "How many {many} are in view?",
        "How many {many} can you see?",
        "What is the number of {many}?",
    ),
    "which instruments": (
        "Which instruments are in view?",
        "What instruments can you see?",
        "Which tools are being used?",
        "Name the instruments.",
    ),
    "place": ("Where {is} {the}?", "Where in the view {is} {the}?", "What is the position of {the}?"),
    "touches": ("What {does} {the} touch?", "What {is} {the} touching?", "What {is} {the} in contact with?"),
    "tip": ("Where is the tip of {the}?", "Where does {the} end?", "Where is the end of {the}?"),
    "activity": (
        "What is the surgeon doing?",
        "What is the activity?",
        "What is being done?",
        "Which step is this?",
    ),
    "colour": ("What colour {is} {the}?", "Which colour {does} {the} have?", "What is the colour of {the}?"),
    "jaws": (
        "Are the jaws of {the} open?",
        "Are the jaws of {the} open or closed?",
        "How are the jaws of {the}?",
    ),
    "smoke": ("Is there smoke?", "Is there smoke in the view?", "Is the view smoky?", "Can you see smoke?"),
    "blood": ("Is the view bloody?", "Is the view stained red?", "Is the picture bloody?"),
}
_SMOKE = {"none": "No.", "light": "Yes, a little.", "heavy": "Yes, a lot."}
_BLOOD = {"none": "No.", "some": "Yes, a little.", "a lot": "Yes, a lot."}


@dataclass(frozen=True, slots=True)
class QA:
    """A question, its true answer, its kind (one of KINDS) and the regions it rests on."""

    question: str
    answer: str
    kind: str
    region_ids: tuple[int, ...] = ()


def questions(
    scene: Scene,
    appearances: Mapping[int, Appearance],
    view: View | None,
    rng: np.random.Generator,
    labels: Sequence[tuple[str, str]] | None = None,
) -> list[QA]:
    """At most one question of each kind, two for "exists" (one yes, one no), in the order of KINDS.

    What the scene, ``appearances`` (by region id) or ``view`` do not tell is not asked. A question about a
    single thing is only asked of a label with one region. ``labels`` are (name, kind) to ask of, by default
    the core set's.
    """
    known = labels or tuple((label.name, label.kind) for label in load_taxonomy("core").labels)
    makers = (
        _exists(scene, known, rng),
        _counts(scene, rng),
        _instruments(scene, rng),
        _places(scene, rng),
        _contacts(scene, rng),
        _activity(scene, rng),
        _looks(scene, appearances, rng),
        _views(view, rng),
    )
    return [qa for maker in makers for qa in maker]


def _ask(kind: str, rng: np.random.Generator, label: str = "", thing_kind: str = "", only: int | None = None) -> str:
    many = bool(label) and is_plural(label)
    wordings = _WORDINGS[kind]
    wording = wordings[int(rng.integers(len(wordings))) if only is None else only]
    words = {"Is": "Are" if many else "Is", "is": "are" if many else "is", "does": "do" if many else "does"}
    if label:
        words |= {"a": with_article(label, thing_kind), "the": f"the {label}", "many": plural(label)}
    return wording.format(**words)


def _pick(rng: np.random.Generator, items: Sequence[Region]) -> Region:
    return items[int(rng.integers(len(items)))]


def _single(scene: Scene) -> list[Region]:
    """Regions that "the LABEL" names without doubt."""
    labels = [region.label for region in scene.regions]
    return [region for region in scene.regions if labels.count(region.label) == 1]


def _ids(scene: Scene, label: str) -> tuple[int, ...]:
    return tuple(region.id for region in scene.regions if region.label == label)


def _exists(scene: Scene, known: Sequence[tuple[str, str]], rng: np.random.Generator) -> Iterator[QA]:
    seen = {region.label: region.kind for region in scene.regions}
    absent = [pair for pair in known if pair[0] not in seen]
    for answer, pool in (("Yes.", sorted(seen.items())), ("No.", absent)):
        if pool:
            name, kind = pool[int(rng.integers(len(pool)))]
            yield QA(_ask("exists", rng, name, kind), answer, "exists", _ids(scene, name))


def _counts(scene: Scene, rng: np.random.Generator) -> Iterator[QA]:
    """Instruments all together or of one label: parts of tissue are not things that one counts."""
    tools = [region for region in scene.regions if region.kind == "instrument"]
    labels = sorted({region.label for region in tools if not is_plural(region.label)})
    if labels and rng.random() < 0.5:
        label = labels[int(rng.integers(len(labels)))]
        ids = _ids(scene, label)
        yield QA(_ask("count", rng, label), _number(len(ids)), "count", ids)
    else:
        ids = tuple(region.id for region in tools)
        yield QA(_ask("count", rng, "instrument"), _number(len(ids)), "count", ids)


def _number(value: int) -> str:
    return f"{_NUMBERS[value] if value < len(_NUMBERS) else value}."


def _instruments(scene: Scene, rng: np.random.Generator) -> Iterator[QA]:
    tools = [region for region in scene.regions if region.kind == "instrument"]
    yield QA(_ask("which instruments", rng), _named(tools), "which instruments", tuple(r.id for r in tools))


def _named(regions: Sequence[Region]) -> str:
    """ "A grasper and the liver.", each label once; "None." of none."""
    phrases = list(dict.fromkeys(with_article(region.label, region.kind) for region in regions))
    return sentence_case(f"{joined(phrases)}.") if phrases else "None."


def _places(scene: Scene, rng: np.random.Generator) -> Iterator[QA]:
    single = _single(scene)
    if single:
        region = _pick(rng, single)
        yield QA(_ask("place", rng, region.label), f"In the {region.place}.", "place", (region.id,))


def _contacts(scene: Scene, rng: np.random.Generator) -> Iterator[QA]:
    tools = [region for region in _single(scene) if region.kind == "instrument"]
    if tools:
        region = _pick(rng, tools)
        pairs = [pair for pair in listed_contacts(scene) if region in pair]
        others = tuple(b if a == region else a for a, b in pairs) or contacts_of(scene, region)
        answer = _named(others) if others else "Nothing."
        ids = (region.id, *(other.id for other in others))
        yield QA(_ask("touches", rng, region.label), answer, "touches", ids)
        region = _pick(rng, tools)
        yield QA(_ask("tip", rng, region.label), f"In the {tip_place(region)}.", "tip", (region.id,))


def _activity(scene: Scene, rng: np.random.Generator) -> Iterator[QA]:
    activity = activity_of(scene)
    if activity is not None:
        yield QA(_ask("activity", rng), sentence_case(f"{activity}."), "activity")


def _looks(scene: Scene, appearances: Mapping[int, Appearance], rng: np.random.Generator) -> Iterator[QA]:
    known = [(region, appearances[region.id]) for region in _single(scene) if region.id in appearances]
    coloured = [(region, look.colour) for region, look in known if look.colour]
    if coloured:
        region, colour = coloured[int(rng.integers(len(coloured)))]
        yield QA(_ask("colour", rng, region.label), sentence_case(f"{colour}."), "colour", (region.id,))
    jawed = [(region, look.state) for region, look in known if look.state]
    if jawed:
        region, state = jawed[int(rng.integers(len(jawed)))]
        wording = int(rng.integers(len(_WORDINGS["jaws"])))
        yes_no = "Yes." if state == "open" else "No."
        answer = yes_no if wording == 0 else f"{sentence_case(str(state))}."
        yield QA(_ask("jaws", rng, region.label, only=wording), answer, "jaws", (region.id,))


def _views(view: View | None, rng: np.random.Generator) -> Iterator[QA]:
    if view is not None:
        yield QA(_ask("smoke", rng), _SMOKE[view.smoke], "smoke")
        yield QA(_ask("blood", rng), _BLOOD[view.blood], "blood")
