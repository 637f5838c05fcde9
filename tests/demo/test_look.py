"""A picture to a visit, and what is marked by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from describer.demo import correct
from describer.demo.look import describe_again, doubt, look_at, mark, pointed, too_long
from describer.errors import InputError
from describer.frames import as_frame
from describer.pictures import read_image
from describer.types import Scene
from tests.demo.fake import FakeDescriber

SIZE = (160, 128)
IMAGE = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)


@pytest.fixture
def describer() -> FakeDescriber:
    return FakeDescriber()


def test_a_point_on_a_found_region_means_that_region(describer):
    visit = look_at(describer, IMAGE, "a.png")
    same, region_id = mark(describer, visit, {"point": [20, 64]})
    assert region_id == 1 and same is visit


@pytest.mark.parametrize(
    "drawn",
    [
        {"point": [20, 20]},
        {"box": [30, 118, 2, 96]},
        {"strokes": [[[5, 5], [30, 8]], [[30, 8], [30, 20]]], "radius": 4},
    ],
    ids=["point", "box from its far corner", "paint"],
)
def test_a_mark_where_nothing_was_found_becomes_a_region_with_its_sentence(describer, drawn):
    visit = look_at(describer, IMAGE, "a.png")
    marked, region_id = mark(describer, visit, drawn)
    region = marked.annotation.scene.region(region_id)
    assert (region_id, region.label, region.score) == (4, "bowel", 0.61)
    assert [d.region_id for d in marked.annotation.descriptions] == [1, 2, 3, 4, None]
    assert marked.notes[4] == "marked by hand" and len(marked.corrections) == 1
    assert visit.annotation.scene.regions == marked.annotation.scene.regions[:3]


def test_paint_covers_what_was_painted_and_no_more():
    mask = pointed({"strokes": [[[20, 20], [60, 20]]], "radius": 5}, SIZE)
    assert mask[20, 20:60].all() and mask[16:24, 40].all()
    assert not mask[28:].any() and not mask[:, 70:].any()


@pytest.mark.parametrize(
    "drawn",
    [
        {},
        {"point": ["a", 3]},
        {"point": [1]},
        {"box": [1, 2, 3]},
        {"strokes": [], "radius": 3},
        {"strokes": [[[float("nan"), 1]]], "radius": 3},
        {"strokes": [[[1, 1]]], "radius": "wide"},
        {"strokes": [[[5, 5]] * 30_000], "radius": 3},
        {"point": None},
    ],
)
def test_marks_that_cannot_be_read_are_refused(drawn):
    with pytest.raises(InputError):
        pointed(drawn, SIZE)


@pytest.mark.parametrize("drawn", [{"point": [500, 500]}, {"point": [float("inf"), 1]}, {"box": [500, 500, 600, 600]}])
def test_marks_outside_of_the_frame_are_refused(describer, drawn):
    with pytest.raises(InputError):
        mark(describer, look_at(describer, IMAGE, "a.png"), drawn)


def test_texts_written_anew_keep_those_that_a_person_wrote(describer):
    visit = look_at(describer, IMAGE, "a.png")
    edited = correct.rewrite(visit.annotation, 2, "The liver as I see it.", describer.taxonomy)
    visit = replace(visit.corrected(edited, "edited"), by_hand=frozenset({2}))
    renamed = correct.rename(visit.annotation, 1, "hook", describer.taxonomy)
    fresh = describe_again(describer, visit.corrected(renamed, "renamed"))
    texts = {d.region_id: d.text for d in fresh.annotation.descriptions}
    assert texts[2] == "The liver as I see it." and texts[1].startswith("A hook lies")


EXAMPLES = sorted((Path(__file__).parent.parent.parent / "examples").glob("*.jpg"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_no_doubt_of_frames_of_operations(describer, path):
    assert look_at(describer, read_image(path), path.name).notes == {}


@pytest.mark.parametrize("colour", [(255, 255, 255), (90, 140, 220), (40, 120, 50)], ids=["page", "sky", "meadow"])
def test_doubt_is_told_of_what_has_not_the_colours_of_tissue(describer, colour):
    rng = np.random.default_rng(0)
    image = np.clip(rng.normal(colour, 20, (128, 160, 3)), 0, 255).astype(np.uint8)
    assert "not an endoscopic or laparoscopic frame" in look_at(describer, image, "a.png").notes[None]


def test_doubt_is_told_where_nothing_is_found(describer):
    annotation = describer.annotate_frames([as_frame(IMAGE)], [Scene(SIZE)])[0]
    assert "found nothing" in doubt(annotation, IMAGE)


def test_long_texts_are_refused_with_their_length():
    assert too_long("  a  ", 3, "the question") == "a"
    with pytest.raises(InputError, match="the question has 4 characters, at most 3"):
        too_long("abcd", 3, "the question")
