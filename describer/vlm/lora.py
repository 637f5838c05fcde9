"""LoRA adapters in peft's format: made, saved under a stable base name, checked against a base, loaded."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from describer.errors import ModelError

TARGETS = (
    r".*(?:language_model|text_model|decoder|lm).*\."
    r"(?:q_proj|k_proj|v_proj|o_proj|out_proj|gate_proj|up_proj|down_proj|fc1|fc2)"
)
"""All linear layers of the language model in every tried family; no vision tower matches once excluded."""

_VISION = r".*(?:vision|visual|image_encoder).*"
_PROJECTOR = r".*(?:projector|connector|modality_projection|merger|aligner|embed_vision).*"
FREEZABLE = ("vision", "projector")
"""Parts that stay as they are unless asked otherwise; the language model's layers always get their updates."""

_NAMED_TARGETS = {
    "all": TARGETS,
    "attention": TARGETS.replace("|gate_proj|up_proj|down_proj|fc1|fc2", ""),
    "mlp": TARGETS.replace("q_proj|k_proj|v_proj|o_proj|out_proj|", ""),
}
_CONFIG, _WEIGHTS, _BASE = "adapter_config.json", "adapter_model.safetensors", "describer_base.json"
_PREFIX = "base_model.model."


def add_lora(
    model: Any,
    rank: int = 16,
    alpha: int = 32,
    dropout: float = 0.05,
    targets: str = "all",
    frozen: Collection[str] = FREEZABLE,
) -> Any:
    """A ``PeftModel`` around `model` that trains low-rank updates of the language model.

    `targets` are its linear layers: "all", "attention", "mlp", or a regular expression of whole layer names. What of
    `FREEZABLE` is not `frozen` gets updates of all its linear layers too. A model loaded in 4 or 8 bits is prepared
    for training as QLoRA needs it.
    """
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if rank < 1:
        raise ModelError(f"The LoRA rank must be at least 1, got {rank}.")
    unknown = sorted(set(frozen) - set(FREEZABLE))
    if unknown:
        raise ModelError(f"{', '.join(unknown)} cannot be frozen; choose of {', '.join(FREEZABLE)}.")
    chosen: str | list[str] = _NAMED_TARGETS.get(targets, targets)
    excluded: str | None = _VISION if targets in _NAMED_TARGETS else None
    thawed = [part for part in FREEZABLE if part not in frozen]
    if thawed:
        chosen, excluded = _layers(model, str(chosen), thawed), None
    if getattr(model, "is_quantized", False):
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=chosen, exclude_modules=excluded)
    try:
        return get_peft_model(model, config)
    except (ValueError, re.error) as error:
        kind = model.config.model_type
        which = "language-model layer" if targets == "all" else f"layer {targets!r}"
        raise ModelError(f"No {which} for LoRA was found in this {kind} model.") from error


def _layers(model: Any, targets: str, thawed: Collection[str]) -> list[str]:
    """Names of the linear layers of the targets and of the parts that are not frozen."""
    from torch import nn

    patterns = {"vision": _VISION, "projector": _PROJECTOR}
    found = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            # Some towers hold their projector: there the projector's own name decides.
            part = next((part for part in reversed(FREEZABLE) if re.fullmatch(patterns[part], name)), None)
            if part in thawed or (part is None and re.fullmatch(targets, name)):
                found.append(name)
    return found


def save_adapter(model: Any, folder: str | Path, base_name: str) -> None:
    """Write the adapter of a ``PeftModel``; `base_name` is the base's name, no path of this machine.

    Beside peft's files ``describer_base.json`` holds a fingerprint of the base's weights, so that an adapter
    is never put on weights it was not trained on.
    """
    target = Path(folder)
    model.peft_config["default"].base_model_name_or_path = base_name
    with warnings.catch_warnings():
        # peft tries to fetch the base's configuration by its name and warns when it cannot.
        warnings.simplefilter("ignore")
        model.save_pretrained(target, save_embedding_layers=False)
    (target / "README.md").unlink(missing_ok=True)  # peft's empty card
    facts = {"base": base_name, "fingerprint": fingerprint(model.get_base_model())}
    (target / _BASE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    for path in target.iterdir():
        path.chmod(0o644)


def fingerprint(model: Any) -> str:
    """Of the input embeddings, which LoRA leaves alone, rounded to bfloat16: equal for every dtype loaded."""
    weights = model.get_input_embeddings().weight.detach()[:512].to("cpu", torch.bfloat16).contiguous()
    digest = hashlib.sha256(str(tuple(weights.shape)).encode())
    digest.update(weights.view(torch.int16).numpy().tobytes())
    return digest.hexdigest()


def load_adapter(model: Any, folder: str | Path, base_name: str, merge: bool) -> Any:
    """`model` with the adapter of `folder`, merged when asked; ModelError when it does not fit."""
    path = Path(folder).absolute()
    config = _read_config(path)
    _check_fit(model, path, config, base_name)
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            adapted = PeftModel.from_pretrained(model, str(path), is_trainable=False)
        except (ValueError, RuntimeError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: the adapter cannot be put on {base_name}: {_first_line(error)}") from error
        return adapted.merge_and_unload() if merge else adapted


def _read_config(path: Path) -> dict[str, Any]:
    for name in (_CONFIG, _WEIGHTS):
        if not (path / name).is_file():
            raise ModelError(f"{path}: not a peft adapter folder, {name} is missing; give the folder train wrote.")
    try:
        config = json.loads((path / _CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path / _CONFIG}: not valid JSON; copy the adapter again.") from error
    if not isinstance(config, dict) or not config.get("peft_type"):
        raise ModelError(f"{path / _CONFIG}: not a peft configuration (peft_type is missing).")
    return config


def _check_fit(model: Any, path: Path, config: dict[str, Any], base_name: str) -> None:
    trained_on = config.get("base_model_name_or_path") or "another model"
    refusal = f"{path}: this adapter was trained on {trained_on} and does not fit {base_name}"
    facts = path / _BASE
    if facts.is_file():
        expected = json.loads(facts.read_text(encoding="utf-8")).get("fingerprint")
        if expected and expected != fingerprint(model):
            raise ModelError(f"{refusal} (other weights); give the base it belongs to, or train it again.")
    modules = dict(model.named_modules())
    for layer, side, size in _layer_sizes(path / _WEIGHTS):
        module = modules.get(layer)
        if module is None:
            raise ModelError(f"{refusal}: there is no layer {layer}; give the base it belongs to.")
        actual = getattr(module, "in_features" if side == "A" else "out_features", size)
        if actual != size:
            raise ModelError(f"{refusal}: {layer} is {actual} wide, not {size}; give the base it belongs to.")


def _layer_sizes(path: Path) -> list[tuple[str, str, int]]:
    """(layer, "A" | "B", width the adapter expects on that side), from the file's header alone."""
    sizes = []
    try:
        with safe_open(str(path), framework="pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118  safe_open is no mapping
                layer, found, rest = key.removeprefix(_PREFIX).partition(".lora_")
                if found and rest[:1] in "AB" and rest.endswith("weight"):
                    shape = tensors.get_slice(key).get_shape()
                    sizes.append((layer, rest[0], shape[1] if rest[0] == "A" else shape[0]))
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: the adapter's weights are damaged; copy the file again.") from error
    return sizes


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
