"""seg/README.md's table against the code: every file is there, every switch exists, every strategy has a row."""

from __future__ import annotations

import itertools
import re
from dataclasses import fields
from pathlib import Path

from describer.seg.balancing import BALANCERS
from describer.seg.config import ADAPTERS, SceneConfig
from describer.seg.trainer import TrainSettings

ROOT = Path(__file__).resolve().parents[2]


def rows() -> list[list[str]]:
    lines = (ROOT / "seg" / "README.md").read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| "))
    table = itertools.takewhile(lambda line: line.startswith("|"), lines[start + 2 :])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def ticked(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_files_are_there() -> None:
    for row in rows():
        assert ticked(row[2]) and all((ROOT / name).exists() for name in ticked(row[2])), row[0]


def test_switches_exist() -> None:
    train = (ROOT / "describer" / "cli" / "train.py").read_text(encoding="utf-8")
    known = {field.name for field in fields(TrainSettings)} | set(SceneConfig(class_names=["a"]).to_dict())
    for row in rows():
        for switch in ticked(row[3]):
            name = switch.split()[0].lstrip("-").replace("-", "_")
            if switch.startswith("--"):
                assert re.search(rf"^    {name}: Annotated", train, re.MULTILINE), switch
            else:
                assert name == "describer" or switch == "train scene" or switch in known, switch


def test_every_strategy_and_adapter_has_a_row() -> None:
    switches = {switch for row in rows() for switch in ticked(row[3])}
    assert {f"--balance {name}" for name in BALANCERS} <= switches
    assert {f"--adapter {name}" for name in ADAPTERS if name != "none"} <= switches
