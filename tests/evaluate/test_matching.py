"""Which entry of a run belongs to which reference, and whose video it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from describer.errors import InputError
from describer.evaluate.files import Entry, Side, read_side
from describer.evaluate.matching import match, video_rule
from tests.evaluate.made import record, scene, write


def side(*ids: str, **names: tuple[str, ...]) -> Side:
    return Side(Path("x.json"), "captions", {i: Entry(i, names.get(i, ()), ("text",)) for i in ids})


def paired(run: Side, references: Side, partial: bool = False) -> dict[str, str]:
    found = match(run, references, video_rule(None), partial)
    return {pair.reference.id: pair.run.id for pair in found.pairs}


def test_by_id_whatever_the_order():
    assert paired(side("b", "a"), side("a", "b")) == {"a": "a", "b": "b"}


def test_by_another_name_of_either_side():
    references = Side(Path("coco.json"), "captions", {"7": Entry("7", ("a/1.png",), ("text",))})
    assert paired(side("a/1.png"), references) == {"7": "a/1.png"}


@pytest.mark.parametrize(
    ("run", "references", "expected"),
    [
        (("000.jpg",), ("images/000.jpg",), {"images/000.jpg": "000.jpg"}),
        (("x/images/000.jpg",), ("images/000.jpg",), {"images/000.jpg": "x/images/000.jpg"}),
        (("1.png | a or b/c?",), ("i/1.png | a or b/c?",), {"i/1.png | a or b/c?": "1.png | a or b/c?"}),
    ],
)
def test_by_whole_parts_of_the_path_s_end(run, references, expected):
    assert paired(side(*run), side(*references)) == expected


def test_a_path_end_that_two_have_pairs_with_neither():
    with pytest.raises(InputError, match="share no id"):
        paired(side("000.jpg"), side("a/000.jpg", "b/000.jpg"))
    with pytest.raises(InputError, match="share no id"):
        paired(side("10.jpg"), side("0.jpg"))


def test_by_pixels(tmp_path):
    ours = write(tmp_path / "a.jsonl", [record("frame-1.png", scene(0), "ab" * 32)])
    theirs = write(tmp_path / "b.jsonl", [record("op/7.png", scene(0), "ab" * 32)])
    found = match(read_side(ours, of_run=True), read_side(theirs, of_run=False), video_rule(None), False)
    assert (found.by, found.pairs[0].id, found.pairs[0].video) == ({"pixels": 1}, "op/7.png", "op")


def test_differing_ids_are_an_error_that_names_them_and_partial_counts_them():
    with pytest.raises(InputError) as error:
        paired(side("a", "x"), side("a", "b", "c"))
    for part in ("'x'", "'b', 'c'", "1 of", "2 of", "--partial"):
        assert part in str(error.value)
    found = match(side("a", "x"), side("a", "b", "c"), video_rule(None), True)
    assert ([pair.id for pair in found.pairs], found.unknown, found.missing) == (["a"], ("x",), ("b", "c"))


def test_nothing_in_common_is_an_error_even_when_partial():
    with pytest.raises(InputError, match="'a' against 'b'"):
        paired(side("a"), side("b"), partial=True)


def test_two_entries_for_one_reference():
    with pytest.raises(InputError, match=r"are both '1\.png'"):
        paired(side("1.png", "x/1.png"), side("1.png"))


@pytest.mark.parametrize(
    ("entry", "pattern", "video"),
    [
        (Entry("op1/0001.png"), None, "op1"),
        (Entry("op1.mp4#000123"), None, "op1.mp4"),
        (Entry("0001.png"), None, "."),
        (Entry("q7", names=("op1/1.png | Is it?",)), None, "op1"),
        (Entry("x", video="VID68"), None, "VID68"),
        (Entry("VID68_0001.png"), r"VID\d+", "VID68"),
        (Entry("VID68_0001.png"), r"VID(\d+)", "68"),
    ],
)
def test_the_video_of_an_entry(entry, pattern, video):
    assert video_rule(pattern)(entry) == video


def test_patterns_that_are_wrong_or_do_not_fit():
    with pytest.raises(InputError, match="not a regular expression"):
        video_rule("(")
    with pytest.raises(InputError, match="finds nothing in the id 'x'"):
        video_rule(r"VID\d+")(Entry("x"))
