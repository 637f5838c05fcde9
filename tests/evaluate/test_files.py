"""The layouts that runs and references come in, and what broken ones get."""

from __future__ import annotations

import json

import pytest

from describer.errors import DescriberError, InputError, RecordError
from describer.evaluate.files import read_side
from describer.types import Failure
from tests.evaluate.made import record, records, scene, write, write_json, write_lines

CAPTIONS = {
    "plain lists": ("x.json", {"1": ["a liver"], "2": ["a polyp"]}),
    "plain texts": ("x.json", {"1": "a liver", "2": "a polyp"}),
    "tokenizer's dicts": ("x.json", {"1": [{"caption": "a liver"}], "2": [{"caption": "a polyp"}]}),
    "coco results": ("x.json", [{"image_id": 1, "caption": "a liver"}, {"image_id": 2, "caption": "a polyp"}]),
    "lines, one caption": ("x.jsonl", [{"id": 1, "caption": "a liver"}, {"id": 2, "caption": "a polyp"}]),
    "lines, several": ("x.jsonl", [{"image": "1", "captions": ["a liver"]}, {"image": "2", "captions": ["a polyp"]}]),
}


@pytest.mark.parametrize("layout", CAPTIONS)
def test_captions_come_in_many_layouts(tmp_path, layout):
    name, data = CAPTIONS[layout]
    path = (write_json if name.endswith(".json") else write_lines)(tmp_path / name, data)
    side = read_side(path, of_run=True)
    assert side.form == "captions"
    assert {entry.id: entry.texts for entry in side.entries.values()} == {"1": ("a liver",), "2": ("a polyp",)}


def test_coco_captions_are_grouped_by_image_and_known_by_file_name(tmp_path):
    data = {
        "images": [{"id": 7, "file_name": "a/1.png"}, {"id": 8}],
        "annotations": [{"image_id": 7, "caption": "one"}, {"image_id": 7, "caption": "two"}],
    }
    side = read_side(write_json(tmp_path / "coco.json", data), of_run=False)
    assert (side.entries["7"].texts, side.entries["7"].names) == (("one", "two"), ("a/1.png",))
    assert side.entries["8"].texts == ()


def test_lines_of_one_id_are_its_references(tmp_path):
    path = write_lines(tmp_path / "r.jsonl", [{"id": 1, "caption": "one"}, {"id": 1, "caption": "two"}])
    assert read_side(path, of_run=False).entries["1"].texts == ("one", "two")


def test_annotations_from_a_file_or_the_run_s_folder(tmp_path):
    rows = [*records(2), Failure("c/9.png", "c/9.png: damaged; copy it again.", 2)]
    write(tmp_path / "run/annotations.jsonl", rows)
    side = read_side(tmp_path / "run", of_run=True)
    assert side.form == "annotations"
    assert list(side.entries) == ["a/0.png", "b/1.png", "c/9.png"]
    assert side.entries["a/0.png"].texts == (rows[0].descriptions[-1].text,)
    assert isinstance(side.entries["c/9.png"].record, Failure)


def test_a_question_is_known_by_its_id_and_by_frame_and_words(tmp_path):
    row = {"id": "q1", "source": "a/1.png", "question": "Is it?", "answer": "No", "type": "yes/no", "confidence": 0.5}
    entry = read_side(write_lines(tmp_path / "q.jsonl", [row]), of_run=False).entries["q1"]
    assert "a/1.png | Is it?" in entry.names
    assert (entry.texts, entry.type, entry.confidence) == (("No",), "yes/no", 0.5)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.csv", "id,caption", "files of this type"),
        ("x.json", "{", "not valid JSON"),
        ("x.json", "3", "bare int"),
        ("x.json", "{}", "no entries"),
        ("x.jsonl", "", "no entries"),
        ("x.json", '{"1": ["a"], "1": ["b"]}', "'1' stands there twice"),
        ("x.json", '{"1": ["a", "b"]}', "2 captions; a run gives one"),
        ("x.json", '{"1": 5}', "expected a caption"),
        ("x.jsonl", '{"id": 1, "caption": "a"}\n{"id": 1, "caption": "b"}', "'1' stands there twice"),
        ("x.jsonl", '{"id": 1, "caption": "a"}\n[1]', "x.jsonl:2: expected a JSON object"),
        ("x.jsonl", '{"caption": "a"}', "needs an id"),
        ("x.jsonl", '{"id": 1}', "it has id"),
        ("x.jsonl", '{"id": 1, "question": "q"}', "needs an id or source, a question and an answer"),
        ("x.jsonl", '{"id": 1, "question": "q", "answer": "a", "confidence": 2}', "number in [0, 1]"),
        ("x.jsonl", '{"id": 1, "question": "q", "answer": "a"}\n{"id": 1, "question": "q", "answer": "b"}', "twice"),
        ("x.json", '{"annotations": [{"caption": "a"}]}', "needs image_id and caption"),
    ],
)
def test_broken_files_are_named_with_the_remedy(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as error:
        read_side(tmp_path / name, of_run=True)
    assert says in str(error.value)
    assert name in str(error.value)


def test_annotations_twice_damaged_or_of_two_taxonomies(tmp_path):
    with pytest.raises(DescriberError, match="twice"):
        read_side(write(tmp_path / "a.jsonl", [*records(1), *records(1)]), of_run=True)
    two = [record("a.png", scene(0)), record("b.png", scene(0), taxonomy="kvasir-seg")]
    with pytest.raises(RecordError, match="two taxonomies"):
        read_side(write(tmp_path / "b.jsonl", two), of_run=True)
    line = json.dumps({"schema_version": 1, "frame": {}})
    (tmp_path / "c.jsonl").write_text(line + "\n")
    with pytest.raises(RecordError, match=r"c\.jsonl:1"):
        read_side(tmp_path / "c.jsonl", of_run=True)


def test_a_missing_file_names_the_argument(tmp_path):
    with pytest.raises(InputError, match=r"--references .*does not exist"):
        read_side(tmp_path / "none.json", of_run=False)
