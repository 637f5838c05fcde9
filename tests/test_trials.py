"""Compared runs: kept results, one set of terms a folder, processes of their own, means over seeds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from describer import trials
from describer.errors import DescriberError, ModelError, OutputError
from describer.trials import Terms, Trial

TERMS = Terms("start", {"rendered": {"a": 1.0}}, {"rendered": {"held": "b"}}, {}, (56, 70), 2, None, 2, "cpu")


class Counted:
    """Stands in for the process: counts the runs and says who they were."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, function: object, terms: Terms, trial: Trial) -> dict:
        self.names.append(f"{trial.name} {trial.seed}")
        if trial.name == "bad":
            raise KeyboardInterrupt
        return {"name": trial.name, "steps": 2, "minutes": 0.1, "scores": {"held": {"miou": 0.5}}}


def test_a_killed_bench_goes_on_where_it_was(tmp_path: Path) -> None:
    wanted = [Trial("one", 0, "rendered"), Trial("bad", 0, "rendered"), Trial("SMA of width 8", 1, "rendered")]
    first, again, said = Counted(), Counted(), []
    with pytest.raises(KeyboardInterrupt):
        trials.run_all(TERMS, wanted, tmp_path, said.append, first)
    found = trials.run_all(TERMS, [wanted[0], wanted[2]], tmp_path, said.append, again)
    assert first.names == ["one 0", "bad 0"] and again.names == ["SMA of width 8 1"]
    assert [run["name"] for run in found] == ["one", "SMA of width 8"]
    assert "(kept)" in said[-2] and "(kept)" not in said[-1] and "mIoU 0.500" in said[-1]
    assert not list(tmp_path.rglob("*.partial"))


def test_a_folder_holds_runs_of_one_kind(tmp_path: Path) -> None:
    trials.run_all(TERMS, [], tmp_path, print, Counted())
    other = Terms("start", {"rendered": {"a": 1.0}}, {"rendered": {"held": "b"}}, {}, (56, 70), 3, None, 2, "cpu")
    with pytest.raises(OutputError, match="other settings"):
        trials.run_all(other, [], tmp_path, print, Counted())


def test_processes_of_their_own() -> None:
    assert trials.in_own_process(os.getpid) != os.getpid()
    with pytest.raises(ModelError, match="memory"):
        trials.in_own_process(os._exit, 9)
    with pytest.raises(ZeroDivisionError):
        trials.in_own_process(divmod, 1, 0)


@pytest.mark.parametrize(
    ("hw", "steps", "minutes"),
    [((100, 140), 3, None), ((112, 140), None, None), ((112, 140), 3, 1.0), ((112, 140), 0, None)],
)
def test_plans_that_cannot_be(hw: tuple[int, int], steps: int | None, minutes: float | None) -> None:
    with pytest.raises(DescriberError):
        trials.check_plan(hw, steps, minutes)


def test_means_over_seeds() -> None:
    assert trials.mean_and_spread([0.2, None, 0.4]) == pytest.approx((0.3, 0.1 * 2**0.5))
    assert trials.mean_and_spread([0.5]) == (0.5, None) and trials.mean_and_spread([None]) == (None, None)
    assert trials.spread([0.2, 0.4]) == "0.300 ± 0.141" and trials.spread([0.5]) == "0.500" and trials.spread([]) == "-"
