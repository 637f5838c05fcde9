"""Reports: every number with n and split, one self-contained page, texts shown as texts."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser

import pytest

from describer.errors import OutputError
from describer.eval.intervals import Interval, paired_test
from describer.eval.reports import DISCLAIMER, to_html, to_json, to_markdown, to_text, write_reports
from describer.eval.reports.report import (
    Case,
    CasePicture,
    Cases,
    ClassScore,
    Comparison,
    ConfusionTable,
    Curve,
    ItemScores,
    Number,
    Report,
    Skip,
    distributions,
    drawn_confusions,
    headlines,
)

EVIL = '<script>alert("x")</script> & | `b`'
NAN = float("nan")


def report(text: str = "liver") -> Report:
    """Every part of a report, with ``text`` wherever a user's words come in."""
    items = ItemScores("rouge_l", "rouge_l", "summaries", ("a", "b"), ("v", "w"), (0.25, 1.0))
    case = Case(text, {"rouge_l": 0.25}, (text,), (text, text), text, (CasePicture("run", b"\xff\xd8jpeg", (4, 3)),))
    return Report(
        run=text, references=text, split=text, version="0.1.0", matched={"id": 2}, n_videos=2,
        numbers=(
            Number("rouge_l", "rouge_l", "summaries", Interval(0.625, 0.25, 1.0, 2, 2), "summaries"),
            Number("truth", "omission", text, Interval(NAN, NAN, NAN, 7, 1), "labels", True),
        ),
        items=(items,),
        classes=(ClassScore(text, 0.5, 2 / 3, 2), ClassScore("fat", 1.0, 1.0, 1)),
        confusions=(ConfusionTable(text, (text, "fat", "never"), ((3, 1, 0), (0, 5, 0), (0, 0, 0)), "pixels"),),
        curves=(Curve(text, text, (0.5, 1.0), (0.0, 0.5), 2, "texts"),),
        cases=Cases(text, (case,), (case,)),
        baseline=text,
        comparisons=(Comparison("rouge_l", "rouge_l", text, 0.6, 0.5, paired_test([1, 0], [0, 0], ["v", "w"])),),
        skips=(Skip(text, 3, text, (text,)),),
        rules=(text,),
    )  # fmt: skip


class _Page(HTMLParser):
    """Tags, and every attribute that can load something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        loading = ("src", "href", "xlink:href", "srcset", "data", "action", "poster")
        self.loads += [value or "" for name, value in attrs if name in loading]

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_loads_nothing_from_elsewhere():
    page = to_html(report())
    found = _Page(page)
    assert all(value.startswith("data:image/jpeg;base64,") for value in found.loads)
    assert len(found.loads) == 2
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & set(found.tags)
    assert not re.search(r"url\(|@import|https?:|//[a-z]", re.sub(r"data:image/jpeg;base64,[\w+/=]*", "", page))
    assert "default-src 'none'" in page
    assert found.tags.count("svg") == 4


def test_texts_are_shown_as_texts_wherever_they_come_in():
    page = to_html(report(EVIL))
    found = _Page(page)
    assert "script" not in found.tags
    assert "<script" not in page
    # The parser undoes the escaping: what a reader sees is what was said.
    assert sum(EVIL in text for text in found.texts) >= 15


def test_markdown_keeps_its_tables_whole_whatever_the_words():
    text = to_markdown(report(EVIL + "\nsecond line"))
    assert "<script" not in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(cells) == 1


@pytest.mark.parametrize("write", [to_text, to_markdown, to_html, lambda r: json.dumps(to_json(r))])
def test_every_form_has_the_disclaimer_the_split_and_the_skips(write):
    text = write(report("held out 7"))
    assert DISCLAIMER in text
    assert "held out 7" in text
    assert "3" in text


def test_each_number_stands_beside_its_n_and_split():
    row = next(line for line in to_text(report("my split")).splitlines() if line.strip().startswith("rouge_l"))
    assert row.split() == ["rouge_l", "0.625", "0.250", "to", "1.000", "2", "summaries", "my", "split"]
    for number in to_json(report("s"))["numbers"]:
        assert {"value", "low", "high", "n", "of", "n_videos", "split"} <= set(number)


def test_json_has_null_for_nan():
    data = to_json(report())
    assert data["numbers"][1]["value"] is None
    json.dumps(data, allow_nan=False)


def test_items_and_their_values_go_together():
    with pytest.raises(ValueError, match="2 ids, 1 videos, 1 values"):
        ItemScores("m", "k", "a", ("1", "2"), ("v",), (0.0,))


def test_headlines_and_plots_leave_the_rest_to_the_tables():
    many = [
        Number("bleu", f"bleu_{i}", "summaries", Interval(0.1 * i, NAN, NAN, 2, 1), "summaries") for i in range(1, 5)
    ]
    base = report()
    full = Report(**{f: getattr(base, f) for f in base.__slots__} | {"numbers": (*many, *base.numbers)})
    assert [n.name for n in headlines(full)] == ["truth omission", "bleu_4"]
    assert distributions(base) == base.items
    right = ItemScores("vqa", "exact", "answers", ("a", "b"), ("v", "w"), (0.0, 1.0))
    bleu = [ItemScores("bleu", f"bleu_{i}", "summaries", ("a",), ("v",), (0.5,)) for i in range(1, 5)]
    spread = Report(**{f: getattr(base, f) for f in base.__slots__} | {"items": (right, *bleu)})
    assert distributions(spread) == (bleu[3],)
    assert drawn_confusions(base) == base.confusions
    alone = ConfusionTable("t", ("a", "b"), ((3, 0), (0, 0)), "frames")
    one = Report(**{f: getattr(base, f) for f in base.__slots__} | {"confusions": (alone,)})
    assert drawn_confusions(one) == ()


def test_reports_are_written_whole(tmp_path):
    paths = write_reports(report(), tmp_path / "new/out")
    assert [path.name for path in paths] == ["report.json", "report.md", "report.html"]
    assert sorted(path.name for path in (tmp_path / "new/out").iterdir()) == sorted(path.name for path in paths)
    assert math.isclose(json.loads(paths[0].read_text())["numbers"][0]["value"], 0.625)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another -o"):
        write_reports(report(), tmp_path / "file/out")
