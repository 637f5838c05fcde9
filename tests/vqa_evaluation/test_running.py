import json

import pytest

from describer.errors import InputError
from describer.eval.reports import to_text, write_reports
from describer.vqa_evaluation import Wanted, evaluate_questions
from describer.vqa_evaluation.running import sampled
from describer.vqa_sets import read_questions
from tests.vqa_evaluation.made import Choosing, Seeing, questions
from tests.vqa_sets.made import endovis18_vqa


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vqa")
    questions(folder)
    return folder


@pytest.fixture(scope="module")
def found(root):
    return evaluate_questions(Wanted(root / "questions.jsonl"), Seeing, risk=0.1, label="made")


def numbers(report):
    return {(number.about, number.name): number.interval for number in report.numbers}


def test_scores_are_those_of_a_model_that_misses_blue(found):
    got = numbers(found.report)
    assert got["answers", "vqa right"].value == pytest.approx((2 / 3 + 1) / 2)
    assert got["answers", "vqa right"].n == 36 and got["answers", "vqa right"].n_videos == 6
    assert got["answers: colour", "vqa right"].value == pytest.approx(2 / 3)
    assert got["answers: exists", "vqa right"].value == 1
    assert got["answers: colour", "vqa best constant answer"].value == pytest.approx(1 / 3)
    assert got["answers: exists", "vqa best constant answer"].value == 1
    assert got["answers", "vqa held back"].value == pytest.approx(1 / 6)
    assert got["answers that were given", "vqa right"].value == 1
    assert all(interval.low <= interval.value <= interval.high for interval in got.values())


def test_the_margin_is_over_the_best_control(found):
    got = numbers(found.report)
    assert got["controls", "control black image"].value == 0.5
    assert got["controls", "control constant answer"].value == pytest.approx((1 / 3 + 1) / 2)
    assert got["controls", "control no image"].value == pytest.approx(1 / 3 / 2), "without a picture it always says red"
    best = max(v.value for (_, name), v in got.items() if name.startswith("control "))
    margin = got["controls", "margin over the best control"]
    assert margin.value == pytest.approx(got["answers", "vqa right"].value - best)
    assert "above the best control" in found.headline


def test_risk_falls_with_coverage_and_the_threshold_keeps_it(found):
    got = numbers(found.report)
    assert got["confidences", "risk at full coverage"].value == pytest.approx(1 / 6)
    assert got["confidences", "risk at 80% coverage"].value == 0
    assert got["confidences", "risk drop between, as a share"].value == 1
    assert found.report.curves[0].n == 36
    assert (found.threshold.confidence, found.threshold.risk, found.threshold.questions) == (0.8, 0, "made")
    assert found.threshold.coverage == pytest.approx(5 / 6)


def test_the_worst_are_the_surest_of_the_wrong_with_their_frames(found):
    worst = found.report.cases.worst
    assert len(worst) == 5
    assert all(case.said == ("Green.",) and case.true == ("blue",) and len(case.pictures) == 1 for case in worst)


def test_the_report_can_be_written_and_read(found, tmp_path):
    page = next(path for path in write_reports(found.report, tmp_path) if path.suffix == ".html").read_text()
    assert page.count("data:image/jpeg") == 5 and "risk and coverage" in page
    assert "made" in to_text(found.report)
    assert json.loads((tmp_path / "report.json").read_text())["curves"][0]["n"] == 36


def test_the_same_run_again_asks_nothing(root, tmp_path):
    first, second = Seeing(), Seeing()
    one = evaluate_questions(Wanted(root / "questions.jsonl"), lambda: first, out=tmp_path)
    two = evaluate_questions(Wanted(root / "questions.jsonl"), lambda: second, out=tmp_path)
    assert first.opened > 0 and second.opened == 0
    assert one.report.numbers == two.report.numbers


def test_answers_of_others_are_scored_without_a_model(root, tmp_path, found):
    evaluate_questions(Wanted(root / "questions.jsonl"), Seeing, out=tmp_path)

    def no_model():
        raise AssertionError("nothing is to be asked")

    again = evaluate_questions(
        Wanted(root / "questions.jsonl"), no_model, predictions=tmp_path / "predictions.jsonl", label="made"
    )
    ours = {key: value for key, value in numbers(found.report).items() if key[1] != "risk"}
    assert numbers(again.report) == ours


def test_choices_leave_out_open_questions_and_say_so(root):
    closed = evaluate_questions(Wanted(root / "questions.jsonl"), lambda: Seeing(Choosing()), choices=True)
    assert numbers(closed.report)["answers", "vqa right"].n == 18
    assert [(skip.count, skip.what) for skip in closed.report.skips] == [(18, "questions without a choice of answers")]
    assert any(rule.startswith("Closed:") for rule in closed.report.rules)


def test_a_split_and_a_public_set(tmp_path, root):
    val = evaluate_questions(Wanted(root / "questions.jsonl", split="val"), Seeing, controls=False)
    assert numbers(val.report)["answers", "vqa right"].n_videos == 2
    endovis18_vqa(tmp_path)
    public = evaluate_questions(Wanted(tmp_path, split="val"), Seeing)
    assert public.report.split == "endovis18-vqa, val"
    assert any("--reading image turns it round" in rule for rule in public.report.rules)


def test_a_limit_takes_whole_frames_and_the_same_ones(root):
    asked = read_questions(root / "questions.jsonl")[1]
    some = sampled(asked, 9)
    assert len(some) == 10 and some == sampled(asked, 9)
    assert all(len([q for q in some if q.frames == one.frames]) == 2 for one in some)
    assert {q.id for q in some} < {q.id for q in sampled(asked, 20)}
    assert sampled(asked, None) == sampled(asked, 1000) == asked


@pytest.mark.parametrize(
    ("options", "message"),
    [({"choices": True}, "no closed answers"), ({"risk": 2.0}, "must be between 0 and 1")],
)
def test_what_cannot_be_done_is_said(tmp_path, options, message):
    path = questions(tmp_path, videos=2, frames=1, choices=False)
    with pytest.raises(InputError, match=message):
        evaluate_questions(Wanted(path), lambda: Seeing(Choosing()), **options)


def test_missing_pictures_are_named_or_counted(tmp_path):
    path = questions(tmp_path, videos=2, frames=2)
    (tmp_path / "v0/0.png").unlink()
    some = evaluate_questions(Wanted(path), Seeing, controls=False)
    assert [(skip.count, skip.what) for skip in some.report.skips] == [(2, "questions whose picture is not there")]
    with pytest.raises(InputError, match=r"has no picture of these questions, such as v0/0.png; .* --frames"):
        evaluate_questions(Wanted(path, frames=tmp_path / "v0"), Seeing)
