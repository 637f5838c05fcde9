"""A person's corrections: what changes, what must not, and that a record of it reads back."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from describer.demo import correct
from describer.errors import InputError, RecordError
from describer.frames import as_frame
from describer.records import from_dict, to_line
from describer.taxonomy import load_taxonomy
from describer.types import Annotation, Relation
from tests.demo.fake import FakeDescriber

CORE = load_taxonomy("core")


@pytest.fixture
def made() -> Annotation:
    return FakeDescriber().annotate_frames([as_frame(np.zeros((120, 160, 3), np.uint8), source="a.png")])[0]


def said(annotation: Annotation, region_id: int | None):
    return next(d for d in annotation.descriptions if d.region_id == region_id)


def reads_back(annotation: Annotation) -> None:
    line = to_line(annotation)
    assert to_line(from_dict(json.loads(line))) == line


def test_a_new_label_takes_a_synonym_and_leaves_the_old_word_without_a_region(made):
    new = correct.rename(made, 1, "Hook cautery", CORE)
    region = new.scene.region(1)
    assert (region.label, region.kind, region.score) == ("hook", "instrument", 1.0)
    assert region.mask == made.scene.region(1).mask
    assert said(new, 1).text == said(made, 1).text and said(new, 1).ungrounded == ("grasper",)
    # The scene's text named a hook that was not there; now it is.
    assert "hook" in said(made, None).ungrounded and "hook" not in said(new, None).ungrounded
    reads_back(new)


def test_what_is_no_instrument_any_more_does_nothing_any_more(made):
    acting = replace(made, scene=replace(made.scene, relations=(*made.scene.relations, Relation(1, "acts on", 2))))
    new = correct.rename(acting, 1, "fat", CORE)
    assert new.scene.interactions == () and all(r.predicate != "acts on" for r in new.scene.relations)


def test_a_renamed_target_is_named_anew_in_what_is_done_to_it(made):
    assert correct.rename(made, 2, "bowel", CORE).scene.interactions[0].target == "bowel"


@pytest.mark.parametrize("label", ["<b>grasper</b>", "", "spleen of a unicorn", "x" * 500])
def test_a_label_of_no_label_set_is_refused(made, label):
    with pytest.raises(InputError, match="not in the label set 'core'") as told:
        correct.rename(made, 1, label, CORE)
    assert len(str(told.value)) < 200


def test_a_deleted_region_takes_along_its_sentence_its_relations_and_its_mentions(made):
    new = correct.delete(made, 2, CORE)
    assert [region.id for region in new.scene.regions] == [1, 3]
    assert all(2 not in (r.subject, r.object) for r in new.scene.relations)
    assert all(region != 2 for d in new.descriptions for _, _, region in d.mentions)
    assert [d.region_id for d in new.descriptions] == [1, 3, None]
    assert "liver" in said(new, None).ungrounded
    reads_back(new)


def test_merged_regions_are_the_union_under_the_first_one_s_name(made):
    new = correct.merge(made, 2, 3, CORE)
    union = made.scene.region(2).mask.to_array() | made.scene.region(3).mask.to_array()
    assert np.array_equal(new.scene.region(2).mask.to_array(), union)
    assert new.scene.region(2).label == "liver" and [r.id for r in new.scene.regions] == [1, 2]
    assert all(r.subject != r.object for r in new.scene.relations)
    assert len(set(new.scene.relations)) == len(new.scene.relations)
    assert new.scene.related(1, "touches") == (2,)
    reads_back(new)


def test_merging_redirects_what_acts_on_the_merged_region(made):
    new = correct.merge(made, 3, 2, CORE)
    assert new.scene.interactions[0].target_id == 3


def test_relations_that_would_say_the_opposite_of_each_other_are_dropped(made):
    either = (Relation(1, "nearer than", 2), Relation(3, "nearer than", 1))
    both = replace(made, scene=replace(made.scene, relations=(*made.scene.relations, *either)))
    assert all(r.predicate != "nearer than" for r in correct.merge(both, 2, 3, CORE).scene.relations)


@pytest.mark.parametrize(("first", "second", "error"), [(2, 2, InputError), (2, 9, RecordError)])
def test_what_cannot_be_merged_is_refused(made, first, second, error):
    with pytest.raises(error):
        correct.merge(made, first, second, CORE)


@pytest.mark.parametrize("about", [1, None])
def test_an_edited_sentence_keeps_its_place_and_its_mentions_are_found(made, about):
    new = correct.rewrite(made, about, "  The <b>liver</b> is\nnext to a polyp. ", CORE)
    assert [d.region_id for d in new.descriptions] == [1, 2, 3, None]
    assert said(new, about).text == "The <b>liver</b> is next to a polyp."
    assert [region for _, _, region in said(new, about).mentions] == [2]
    assert said(new, about).ungrounded == ("polyp",) and said(new, about).confidence == 1.0
    reads_back(new)


def test_an_empty_sentence_is_refused(made):
    with pytest.raises(InputError, match="empty"):
        correct.rewrite(made, 1, " \n", CORE)
