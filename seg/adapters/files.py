"""An adapter alone on disk: one safetensors file, whose metadata says what it is and which backbone it belongs to."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from describer.errors import ModelError, OutputError
from describer.seg.adapters import adapter_state_dict, plain_state_dict, vector_ranks
from describer.seg.config import SceneConfig

_BASE = "base"


def describe_adapter(config: SceneConfig) -> dict[str, str]:
    """What decides the shape and meaning of an adapter's numbers, as a file's metadata holds it."""
    kind = {"kind": config.adapter}
    if config.adapter == "none":
        return kind
    if config.adapter == "vector-lora":
        ranks = ",".join(map(str, vector_ranks(config.backbone_config().num_hidden_layers)))
        return kind | {"rank": ranks, "alpha": ranks}
    uniform = kind | {"rank": str(config.adapter_rank), "alpha": f"{config.adapter_alpha:g}"}
    if config.adapter == "lora":
        return uniform
    return uniform | {"vectors": str(config.adapter_vectors).lower(), "gate": str(config.adapter_gate).lower()}


def save_adapter(backbone: nn.Module, config: SceneConfig, path: Path) -> None:
    """Write the adapter that `backbone` carries as one file, readable for everyone."""
    state = adapter_state_dict(backbone)
    if not state:
        raise ModelError(f"{path}: the model carries no adapter to save; train with stage adapter.")
    facts = describe_adapter(config) | {_BASE: fingerprint(backbone), "format": "pt"}
    partial = path.with_name(path.name + ".partial")
    try:
        save_file(state, partial, metadata=facts)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path}: the adapter cannot be written ({error}); check folder and space.") from error
    partial.chmod(0o644)  # safetensors writes 0600, which a shared or packaged file must not be
    partial.replace(path)


def load_adapter(backbone: nn.Module, config: SceneConfig, path: Path) -> None:
    """Read a file of `save_adapter` into a backbone that carries an adapter of the same kind, and is the same one."""
    found, state = _read(path)
    if "kind" not in found:
        raise ModelError(f"{path}: no adapter of a scene model; give an adapter.safetensors that training wrote.")
    for field, wanted in describe_adapter(config).items():
        if found.get(field) != wanted:
            raise ModelError(
                f"{path}: an adapter of {field} {found.get(field)}, while the model has {field} {wanted}; "
                f"set the model's adapter fields to the file's, or give another file."
            )
    own = adapter_state_dict(backbone)
    same = {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in state.items()}
    if not same or found.get(_BASE) != fingerprint(backbone):
        raise ModelError(f"{path}: the adapter belongs to another backbone; load the model it was trained on.")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(state[name])


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(str(path), framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read as an adapter ({error}); give a .safetensors file.") from error


def fingerprint(backbone: nn.Module) -> str:
    """Of the first numbers of every weight below the adapter, rounded to bfloat16: equal for every dtype loaded."""
    digest = hashlib.sha256()
    for name, value in sorted(plain_state_dict(backbone).items()):
        few = value.flatten()[:512].to("cpu", torch.bfloat16).contiguous()
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(few.view(torch.int16).numpy().tobytes())
    return digest.hexdigest()
