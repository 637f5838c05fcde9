"""`describer evaluate`: the table, the reports, the errors."""

from __future__ import annotations

import json

import pytest

from describer import cli
from tests.evaluate.made import records, write, write_json
from tests.vqa_evaluation.made import questions


@pytest.fixture
def truth(tmp_path):
    return str(write(tmp_path / "truth.jsonl", records()))


def test_a_table_with_n_and_split_on_stdout_and_three_reports(tmp_path, truth, capsys):
    out = tmp_path / "out"
    options = ["--references", truth, "-o", str(out), "--split", "held out", "--metrics", "bleu, segmentation"]
    assert cli.run(["evaluate", truth, *options]) == 0
    captured = capsys.readouterr()
    rows = [line for line in captured.out.splitlines() if "bleu_1" in line or "miou" in line]
    assert len(rows) == 4
    assert all(row.endswith("held out") for row in rows)
    assert captured.err.splitlines() == [str(out / f"report.{form}") for form in ("json", "md", "html")]
    assert "unnamed split" not in captured.out


def test_json_is_all_of_stdout(truth, capsys):
    assert cli.run(["evaluate", truth, "--references", truth, "--json", "--metrics", "rouge_l"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {number["value"] for number in report["numbers"]} == {1.0}
    assert {number["split"] for number in report["numbers"]} == {"unnamed split"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--references", "none.json"], "none.json does not exist"),
        (["--metrics", "blue"], "'blue' is unknown"),
        (["--metrics", "vqa"], "--metrics vqa needs questions"),
        (["--taxonomy", "nonsense"], "taxonomy 'nonsense' is unknown"),
        (["--video-pattern", "("], "--video-pattern"),
        (["--split", " "], "--split is empty"),
        (["--baseline", "none.json"], "none.json does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_are_one_line_and_exit_2(truth, capsys, options, says):
    assert cli.run(["evaluate", truth, "--references", truth, *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Error: ")
    assert says in captured.err
    assert captured.err.count("\n") == 1


def test_partial_scores_what_is_shared_and_says_so(tmp_path, truth, capsys):
    run = str(write(tmp_path / "run.jsonl", records(2)))
    assert cli.run(["evaluate", run, "--references", truth, "--metrics", "rouge_l"]) == 2
    assert "--partial" in capsys.readouterr().err
    assert cli.run(["evaluate", run, "--references", truth, "--metrics", "rouge_l", "--partial"]) == 0
    assert "NOTE 2 ids of REF that RUN lacks: not scored" in capsys.readouterr().out


def test_references_are_required(tmp_path, capsys):
    run = str(write_json(tmp_path / "x.json", {"1": "a"}))
    assert cli.run(["evaluate", run]) == 2
    assert "--references" in capsys.readouterr().err


class TestQuestions:
    """`--task vqa` on answers that are there already: no model is loaded."""

    def answers(self, tmp_path, asked):
        rows = [json.loads(line) for line in asked.read_text().splitlines()]
        path = tmp_path / "answers.jsonl"
        said = [{**row, "answer": "Yes." if row["type"] == "exists" else "Red.", "confidence": 0.6 - i % 2 / 10}
                for i, row in enumerate(rows)]  # fmt: skip
        path.write_text("".join(json.dumps(row) + "\n" for row in said))
        return str(path)

    def test_a_table_a_report_and_the_threshold(self, tmp_path, capsys):
        asked, out, kept = questions(tmp_path), tmp_path / "out", tmp_path / "model"
        options = ["--predictions", self.answers(tmp_path, asked), "--risk", "0.4", "-o", str(out)]
        assert cli.run(["evaluate", str(asked), "--task", "vqa", *options, "--save-threshold", str(kept)]) == 0
        captured = capsys.readouterr()
        assert "best constant answer" in captured.out and "risk of at most 40.0%: confidence" in captured.out
        assert (out / "report.html").is_file()
        assert (out / "abstention.json").read_text() == (kept / "abstention.json").read_text()

    def test_json_is_all_of_stdout(self, tmp_path, capsys):
        asked = questions(tmp_path)
        options = ["--predictions", self.answers(tmp_path, asked), "--json", "--risk", "0.01"]
        assert cli.run(["evaluate", str(asked), "--task", "vqa", *options]) == 0
        captured = capsys.readouterr()
        assert json.loads(captured.out)["split"] == "jsonl, all splits"
        assert "no threshold reaches it" in captured.err

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ([], "--references is missing"),
            (["--task", "captions"], "--task 'captions' is unknown; it is vqa"),
            (["--task", "vqa", "--save-threshold", "x"], "--save-threshold needs --risk"),
            (["--task", "vqa", "--set", "ssg-vqa"], "ssg-vqa is qa_txt/VIDxx"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_errors_are_one_line_and_exit_2(self, tmp_path, capsys, options, says):
        questions(tmp_path)
        asked = str(tmp_path if "--set" in options else tmp_path / "questions.jsonl")
        assert cli.run(["evaluate", asked, *options]) == 2
        captured = capsys.readouterr()
        assert captured.out == "" and says in captured.err and captured.err.startswith("Error: ")
        assert captured.err.count("\n") == 1
