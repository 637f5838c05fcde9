"""The ablation end to end on a tiny backbone, and what its groups promise."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from describer import bench_ablation as bench
from describer.bench_ablation import BASE, GROUPS, Options
from describer.cli import app
from describer.errors import InputError
from describer.seg.adapters import adapter_state_dict
from describer.seg.balancing import BALANCERS
from describer.seg.config import SceneConfig
from describer.trials import build
from tests.tiny import save_tiny_scene_model


def here(function, *args):
    return function(*args)


def never(function, *args):
    raise AssertionError("a kept result was made again")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_scene_model(tmp_path_factory.mktemp("start"))


@pytest.fixture
def options(start: Path) -> Options:
    return Options(seeds=1, steps=2, hw=(56, 70), frames=2, held_out=2, batch_size=2, start=str(start))


def test_every_group_differs_from_the_base_in_one_thing() -> None:
    for group, variants in GROUPS.items():
        assert sum(variant == BASE for variant in variants.values()) == 1, group
    assert set(GROUPS["balance"]) == set(BALANCERS)
    assert all({**v.fields, "sma_width": 0} == BASE.fields for v in GROUPS["stem"].values())
    assert all(v.fields == BASE.fields and v.stage == BASE.stage for v in GROUPS["balance"].values())
    names = [trial.name for trial in bench.trials(tuple(GROUPS), 0)]
    assert len(names) == len(set(names)) == sum(map(len, GROUPS.values())) - len(GROUPS) + 1


def test_variants_are_what_they_are_called(tmp_path: Path, options: Options) -> None:
    terms = bench._terms(tmp_path, options)
    wanted = bench.trials(("adapter", "stem", "levels"), 0)
    models = {trial.name: build(terms, trial) for trial in wanted if "LoRA" not in trial.name}  # peft is slow to import
    frozen = models["adapter, backbone frozen"].backbone.state_dict()
    base = models["base"].backbone.state_dict()
    name = "embeddings.position_embeddings"
    assert (frozen[name] == base[name]).all()
    assert not adapter_state_dict(models["adapter, all weights"].backbone)
    kinds = {name: {key.rsplit(".", 1)[1] for key in adapter_state_dict(m.backbone)} for name, m in models.items()}
    assert kinds["base"] == {"A", "B", "u", "v"} and kinds["adapter, TESLA, plain"] == {"A", "B"}
    assert models["levels, last level only"].config.feature_layers == [4] * 4
    assert models["base"].config.feature_layers == [1, 2, 3, 4] and models["base"].sma is None
    assert models["base"].config.decoder_width == SceneConfig.from_pretrained(options.start).decoder_width
    narrow = bench._terms(tmp_path, replace(options, decoder_width=16))
    assert narrow.fields["decoder_width"] == 16
    widths = [models[f"stem, SMA of width {w}"].config.sma_width for w in (8, 32, 128)]
    assert widths == [8, 32, 128]


def test_end_to_end(tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {"levels": GROUPS["levels"], "balance": {k: GROUPS["balance"][k] for k in ("equal", "pcgrad")}}
    monkeypatch.setattr(bench, "GROUPS", few)
    said: list[str] = []
    results = bench.ablation(tmp_path, options, said.append, here)
    assert [run["name"] for run in results] == ["levels, last level only", "base", "balance, pcgrad"]
    run = results[1]
    assert run["steps"] == 2 and run["images"] == 4 and run["seconds_a_step"] > 0 and run["training_peak_gib"] > 0.1
    assert 0 < run["trained_below_heads"] < run["trained"]
    assert run["scores"][bench.HELD_OUT]["n"] == 2 and run["scores"][bench.HELD_OUT]["depth_abs_rel"] > 0
    with (tmp_path / "ablation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [run["name"] for run in results]
    assert float(rows[0]["miou"]) == results[0]["scores"][bench.HELD_OUT]["miou"]
    text = (tmp_path / "ablation.md").read_text()
    assert "| pcgrad |" in text and text.count("2, 1 seeds") == 4  # the base is in both groups
    assert "four levels" in bench.to_text(results)
    again = bench.ablation(tmp_path, options, said.append, never)  # everything is kept
    assert again == json.loads(json.dumps(results))


def test_unknown_group(tmp_path: Path, options: Options) -> None:
    with pytest.raises(InputError, match="--only heads"):
        bench.ablation(tmp_path, Options(only=("heads",)), print, here)


def test_flags_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(bench, "ablation", lambda out, options, say: told.append((out, options)) or [])
    flags = [
        "--seeds",
        "2",
        "--size",
        "56x70",
        "--only",
        "stem",
        "--only",
        "levels",
        "--frames",
        "5",
        "--decoder-width",
        "32",
        "--device",
        "cpu",
    ]
    done = CliRunner().invoke(app, ["bench", "ablation", "-o", str(tmp_path), *flags, "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout) == []
    (out, options), *_ = told
    assert out == tmp_path and options.hw == (56, 70) and options.only == ("stem", "levels")
    assert (options.steps, options.minutes, options.seeds, options.frames) == (400, None, 2, 5)
    assert options.decoder_width == 32
