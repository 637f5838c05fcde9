"""`describer bench adapters`: what each kind of adapter costs on a backbone, measured in one run; random weights."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Dinov2Model

from describer.errors import InputError
from describer.eval.reports.plain import aligned
from describer.seg.adapters import (
    adapter_parameters,
    adapter_phases,
    adapter_state_dict,
    add_adapter,
    merge_adapter,
)
from describer.seg.adapters.files import save_adapter
from describer.seg.config import SceneConfig, embedded_backbone
from describer.seg.image import TRAIN_HW

_VIT = {"mlp_ratio": 4, "patch_size": 14, "image_size": 518, "num_hidden_layers": 12}
BACKBONES: dict[str, dict[str, Any]] = {
    "embedded": embedded_backbone(),
    "vit-s": _VIT | {"hidden_size": 384, "num_attention_heads": 6},
    "vit-b": _VIT | {"hidden_size": 768, "num_attention_heads": 12},
}
_KINDS: dict[str, dict[str, Any]] = {
    "tesla": {"adapter": "tesla"},
    "tesla, gated": {"adapter": "tesla", "adapter_gate": True},
    "lora": {"adapter": "lora"},
    "vector-lora": {"adapter": "vector-lora"},
}
_HEAD = ("adapter", "trained", "file kB", "kept MiB", "forward ms", "x plain", "merged x plain", "merged differs by")


@dataclass(frozen=True, slots=True)
class AdapterCost:
    """One kind's cost on one backbone.

    trained: parameters that train; file_kb: the adapter alone on disk, in 1,000 bytes; kept_mib: what a training
    forward of one frame keeps for the backward pass, in the phase that keeps more; forward_ms: one frame; ratio: that
    over the plain backbone's; merged_ratio and merged_difference (largest of any output): after merging, None where
    the kind does not merge.
    """

    adapter: str
    trained: int
    file_kb: float
    kept_mib: float
    forward_ms: float
    ratio: float
    merged_ratio: float | None
    merged_difference: float | None


def adapter_costs(backbone: str, repeats: int = 5, hw: tuple[int, int] = TRAIN_HW) -> list[AdapterCost]:
    """Every kind at rank 4 (Vector-LoRA at its own ranks) on one backbone, beside training all of its weights.

    Times are processor time on one thread, so that other work on the machine does not count; a kind and the plain
    backbone run in turns and the median of their ratios is given.
    """
    if backbone not in BACKBONES:
        raise InputError(f"--backbone {backbone} is unknown; choose one of {', '.join(BACKBONES)}.")
    frame = torch.randn(1, 3, *hw, generator=torch.Generator().manual_seed(0))
    with _one_thread():
        costs = [_cost(kind, BACKBONES[backbone], frame, repeats) for kind in _KINDS]
        return [_everything(BACKBONES[backbone], frame, repeats), *costs]


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _plain(fields: dict[str, Any]) -> Dinov2Model:
    config = SceneConfig(backbone=fields, class_names=["background"]).backbone_config()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Dinov2Model(config).eval()


def _everything(fields: dict[str, Any], frame: Tensor, repeats: int) -> AdapterCost:
    """The row to compare with: no adapter, every weight of the backbone trains."""
    model = _plain(fields)
    size = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    seconds, ratio = _compared(model, model, frame, repeats)
    trained, kept = _trained(model), _kept_bytes(model, frame)
    return AdapterCost("none, all trained", trained, size / 1e3, kept / 2**20, 1e3 * seconds, ratio, None, None)


def _cost(kind: str, fields: dict[str, Any], frame: Tensor, repeats: int) -> AdapterCost:
    config = SceneConfig(backbone=fields, class_names=["background"], **_KINDS[kind])
    plain, model = _plain(fields), _plain(fields)
    add_adapter(model, config)
    for value in adapter_state_dict(model).values():
        value.add_(0.02 * torch.randn(value.shape, generator=torch.Generator().manual_seed(0)))
    trained = _trained(model)
    kept = max(_kept_in_phase(model, phase, frame) for phase in range(1, adapter_phases(config) + 1))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "adapter.safetensors"
        save_adapter(model, config, path)
        size = path.stat().st_size
    seconds, ratio = _compared(model, plain, frame, repeats)
    merged_ratio = difference = None
    if not config.adapter_gate:
        before = _output(model, frame)
        merge_adapter(model)
        difference = float((_output(model, frame) - before).abs().max())
        _, merged_ratio = _compared(model, plain, frame, repeats)
    return AdapterCost(kind, trained, size / 1e3, kept / 2**20, 1e3 * seconds, ratio, merged_ratio, difference)


def _trained(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@torch.no_grad()
def _output(model: nn.Module, frame: Tensor) -> Tensor:
    output: Tensor = model(frame).last_hidden_state
    return output


def _compared(model: nn.Module, plain: nn.Module, frame: Tensor, repeats: int) -> tuple[float, float]:
    """Median seconds of `model`, and the median of its ratios to `plain` run right before and after."""
    _output(plain, frame), _output(model, frame)
    before, seconds, ratios = _seconds(plain, frame), [], []
    for _ in range(repeats):
        took, after = _seconds(model, frame), _seconds(plain, frame)
        seconds.append(took)
        ratios.append(2 * took / (before + after))
        before = after
    return statistics.median(seconds), statistics.median(ratios)


def _seconds(model: nn.Module, frame: Tensor) -> float:
    began = time.process_time()
    _output(model, frame)
    return time.process_time() - began


def _kept_in_phase(model: nn.Module, phase: int, frame: Tensor) -> int:
    model.requires_grad_(False)
    for parameter in adapter_parameters(model, phase):
        parameter.requires_grad_(True)
    return _kept_bytes(model, frame)


def _kept_bytes(model: nn.Module, frame: Tensor) -> int:
    """Bytes of the tensors that a training forward keeps for the backward pass, the weights themselves apart."""
    weights = {value.untyped_storage().data_ptr() for value in model.parameters()}
    kept: dict[int, int] = {}

    def note(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        output = model(frame).last_hidden_state  # held until the count is made, and with it every kept tensor
    total = sum(kept.values())
    del output
    return total


def to_text(costs: Sequence[AdapterCost]) -> str:
    """The table for a terminal."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for cost in costs:
        merged = "-" if cost.merged_ratio is None else f"{cost.merged_ratio:.2f}"
        differs = "-" if cost.merged_difference is None else f"{cost.merged_difference:.1e}"
        numbers = (f"{cost.trained:,}", f"{cost.file_kb:,.0f}", f"{cost.kept_mib:.1f}", f"{cost.forward_ms:.1f}")
        rows.append((cost.adapter, *numbers, f"{cost.ratio:.2f}", merged, differs))
    return "\n".join(aligned(rows))
