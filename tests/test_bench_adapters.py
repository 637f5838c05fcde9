"""`describer bench adapters`: counts that follow from the shapes, files as they are saved, merging, the command."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import import_module
from typing import Any

import pytest
import torch

from describer import bench_adapters, cli
from describer.bench_adapters import AdapterCost, adapter_costs, to_text

TINY = {"hidden_size": 16, "num_hidden_layers": 8, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 28}


@pytest.fixture(scope="module", autouse=True)
def imported_peft() -> None:
    """Seconds of import, before any test is timed."""
    import_module("peft")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench_adapters.BACKBONES, "embedded", TINY)


@pytest.fixture
def costs() -> dict[str, AdapterCost]:
    return {cost.adapter: cost for cost in adapter_costs("embedded", 1, (28, 42))}


def test_what_trains_and_what_is_kept(costs: dict[str, AdapterCost]) -> None:
    threads = torch.get_num_threads()
    blocks, width, hidden = 8, 16, 32
    tesla = blocks * (2 * 4 * (width + hidden) + (4 + hidden) + (4 + width))
    assert costs["tesla"].trained == costs["tesla, gated"].trained == tesla
    assert costs["lora"].trained == blocks * 2 * 4 * 2 * width
    assert costs["vector-lora"].trained == 2 * 2 * width * sum([14, 14, 12, 10, 8, 8, 8, 8])
    assert costs["none, all trained"].trained > 10_000
    assert torch.get_num_threads() == threads
    for name, cost in costs.items():
        if name != "none, all trained":
            assert 4 * cost.trained < 1e3 * cost.file_kb < 4 * cost.trained + 12_000  # numbers and the header
    assert 0 < costs["lora"].kept_mib < costs["none, all trained"].kept_mib
    assert costs["lora"].kept_mib < costs["vector-lora"].kept_mib
    assert costs["tesla"].kept_mib < costs["tesla, gated"].kept_mib


def test_only_linear_kinds_merge_and_their_outputs_stay(costs: dict[str, AdapterCost]) -> None:
    merged = {name for name, cost in costs.items() if cost.merged_ratio is not None}
    assert merged == {"tesla", "lora", "vector-lora"}
    assert all((costs[name].merged_difference or 0) < 1e-5 for name in merged)


def test_kept_bytes_are_those_of_the_saved_tensors() -> None:
    class Squares(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(100))

        def forward(self, frame: torch.Tensor) -> Any:
            # exp keeps its result (100 floats), the product the weight and the frame (another 100).
            return type("Output", (), {"last_hidden_state": (self.weight * frame).exp()})

    assert bench_adapters._kept_bytes(Squares(), torch.ones(100)) == 800


def test_the_table_has_a_row_a_kind(costs: dict[str, AdapterCost]) -> None:
    head, *rows = to_text(list(costs.values())).splitlines()
    assert head.split()[:2] == ["adapter", "trained"]
    assert [row.split("  ")[0] for row in rows] == list(costs)
    assert rows[2].split()[-2:] == ["-", "-"]  # a gated adapter does not merge


def test_the_command_prints_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = [AdapterCost("lora", 8, 0.1, 0.2, 3.0, 1.1, None, None)]
    monkeypatch.setattr(bench_adapters, "adapter_costs", lambda backbone, repeats: found * repeats)
    assert cli.run(["bench", "adapters", "--repeats", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [asdict(found[0])] * 2


def test_an_unknown_backbone_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "adapters", "--backbone", "vit-x"]) != 0
    assert "embedded, vit-s, vit-b" in capsys.readouterr().err
