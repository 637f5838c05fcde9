"""Each reader on a small folder of its own layout, and on the real text files where they are."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from describer.errors import InputError
from describer.taxonomy import load_taxonomy
from describer.vqa_sets import SETS, find, read_questions
from tests.vqa_sets.made import MAKERS, rows, write

REAL = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_real = pytest.mark.skipif(not (REAL / "text").is_dir(), reason="the real files are not here")


def questions(root, name, **options):
    MAKERS[name](root)
    return read_questions(root, name, **options)[1]


def by_type(found):
    return {question.type: question for question in found}


def test_every_set_has_a_maker_here():
    assert set(MAKERS) | {"jsonl"} == {found.name for found in SETS}


@pytest.mark.parametrize("name", MAKERS)
class TestEverySet:
    def test_its_layout_is_recognised_as_its_own(self, tmp_path, name):
        MAKERS[name](tmp_path)
        assert find(tmp_path).name == name

    def test_ids_are_unique_and_answers_given(self, tmp_path, name):
        found = questions(tmp_path, name)
        assert len({question.id for question in found}) == len(found) > 0
        for question in found:
            assert question.text and question.video and question.type
            assert question.answers and all(question.answers)
            assert not question.choices or question.type == "action" or question.answers[0].lower() in question.choices

    def test_pictures_are_where_the_layout_has_them(self, tmp_path, name):
        found = questions(tmp_path, name)
        if name != "cholec80-vqa-sentence":  # its made folder has none
            assert any((tmp_path / frame).is_file() for question in found for frame in question.frames)

    def test_a_wrong_folder_is_told_what_it_lacks(self, tmp_path, name):
        with pytest.raises(InputError, match=rf"{tmp_path} has no .*: {name} is "):
            read_questions(tmp_path, name)


@pytest.mark.parametrize("found", SETS, ids=lambda found: found.name)
def test_labels_map_to_words_of_the_core_set(found):
    core = load_taxonomy("core")
    known = {*core.names, *core.verbs, *core.targets, *core.phases, *core.activities}
    assert set(found.core.values()) <= known
    if found.words:
        assert set(found.core) & {*found.words.values(), *found.core.values()}
    assert all(said == said.lower() and "_" not in said for said in found.words.values())


class TestEndoVis18:
    def test_types_words_choices_and_splits(self, tmp_path):
        found = questions(tmp_path, "endovis18-vqa")
        assert Counter(question.split for question in found) == {"val": 3, "train": 3}
        action = by_type(found)["action"]
        assert action.answers == ("tissue manipulation", "Tissue_Manipulation")
        assert len(action.choices) == 13
        assert by_type(found)["organ"].answers == ("kidney",)

    def test_both_readings_of_the_inverted_word(self, tmp_path):
        published = by_type(questions(tmp_path, "endovis18-vqa"))["location"]
        seen = by_type(questions(tmp_path, "endovis18-vqa", reading="image"))["location"]
        assert published.answers == ("upper left", "left-top")
        assert seen.answers == ("lower left", "left-bottom")
        assert published.choices == seen.choices

    def test_sentences_are_read_for_what_they_say(self, tmp_path):
        found = by_type(questions(tmp_path, "endovis18-vqa-sentence"))
        assert found["tools"].answers[0] == "bipolar forceps; prograsp forceps"
        assert found["action"].answers == ("stapling", "action done by stapler is staple")
        assert found["location"].answers[0] == "upper left"
        assert found["organ"].answers[0] == "kidney"
        other = by_type(questions(tmp_path, "endovis18-vqa-sentence", reading="image"))
        assert other["location"].answers == ("lower left", "bipolar forceps is located at left-bottom")

    def test_another_question_is_no_question_of_this_set(self, tmp_path):
        write(tmp_path, "seq_1/vqa/Classification/frame000_QA.txt", "why?|kidney")
        with pytest.raises(InputError, match=r"frame000_QA.txt:1: 'why\?' is no question of EndoVis-18-VQA"):
            read_questions(tmp_path)

    @needs_real
    def test_every_real_training_sentence(self, tmp_path):
        for line in (REAL / "text/endovis18_vqa_train_sentences.jsonl").read_text().splitlines()[::20]:
            row = json.loads(line)
            lines = [f"{asked}|{answer}" for asked, answer in row["qa"]]
            write(tmp_path, f"seq_2/vqa/Sentence/frame{row['line']:04d}_QA.txt", *lines)
        found = read_questions(tmp_path)[1]
        assert len(found) > 400
        assert all(not q.choices or q.answers[0] in q.choices for q in found)


def test_vqla_boxes_are_half_open_and_count_from_zero(tmp_path):
    organ, place = questions(tmp_path / "18", "endovis18-vqla")
    assert organ.boxes_xyxy_px == ((0, 0, 1280, 1024),)
    assert place.boxes_xyxy_px == ((10, 20, 30, 40),)
    assert (place.split, place.answers[0]) == ("val", "lower right")
    (only,) = questions(tmp_path / "17", "endovis17-vqla")
    assert (only.split, only.video, only.answers[0]) == ("test", "seq3", "suction")


def test_a_box_that_is_none_is_named_with_its_line(tmp_path):
    write(tmp_path, "vqla/label/a_QA.txt", "where is suction located?|left-top|1,2,3")
    with pytest.raises(InputError, match=r"a_QA.txt:1: expected a box"):
        read_questions(tmp_path)


def test_cholec80_takes_every_hundredth_frame(tmp_path):
    found = questions(tmp_path, "cholec80-vqa")
    assert {question.frames[0] for question in found} == {"cropped_image/5/100.png", "cropped_image/6/200.png"}
    assert by_type(found)["phase"].answers == ("clipping and cutting", "clipping cutting")
    assert Counter(question.split for question in found) == {"val": 3, "train": 1}


def test_ssg_skips_the_head_and_says_hops(tmp_path):
    found = questions(tmp_path, "ssg-vqa")
    types = by_type(question for question in found if question.video == "VID22")
    assert set(types) == {
        "exist / no hop",
        "count / one hop",
        "query component / one hop",
        "query color / two conditions",
    }
    assert types["exist / no hop"].answers == ("yes", "True")
    assert types["query component / one hop"].answers[0] == "abdominal wall"
    assert {question.split for question in found} == {"val", "test"}


def test_pitvqa_leaves_out_no_instrument(tmp_path):
    found = questions(tmp_path, "pitvqa")
    assert [question.type for question in found] == ["phase", "step", "count", "location", "note"]
    assert found[2].answers == ("1", "one")
    assert all(question.split == "val" for question in found)


def test_psi_ava_lists_and_translations(tmp_path):
    found = by_type(questions(tmp_path, "psi-ava-vqa"))
    assert found["action"].answers[0] == "cauterize; close"
    assert found["phase"].answers[0] == "retzius space"
    assert (found["step"].answers[0], found["step"].split) == ("tying a suture", "val")


def test_real_colon_readings(tmp_path):
    (question,) = questions(tmp_path, "real-colon-vqa")
    (other,) = questions(tmp_path, "real-colon-vqa", reading="out_template")
    assert question.text != other.text and question.answers == other.answers
    assert question.answers[:2] == ("lower right", "lower-right")
    assert len(question.frames) == 2


@needs_real
@pytest.mark.parametrize("reading", ["in_template", "out_template"])
def test_every_real_question_of_real_colon(reading):
    found = read_questions(REAL, "real-colon-vqa", reading)[1]
    assert len(found) == len({question.id for question in found}) == 2700
    assert all(not question.choices or question.answers[0] in question.choices for question in found)


def test_surgvu_takes_the_frames_that_are_there(tmp_path):
    (question,) = questions(tmp_path, "surgvu")
    assert question.frames == ("case1/frame_1.jpg",)
    assert question.answers == ("No", "No forceps are listed.")


@needs_real
def test_the_real_surgvu_sample_has_its_frames():
    found = read_questions(REAL, "surgvu")[1]
    assert len(found) == 4
    assert all((REAL / frame).is_file() for question in found for frame in question.frames)


class TestCholecT50:
    def test_asks_what_the_triplets_say(self, tmp_path):
        found = questions(tmp_path, "cholect50-vqa")
        first = [question for question in found if question.frames == ("videos/VID08/000000.png",)]
        assert [q.answers[0] for q in first if q.type == "instrument"] == ["yes", "no"]
        assert {q.text: q.answers[0] for q in first if q.type == "verb"} == {
            "What is the grasper doing?": "retract", "What is the hook doing?": "dissect",
        }  # fmt: skip
        assert {q.answers[0] for q in first if q.type == "target"} == {"gallbladder", "abdominal wall"}
        assert all(question.split == "val" for question in found)

    def test_a_frame_without_instruments_asks_for_one_that_is_not_there(self, tmp_path):
        found = questions(tmp_path, "cholect50-vqa")
        empty = [question for question in found if question.frames == ("videos/VID08/000001.png",)]
        assert [(q.type, q.answers[0]) for q in empty] == [("instrument", "no"), ("phase", "preparation")]

    def test_two_of_a_kind_are_not_asked_what_they_do(self, tmp_path):
        twice = [{"instrument": "grasper", "verb": verb, "target": "liver"} for verb in ("grasp", "retract")]
        rows(tmp_path, "my_triplets.jsonl", {"file": "a/1.jpg", "sequence": "a", "phase": None, "objects": twice})
        assert {q.type for q in read_questions(tmp_path)[1]} == {"instrument"}

    @needs_real
    def test_the_real_triplets(self):
        found = read_questions(REAL, "cholect50-vqa")[1]
        assert Counter(question.type for question in found)["phase"] == 684
        assert all(question.answers[0] in question.choices for question in found)
        assert all((REAL / question.frames[0]).is_file() for question in found[::50])


def test_kvasir_leaves_out_what_is_no_question(tmp_path):
    found = questions(tmp_path, "kvasir-vqa")
    assert [question.type for question in found] == ["count", "existence", "location"]
    assert found[2].answers == ("center; lower-right",)


@needs_real
def test_every_real_question_of_kvasir():
    found = read_questions(REAL, "kvasir-vqa")[1]
    assert len(found) == len({question.id for question in found}) > 32_000
    assert "other" not in {question.type for question in found}


class TestOwn:
    def test_reads_one_line_a_question(self, tmp_path):
        rows(
            tmp_path,
            "mine.jsonl",
            {"question": "Is there blood?", "answer": "No.", "image": "v1/a.png", "kind": "exists", "video": "v1"},
            {"question": "Is there blood?", "answers": ["Yes.", "A little."], "frame": {"source": "v2/a.png"}},
        )
        found, (first, second) = read_questions(tmp_path / "mine.jsonl")
        assert found.name == "jsonl"
        assert (first.id, first.type, first.frames) == ("v1/a.png | Is there blood?", "exists", ("v1/a.png",))
        assert (second.video, second.answers) == ("v2", ("Yes.", "A little."))

    def test_rendered_frames_are_scenes_of_their_own_and_pointing_questions_left_out(self, tmp_path):
        row = {
            "source": "images/0.jpg",
            "question": "Is there fat?",
            "answer": "No.",
            "type": "existence",
            "about": None,
        }
        pointing = row | {"question": "What is this?", "about": 2}
        rows(tmp_path, "questions.jsonl", row, pointing, row | {"source": "images/1.jpg"})
        assert [q.video for q in read_questions(tmp_path / "questions.jsonl")[1]] == ["images", "images"]
        (tmp_path / "synth.json").write_text("{}")
        assert [q.video for q in read_questions(tmp_path / "questions.jsonl")[1]] == ["images/0.jpg", "images/1.jpg"]

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ({"question": "Is it?"}, "needs an answer"),
            ({"answer": "Yes", "image": "a.png"}, "needs 'question' as text"),
            ({"question": "Is it?", "answer": "Yes", "image": 3}, "an image must be a path"),
        ],
    )
    def test_says_which_line_lacks_what(self, tmp_path, row, message):
        rows(tmp_path, "mine.jsonl", row)
        with pytest.raises(InputError, match=rf"mine.jsonl:1: {message}"):
            read_questions(tmp_path / "mine.jsonl")

    def test_an_id_twice_is_refused(self, tmp_path):
        row = {"question": "Is it?", "answer": "Yes", "id": "7"}
        rows(tmp_path, "mine.jsonl", row, row)
        with pytest.raises(InputError, match="'7' stands there twice"):
            read_questions(tmp_path / "mine.jsonl")


class TestChoosing:
    def test_a_split_and_videos(self, tmp_path):
        assert {q.video for q in questions(tmp_path, "endovis18-vqa", split="val")} == {"seq_1"}
        assert {q.video for q in questions(tmp_path, "endovis18-vqa", videos=["seq_2"])} == {"seq_2"}

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"split": "test"}, "these questions have train, val"),
            ({"videos": ["seq_9"]}, "none of that name, but seq_1, seq_2"),
            ({"reading": "mirrored"}, "has published, image"),
        ],
    )
    def test_what_is_not_there_is_named(self, tmp_path, options, message):
        with pytest.raises(InputError, match=message):
            questions(tmp_path, "endovis18-vqa", **options)

    def test_two_sets_in_one_folder_must_be_named(self, tmp_path):
        MAKERS["endovis18-vqa"](tmp_path)
        MAKERS["endovis18-vqa-sentence"](tmp_path)
        with pytest.raises(InputError, match="--set endovis18-vqa or endovis18-vqa-sentence"):
            find(tmp_path)

    def test_no_known_layout_and_no_such_thing(self, tmp_path):
        with pytest.raises(InputError, match="has no layout of a question set"):
            find(tmp_path)
        with pytest.raises(InputError, match="is no folder of questions"):
            find(tmp_path / "nowhere")
        with pytest.raises(InputError, match="question set 'vqa2' is unknown"):
            find(tmp_path, "vqa2")

    def test_a_torn_line_is_named(self, tmp_path):
        write(tmp_path, "qa_txt/VID01/1.txt", "head", "head", "Is there a hook?")
        with pytest.raises(InputError, match=r"1.txt:3: expected question\|answer, got 'Is there a hook\?'"):
            read_questions(tmp_path)
