import numpy as np
import pytest

from describer.mentions import find_labels
from describer.prompts.facts import activity_of, tip_place
from describer.prompts.questions import KINDS, questions
from describer.taxonomy import load_taxonomy
from describer.types import Scene
from tests.prompts.test_facts import hook_at_work
from tests.scenes import SIZE_WH, FakeView, random_appearance, random_scene, random_view

CORE = load_taxonomy("core")
NUMBERS = ("None.", "One.", "Two.", "Three.", "Four.", "Five.", "Six.", "Seven.", "Eight.", "Nine.", "Ten.")


def asked(seed: int):
    rng = np.random.default_rng(seed)
    scene = random_scene(rng)
    looks = {region.id: random_appearance(rng, region.kind == "instrument") for region in scene.regions}
    view = random_view(rng)
    return scene, looks, view, questions(scene, looks, view, rng)


def labels(text: str) -> set[str]:
    return {found.label for found in find_labels(text, CORE)}


def answer_agrees(qa, scene, looks, view) -> bool:  # noqa: PLR0911
    regions = [scene.region(i) for i in qa.region_ids]
    match qa.kind:
        case "exists":
            (label,) = labels(qa.question)
            return (qa.answer == "Yes.") == any(region.label == label for region in scene.regions)
        case "count":
            named = labels(qa.question)
            meant = [r for r in scene.regions if (r.label in named if named else r.kind == "instrument")]
            return qa.answer == NUMBERS[len(meant)] and len(regions) == len(meant)
        case "which instruments":
            return labels(qa.answer) == {r.label for r in scene.regions if r.kind == "instrument"}
        case "place":
            return qa.answer == f"In the {regions[0].place}."
        case "touches":
            touched = {scene.region(i).label for i in scene.related(regions[0].id, "touches")}
            return labels(qa.answer) <= touched and (qa.answer == "Nothing.") == (not touched)
        case "tip":
            return qa.answer == f"In the {tip_place(regions[0])}."
        case "activity":
            return qa.answer.lower() == f"{activity_of(scene)}."
        case "colour":
            return qa.answer.lower() == f"{looks[regions[0].id].colour}."
        case "jaws":
            open_ = looks[regions[0].id].state == "open"
            return qa.answer in (("Yes.", "Open.") if open_ else ("No.", "Closed."))
        case "smoke":
            return (qa.answer == "No.") == (view.smoke == "none")
        case "blood":
            return (qa.answer == "No.") == (view.blood == "none")
    return False


@pytest.mark.parametrize("seed", range(100))
def test_every_answer_agrees_with_the_scene(seed):
    scene, looks, view, found = asked(seed)
    for qa in found:
        assert answer_agrees(qa, scene, looks, view), qa
        assert qa.question.endswith(("?", ".")) and qa.question[0].isupper()
        assert "{" not in qa.question and qa.answer[0].isupper() and qa.answer.endswith(".")
    kinds = [qa.kind for qa in found]
    assert set(kinds) <= set(KINDS)
    assert all(kinds.count(kind) <= (2 if kind == "exists" else 1) for kind in kinds)


def test_the_same_seed_asks_the_same():
    assert asked(3)[3] == asked(3)[3]


def test_every_kind_is_asked_and_yes_and_no_are_balanced():
    found = [qa for seed in range(200) for qa in asked(seed)[3]]
    assert {qa.kind for qa in found} == set(KINDS)
    exists = [qa.answer for qa in found if qa.kind == "exists"]
    assert 0.45 < exists.count("Yes.") / len(exists) < 0.55
    for kind in KINDS:
        assert len({qa.question for qa in found if qa.kind == kind}) >= 3


def test_what_is_unknown_is_not_asked():
    kinds = {qa.kind for qa in questions(hook_at_work(), {}, None, np.random.default_rng(0))}
    assert kinds.isdisjoint({"colour", "jaws", "smoke", "blood"})
    empty = questions(Scene(SIZE_WH), {}, FakeView(), np.random.default_rng(0))
    assert [(qa.kind, qa.answer) for qa in empty] == [
        ("exists", "No."),
        ("count", "None."),
        ("which instruments", "None."),
        ("smoke", "No."),
        ("blood", "No."),
    ]
