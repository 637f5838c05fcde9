"""Whole evaluations of small made-up runs: perfect ones, faulty ones, and everything that is left out in sight."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from describer.errors import InputError, TaxonomyError
from describer.eval.cider_d import cider_d
from describer.eval.reports import Report
from describer.evaluate import available, evaluate
from describer.types import Failure
from tests.evaluate.made import picture, record, records, saying, scene, told, write, write_json, write_lines
from tests.scenes import SIZE_WH, disc, scene_of

BEST = {"cider_d": 10, "chrf": 100}


def numbers(report: Report) -> dict[str, float]:
    return {f"{n.metric}.{n.key} {n.about}": n.interval.value for n in report.numbers}


def skips(report: Report) -> dict[str, int]:
    return {skip.what: skip.count for skip in report.skips if "frame was not found" not in skip.what}


@pytest.fixture
def truth(tmp_path):
    return write(tmp_path / "truth.jsonl", records())


def test_a_perfect_run_scores_1_everywhere(truth):
    report = evaluate(truth, truth)
    found = numbers(report)
    lower = {f"{n.metric}.{n.key} {n.about}" for n in report.numbers if n.lower_is_better}
    for name, value in found.items():
        if name.startswith("meteor"):
            continue  # pooled over items, it counts each item as a break in the alignment, as the public scorer does
        best = BEST.get(name.split(".")[0], 0 if name in lower else 1)
        assert value == pytest.approx(best), name
    for name in ("segmentation.miou pixels", "coco_map.ap masks", "classification.accuracy activity", "entities.f1 "
                 "summaries", "bleu.bleu_4 region texts", "truth.hallucination texts against true scenes"):  # fmt: skip
        assert name in found
    assert skips(report) == {}
    assert (report.n_items, report.n_videos, report.matched) == (4, 2, {"id": 4})


def test_every_number_has_its_n_and_an_interval_by_video(truth):
    report = evaluate(truth, truth)
    for number in report.numbers:
        assert number.interval.n > 0
        assert number.interval.n_videos == 2
        assert not math.isnan(number.interval.low), number.name
    alone = evaluate(truth, truth, video_pattern="^")
    assert all(math.isnan(number.interval.low) for number in alone.numbers)


def test_captions_alone_equal_the_metric_itself(tmp_path):
    said = {"1": "a grasper on the liver", "2": "fat and a hook", "3": "a polyp"}
    true = {"1": ["a grasper holds the liver", "the liver and a grasper"], "2": ["fat"], "3": ["a polyp", "a snare"]}
    report = evaluate(write_json(tmp_path / "a.json", said), write_json(tmp_path / "b.json", true))
    assert report.skips == ()
    assert numbers(report)["cider_d.cider_d summaries"] == pytest.approx(cider_d(said, true).corpus["cider_d"])
    assert numbers(report)["entities.precision summaries"] == pytest.approx(4 / 5)


def test_faults_are_found_where_they_are(tmp_path, truth):
    rows = records()
    # Frame 0 says a snare that is not there; frame 1 loses its polyp; frame 2 does another thing.
    fewer = replace(rows[1].scene, regions=rows[1].scene.regions[:2], relations=())
    other = replace(rows[2].scene, activities=scene_of(activity="cutting").activities)
    run = [
        saying(rows[0], "A snare and the liver."),
        replace(rows[1], scene=fewer, descriptions=told(fewer)),
        replace(rows[2], scene=other),
        rows[3],
    ]
    report = evaluate(write(tmp_path / "run.jsonl", run), truth)
    found = numbers(report)
    assert found["truth.hallucination texts against true scenes"] == pytest.approx(1 / 10)
    assert found["truth.omission texts against true scenes"] == pytest.approx(1 / 10)
    assert found["classification.accuracy activity"] == pytest.approx(3 / 4)
    assert found["coco_map.ar_100 masks"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    by_label = {score.label: score for score in report.classes}
    assert by_label["liver"].iou == 1
    assert by_label["polyp"].iou < 1
    assert by_label["polyp"].n_frames == 2
    assert report.cases is not None
    assert report.cases.worst[0].id == "b/1.png"


def test_labels_that_the_references_never_use_do_not_count_against_a_run(tmp_path):
    polyp = disc((60, 60), (20, 20))
    ours = scene_of(("polyp", polyp), ("mucosa", ~polyp))
    run = write(tmp_path / "run.jsonl", [record("1.png", ours)])
    ref = write(tmp_path / "ref.jsonl", [record("1.png", scene_of(("polyp", polyp)))])
    found = numbers(evaluate(run, ref, metrics=["segmentation"]))
    assert (found["segmentation.miou pixels"], found["segmentation.pixel_accuracy pixels"]) == (1, 1)


def test_labels_of_another_taxonomy_are_renamed_and_those_without_counterpart_ignored(tmp_path):
    bowel, duct = disc((40, 60), (30, 30)), disc((120, 60), (20, 20))
    theirs = scene_of(("gastrointestinal tract", bowel), ("cystic duct", duct), taxonomy="cholecseg8k")
    reference = replace(record("1.png", scene_of(), taxonomy="cholecseg8k"), scene=theirs)
    ref = write(tmp_path / "ref.jsonl", [reference])
    run = write(tmp_path / "run.jsonl", [record("1.png", scene_of(("bowel", bowel), ("polyp", duct)))])
    report = evaluate(run, ref, metrics=["segmentation", "coco_map", "truth"])
    found = numbers(report)
    assert (found["segmentation.miou pixels"], found["segmentation.pixel_accuracy pixels"]) == (1, 1)
    assert found["coco_map.ar_100 masks"] == 1
    assert found["truth.omission texts against true scenes"] == 0
    assert any("cystic duct" in rule for rule in report.rules)


def test_taxonomies_that_do_not_meet_and_labels_outside_of_theirs(tmp_path, truth):
    stray = replace(records(1)[0].scene.regions[0], label="spoon")
    rows = [replace(r, scene=replace(r.scene, regions=(stray,), relations=())) for r in records()]
    with pytest.raises(TaxonomyError, match=r"a/0\.png: label 'spoon' is not in its taxonomy 'core'"):
        evaluate(write(tmp_path / "run.jsonl", rows), truth)
    with pytest.raises(TaxonomyError, match="none of whose labels map to 'kvasir-seg'"):
        other = [replace(r, provenance=replace(r.provenance, taxonomy="endovis18")) for r in records()]
        evaluate(write(tmp_path / "run.jsonl", other), truth, taxonomy="kvasir-seg")


def test_what_is_left_out_is_counted(tmp_path, truth):
    rows = [*records(3), Failure("b/3.png", "b/3.png: damaged; copy it again.", 3)]
    rows[0], rows[1] = saying(rows[0], ""), saying(rows[1], None)
    report = evaluate(write(tmp_path / "run.jsonl", rows), truth)
    assert skips(report) == {"error records in RUN": 1, "empty captions in RUN": 2}
    assert {n.interval.n for n in report.numbers if n.about == "summaries" and n.metric == "bleu"} == {3}
    assert numbers(report)["bleu.bleu_1 summaries"] < 1


def test_references_without_a_caption_and_frames_of_other_sizes(tmp_path):
    rows = records(3)
    big = scene_of(("liver", disc((60, 60), (20, 20), (200, 128))))
    ref = [saying(rows[0], None), rows[1], record(rows[2].frame.source, big)]
    report = evaluate(write(tmp_path / "run.jsonl", rows), write(tmp_path / "ref.jsonl", ref))
    assert skips(report) == {"references without a caption": 1, "frames of another size in REF": 1}
    assert {n.interval.n for n in report.numbers if n.about == "pixels"} == {2}


def test_unknown_and_missing_ids(tmp_path):
    run = write_json(tmp_path / "run.json", {"1": "a liver", "9": "fat"})
    ref = write_json(tmp_path / "ref.json", {"1": ["a liver"], "2": ["fat"]})
    with pytest.raises(InputError, match=r"ids differ: 1 of .*run.json.*'9'.*1 of .*ref.json.*'2'.*--partial"):
        evaluate(run, ref)
    report = evaluate(run, ref, partial=True)
    assert skips(report) == {"ids of RUN that REF lacks": 1, "ids of REF that RUN lacks": 1}
    assert report.n_items == 1


def test_plain_captions_against_true_scenes(tmp_path, truth):
    said = {r.frame.source: r.descriptions[-1].text for r in records()} | {"a/0.png": "A snare in the upper left."}
    found = numbers(evaluate(write_json(tmp_path / "run.json", said), truth))
    assert found["truth.hallucination texts against true scenes"] > 0
    assert not any(name.startswith("segmentation") for name in found)


QUESTIONS = [
    {"source": "a/1.png", "question": "Is a snare there?", "answer": "No", "type": "yes/no"},
    {"source": "a/1.png", "question": "How many polyps?", "answer": "2", "type": "count"},
    {"source": "b/2.png", "question": "Is a snare there?", "answer": "Yes", "type": "yes/no"},
    {"source": "b/2.png", "question": "What is it?", "answer": "the liver", "type": "what"},
]


def test_answers_are_scored_per_type_with_counts_and_confidences(tmp_path):
    said = ("No, there is none.", "three", "yes", "Liver.")
    run = [row | {"answer": answer, "confidence": 0.9 if answer != "three" else 0.2}
           for row, answer in zip(QUESTIONS, said)]  # fmt: skip
    report = evaluate(write_lines(tmp_path / "a.jsonl", run), write_lines(tmp_path / "q.jsonl", QUESTIONS))
    found = numbers(report)
    assert found["vqa.normalised answers"] == 3 / 4
    assert found["vqa.normalised answers: count"] == 0
    assert found["vqa.normalised answers: yes/no"] == 1
    assert (found["counts.mae counts"], found["counts.within_1 counts"]) == (1, 1)
    assert found["yes_no.accuracy yes/no answers"] == 1
    assert found["calibration.auroc confidences"] == 1
    (curve,) = report.curves
    assert curve.risk == (0, 0, 0, 1 / 4)
    assert {n.interval.n for n in report.numbers if n.about == "answers"} == {4}


def test_yes_with_forceps_against_no_scores_0(tmp_path):
    ref = write_lines(tmp_path / "q.jsonl", [QUESTIONS[0]])
    run = write_lines(tmp_path / "a.jsonl", [QUESTIONS[0] | {"answer": "Yes, forceps are being used"}])
    assert numbers(evaluate(run, ref))["vqa.normalised answers"] == 0


def test_answers_do_not_go_with_captions(tmp_path, truth):
    run = write_lines(tmp_path / "a.jsonl", [{"id": "a/0.png", "question": "q", "answer": "a"}])
    with pytest.raises(InputError, match="holds answers"):
        evaluate(run, truth, partial=True)


def test_chosen_metrics_and_names_that_are_unknown_or_do_not_fit(tmp_path, truth):
    report = evaluate(truth, truth, metrics=["boundary_f", "rouge_l"])
    assert {number.metric for number in report.numbers} == {"boundary_f", "rouge_l"}
    with pytest.raises(InputError) as error:
        evaluate(truth, truth, metrics=["blue"])
    assert "'blue' is unknown" in str(error.value)
    assert all(name in str(error.value) for name in available())
    captions = write_json(tmp_path / "x.json", {"1": "a"})
    with pytest.raises(InputError, match="--metrics segmentation needs annotations with regions"):
        evaluate(captions, captions, metrics=["segmentation"])


def test_a_baseline_is_compared_item_by_item(tmp_path, truth):
    rows = records()
    worse = write(tmp_path / "worse.jsonl", [saying(row, "Fat.") for row in rows])
    report = evaluate(truth, truth, baseline=worse, metrics=["entities", "segmentation"])
    compared = {(c.metric, c.key): c for c in report.comparisons}
    f1 = compared["entities", "f1"]
    assert (f1.run, f1.baseline, f1.test.difference.value) == (1, 0, 1)
    assert (f1.test.difference.n, f1.test.difference.n_videos, f1.test.p_value) == (4, 2, 0.5)
    assert compared["segmentation", "miou"].test.difference.value == 0


def test_a_baseline_is_scored_on_the_shared_items_alone(tmp_path):
    """CIDEr-D weighs words by how rare they are in the whole set: the same texts must come out alike."""
    said = {"1": "a grasper on the liver", "2": "a hook", "3": "a polyp", "4": "a snare"}
    ref = write_json(tmp_path / "ref.json", {key: [text, "the liver"] for key, text in said.items()})
    run = write_json(tmp_path / "run.json", said)
    fewer = write_json(tmp_path / "fewer.json", {key: said[key] for key in ("1", "2", "3")})
    report = evaluate(run, ref, baseline=fewer, metrics=["cider_d"], partial=True)
    (compared,) = report.comparisons
    assert (compared.test.difference.value, compared.test.difference.n) == (0, 3)
    assert report.numbers[0].interval.n == 4


def test_cases_carry_pictures_of_both_sides_where_the_frame_is_found(tmp_path):
    sha = picture(tmp_path / "frames/a/0.png")
    picture(tmp_path / "frames/b/1.png", seed=1)
    rows = [record("a/0.png", scene(0), sha), record("b/1.png", scene(1), "cd" * 32)]  # the second has other pixels
    truth = write(tmp_path / "truth.jsonl", rows)
    report = evaluate(truth, truth, metrics=["rouge_l"], frames=tmp_path / "frames")
    assert report.cases is not None
    cases = {case.id: case for case in (*report.cases.worst, *report.cases.best)}
    assert [p.title for p in cases["a/0.png"].pictures] == ["run", "truth"]
    assert cases["a/0.png"].pictures[0].jpeg[:2] == b"\xff\xd8"
    assert cases["b/1.png"].pictures == ()
    assert [s.count for s in report.skips] == [1]


def test_frames_are_found_through_the_run_s_own_settings(tmp_path):
    sha = picture(tmp_path / "elsewhere/a/0.png")
    run = write(tmp_path / "run/annotations.jsonl", [record("a/0.png", scene(0), sha)])
    write_json(tmp_path / "run/run.json", {"settings": {"source": str(tmp_path / "elsewhere")}})
    assert evaluate(run, run, metrics=["rouge_l"]).skips == ()


def test_the_same_files_give_the_same_report(truth):
    names = ["segmentation", "bleu", "truth"]
    assert evaluate(truth, truth, metrics=names) == evaluate(truth, truth, metrics=names)


def test_overlapping_regions_show_the_smaller_one(tmp_path):
    whole = np.ones((SIZE_WH[1], SIZE_WH[0]), bool)
    small = disc((50, 50), (10, 10))
    over = record("1.png", scene_of(("polyp", small), ("liver", whole)))
    flat = record("1.png", scene_of(("polyp", small), ("liver", whole & ~small)))
    run, ref = write(tmp_path / "a.jsonl", [over]), write(tmp_path / "b.jsonl", [flat])
    assert numbers(evaluate(run, ref, metrics=["segmentation"]))["segmentation.miou pixels"] == 1
