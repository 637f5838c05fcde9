"""What a scene tells of its instruments' deeds: words, regions and relations, from logits made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from describer.errors import RecordError
from describer.geometry import make_region, tip_box
from describer.records import scene_from_dict, scene_to_dict
from describer.seg.actions import tip_boxes, with_interactions
from describer.seg.interaction import ToolLogits
from describer.seg.vocabulary import Vocabulary
from describer.types import Interaction, Relation, Scene

WORDS = Vocabulary(("background", "hook", "liver"), verbs=("cut", "grasp"), targets=("liver", "cystic duct"))
SURE = 9.0


def scene(*, liver: bool = True) -> Scene:
    hook, organ = np.zeros((80, 100), bool), np.zeros((80, 100), bool)
    hook[30:36, 0:50] = True
    organ[40:80, 40:100] = True
    regions = [make_region(1, "hook", "instrument", hook, 0.9)]
    regions += [make_region(2, "liver", "anatomy", organ, 0.9)] if liver else []
    return Scene((100, 80), tuple(regions))


def said(verb: int, target: int) -> ToolLogits:
    verbs, targets = torch.zeros(1, 1, 3), torch.zeros(1, 1, 3)
    verbs[..., verb], targets[..., target] = SURE, SURE
    return ToolLogits(torch.zeros(1, 1, 1), verbs, targets)


def told(where: Scene, verb: int, target: int) -> Scene:
    return with_interactions(where, where.regions[:1], said(verb, target), WORDS)


def test_an_instrument_acts_on_the_region_of_its_target() -> None:
    found = told(scene(), 1, 1)
    deed = found.interactions[0]
    assert (deed.region_id, deed.verb, deed.target, deed.target_id) == (1, "cut", "liver", 2) and deed.score > 0.99
    assert found.relations == (Relation(1, "acts on", 2),)


@pytest.mark.parametrize(("verb", "target", "liver"), [(0, 1, True), (2, 2, True), (1, 1, False), (1, 0, True)])
def test_no_relation_without_a_deed_or_a_region(verb: int, target: int, liver: bool) -> None:
    found = told(scene(liver=liver), verb, target)
    assert found.relations == () and found.interactions[0].target_id is None
    assert found.interactions[0].verb == (None, "cut", "grasp")[verb]
    assert found.interactions[0].target == (None if verb == 0 else (None, "liver", "cystic duct")[target])


def test_interactions_survive_a_record_and_older_records_have_none() -> None:
    found = told(scene(), 1, 1)
    data = scene_to_dict(found)
    assert scene_from_dict(data, found.size_wh) == found
    del data["interactions"]
    assert scene_from_dict(data, found.size_wh).interactions == ()
    with pytest.raises(RecordError, match="not in the scene"):
        Scene((100, 80), scene().regions, interactions=(Interaction(1, "cut", "liver", 7, 0.5),))


def test_the_tip_box_holds_the_end_that_lies_in_the_view() -> None:
    x0, y0, x1, _ = tip_boxes([scene().regions[0].mask.to_array()])[0, 0].tolist()
    assert 0.3 < x0 < 0.45 and x1 == pytest.approx(0.5, abs=0.02) and y0 == pytest.approx(30 / 80, abs=0.02)
    mask = np.zeros((80, 100), bool)
    mask[:20] = True
    assert tip_box(mask, (50.0, 70.0))[1] > 40  # a tip apart from the mask still has a box around it


def test_a_scene_without_the_target_keeps_the_deed() -> None:
    found = told(scene(), 1, 1).only([1])
    assert [region.id for region in found.regions] == [1] and found.relations == ()
    assert (found.interactions[0].target, found.interactions[0].target_id) == ("liver", None)
    assert told(scene(), 1, 1).only([2]).interactions == ()
