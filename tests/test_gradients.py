"""gradients.csv as a picture: every pair a line of means, and how often it pulled apart."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from describer.gradients import plot_gradients

SVG = "{http://www.w3.org/2000/svg}"


def written(path: Path, rows: list[str], head: str = "step,epoch,segmentation/activity,segmentation/depth") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def lines(svg: Path) -> list[list[tuple[float, float]]]:
    found = ElementTree.parse(svg).getroot().iter(f"{SVG}polyline")
    return [[tuple(map(float, p.split(","))) for p in line.get("points", "").split()] for line in found]  # type: ignore


def test_means_of_each_epoch_and_the_share_apart(tmp_path: Path) -> None:
    rows = [f"{k},{k / 4},{0.5 if k % 4 else -1.0},{'' if k % 2 else 0.25}" for k in range(16)]
    svg = plot_gradients(written(tmp_path / "gradients.csv", rows))
    assert svg == tmp_path / "gradients.svg"
    first, second = lines(svg)
    assert len(first) == len(second) == 4
    # Of -1, 0.5, 0.5, 0.5 the mean is 0.125: just above the middle of an axis from -1 to 1; 0.25 is higher.
    assert len({y for _, y in first}) == 1 and first[0][1] > second[0][1]
    text = svg.read_text()
    assert "apart 25%" in text and "apart 0%" in text and "segmentation / depth" in text


def test_short_and_long_runs_have_few_points(tmp_path: Path) -> None:
    short = written(tmp_path / "short.csv", [f"{k},{k / 1000},0.1,-0.1" for k in range(500)])
    long = written(tmp_path / "long.csv", [f"{k},{k},0.1,-0.1" for k in range(500)])
    for table in (short, long):
        svg = plot_gradients(table)
        assert svg is not None and all(10 < len(line) <= 31 for line in lines(svg))


@pytest.mark.parametrize("rows", [[], ["0,0,,"], ["0,0,,", "5,1,,"]])
def test_nothing_to_draw(tmp_path: Path, rows: list[str]) -> None:
    assert plot_gradients(written(tmp_path / "gradients.csv", rows)) is None
    assert not (tmp_path / "gradients.svg").exists()


def test_one_value_is_a_point_on_the_axes(tmp_path: Path) -> None:
    svg = plot_gradients(written(tmp_path / "gradients.csv", ["0,0,1,-1"]))
    assert svg is not None and [len(line) for line in lines(svg)] == [1, 1]
    height = float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', svg.read_text()).group(1))  # type: ignore[union-attr]
    assert all(0 < y < height for line in lines(svg) for _, y in line)
