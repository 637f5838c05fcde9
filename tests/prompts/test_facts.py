import json
import re
from dataclasses import replace

import numpy as np
import pytest

from describer.errors import RecordError
from describer.prompts.facts import region_facts, region_looks, scene_facts, sure_word, to_json, view_facts
from describer.prompts.sentences import region_sentence
from describer.types import Appearance, Relation, Scene, View
from tests.scenes import SIZE_WH, disc, random_scene, rod, scene_of

# What must be seen in the pixels and never read in the facts.
LOOKS = re.compile(
    r"colou?r|red\b|pink|silver|grey|shiny|glisten|glare|smok|bloody|bloodstain|char|blur|sharp|focus|open|closed|clear"
)


def hook_at_work() -> Scene:
    """A hook from the right whose tip is on the gallbladder, over the liver; a grasper against the hook."""
    return scene_of(
        ("liver", disc((118, 64), (40, 50))),
        ("hook", rod((159, 64), (70, 64))),
        ("grasper", rod((140, 0), (130, 56))),
        ("gallbladder", disc((54, 64), (14, 14))),
        activity="dissection",
    )


def test_facts_of_an_instrument():
    assert to_json(region_facts(hook_at_work(), 2)) == (
        '{"id":2,"label":"hook","sure":"high","place":"center right","size":"small","from":"right",'
        '"tip":"center","touches":["grasper 3","gallbladder 4","liver 1"],"activity":"dissection"}'
    )


def test_facts_of_a_tissue_have_no_tip_and_no_side():
    facts = region_facts(hook_at_work(), 1)
    assert facts["touches"] == ["hook 2", "grasper 3"]
    assert "tip" not in facts and "from" not in facts


def test_neighbours_of_one_label_are_named_together():
    parts = [("mucosa", disc((80, 64), (60, 20))), *(("polyp", disc((x, 40), (8, 10))) for x in (60, 100))]
    assert region_facts(scene_of(*parts), 1)["touches"] == ["polyp 2, 3"]


def test_facts_of_the_scene():
    assert scene_facts(hook_at_work()) == {
        "activity": "dissection",
        "instruments": [
            [1, "hook", [2], ["center right"], ["center"], {"touches": ["gallbladder"]}],
            [1, "grasper", [3], ["upper right"], ["center right"], {"touches": ["liver"]}],
        ],
        "others": [
            [1, "liver", [1], ["center right"], "large"],
            [1, "gallbladder", [4], ["center"], "small"],
        ],
        "contacts": [[2, 4], [3, 1], [2, 1], [2, 3]],
    }


def test_regions_of_one_label_are_told_together_and_once():
    parts = [
        ("grasper", rod((0, 20), (40, 20))),
        ("grasper", rod((0, 60), (20, 60))),
        ("fat", disc((50, 20), (8, 8))),
        ("fat", disc((26, 60), (8, 8))),
        ("fat", disc((140, 110), (8, 8))),
    ]
    places = ["upper left", "center left"]
    facts = scene_facts(scene_of(*parts))
    assert facts["instruments"] == [[2, "grasper", [1, 2], places, places, {"touches": ["fat"]}]]
    assert [(row[:2], len(row[3])) for row in facts["others"]] == [([3, "fat"], 3)]
    # The second grasper now touches nothing: what holds for one of them is told as a pair only.
    facts = scene_facts(scene_of(*parts[:3], parts[4]))
    assert facts["instruments"] == [[2, "grasper", [1, 2], places, places]]
    assert facts["contacts"] == [[1, 3]]


def test_what_is_acted_on_is_told_where_it_is_known():
    scene = hook_at_work()
    acts = Relation(2, "acts on", 4)
    scene = Scene(scene.size_wh, scene.regions, (*scene.relations, acts), scene.activities)
    assert region_facts(scene, 2)["acts_on"] == ["gallbladder 4"]
    assert "acts_on" not in region_facts(scene, 4)
    assert scene_facts(scene)["acts_on"] == [[2, 4]]
    assert scene_facts(scene)["instruments"][0][-1] == {"acts_on": ["gallbladder"]}


def test_looks_are_facts_of_their_own_in_the_words_of_sentences():
    scene = hook_at_work()
    hook, liver = scene.region(2), scene.region(1)
    assert region_looks(hook) == {} and view_facts(scene) == {}
    look = Appearance("black", "blood", glare=True, sharp=False, state="open")
    told = region_looks(replace(hook, appearance=look))
    assert told == {"colour": "black", "light": "shiny", "cover": "bloodstains", "jaws": "open", "blur": "out of focus"}
    assert all(word in region_sentence(scene, 2, look) for word in told.values())
    assert region_looks(replace(liver, appearance=Appearance("red", glare=True))) == {
        "colour": "red", "light": "glistening",
    }  # fmt: skip
    assert view_facts(replace(scene, view=View())) == {"view": ["clear"]}
    assert view_facts(replace(scene, view=View("light", blur=True, dirt=True)))["view"] == [
        "slightly smoky", "blurred", "dirt on the lens",
    ]  # fmt: skip


def test_an_empty_scene_has_empty_facts():
    assert to_json(scene_facts(Scene(SIZE_WH))) == '{"instruments":[],"others":[],"contacts":[]}'


@pytest.mark.parametrize(("score", "word"), [(0.8, "high"), (0.79, "medium"), (0.5, "medium"), (0.49, "low")])
def test_bands_of_confidence(score, word):
    assert sure_word(score) == word


def test_an_unknown_region_is_named():
    with pytest.raises(RecordError, match="no region 9"):
        region_facts(hook_at_work(), 9)


@pytest.mark.parametrize("seed", range(40))
def test_facts_survive_json_stay_in_their_limits_and_tell_no_looks(seed):
    scene = random_scene(np.random.default_rng(seed))
    facts = scene_facts(scene)
    rows = facts["instruments"] + facts["others"]
    assert len({label for _, label, *_ in rows}) == len(rows)
    assert sum(len(ids) for _, _, ids, *_ in rows) == min(len(scene.regions), 14)
    assert all(len(set(places)) == len(places) <= count for count, _, _, places, *_ in rows)
    assert len(facts["contacts"]) <= 6
    tools = {region.id for region in scene.regions if region.kind == "instrument"}
    assert all(tools & set(pair) for pair in facts["contacts"])
    for known in (facts, *(region_facts(scene, region.id) for region in scene.regions)):
        text = to_json(known)
        assert json.loads(text) == known
        assert ": " not in text and not LOOKS.search(text)
        assert known is facts or len(known["touches"]) <= 3
