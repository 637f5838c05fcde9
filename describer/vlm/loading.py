"""From what a user names (a folder, a hub id) to a processor and a model, or one sentence why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from describer.devices import multiplies_bfloat16
from describer.errors import ModelError
from describer.vlm.paligemma import adopt
from describer.vlm.shim import load_processor

QUANTIZE = ("4bit", "8bit")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(device: str) -> torch.device:
    """The device; "auto" is the GPU where there is one; ModelError for a device this machine lacks."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"Device '{device}' cannot be used on this machine; use auto or cpu.") from error


def pick_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The dtype; "auto" is bfloat16 where the hardware multiplies it (accelerators, newer CPUs), else float32."""
    if dtype == "auto":
        return torch.bfloat16 if multiplies_bfloat16(device) else torch.float32
    if dtype not in DTYPES:
        raise ModelError(f"dtype '{dtype}' is unknown; choose auto, {', '.join(DTYPES)}.")
    return DTYPES[dtype]


def load_parts(
    source: str, device: torch.device, dtype: torch.dtype, quantize: str | None, trust_remote_code: bool
) -> tuple[Any, Any]:
    """(processor, model in eval mode); only safetensors are read. ModelError in one sentence otherwise."""
    _check_folder(source)
    try:
        processor = adopt(load_processor(source, trust_remote_code))
        if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
            raise ModelError(f"{source}: not a vision-language model (no image processor); choose another.")
        if processor.tokenizer.pad_token is None:
            processor.tokenizer.pad_token = processor.tokenizer.eos_token
        return processor, _load_model(source, device, dtype, quantize, trust_remote_code)
    except SafetensorError as error:
        raise ModelError(f"{source}: damaged weights ({first_line(error)}); copy the files again.") from error
    except (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        why = first_line(error)
        raise ModelError(f"{source}: cannot be loaded as a vision-language model: {why}") from error


def _load_model(
    source: str, device: torch.device, dtype: torch.dtype, quantize: str | None, trust_remote_code: bool
) -> Any:
    from transformers import AutoModelForImageTextToText

    extra: dict[str, Any] = {}
    if quantize:
        extra = {"quantization_config": _quantization(quantize, dtype), "device_map": {"": str(device)}}
    loaded: Any = AutoModelForImageTextToText.from_pretrained(
        source,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        output_loading_info=True,
        **extra,
    )
    model, info = loaded
    missing = sorted(info.get("missing_keys") or ())
    if missing:
        # transformers would fill these at random and go on.
        raise ModelError(f"{source}: {len(missing)} weights are missing ({missing[0]}); copy it again.")
    if not quantize:
        model = model.to(device)
    return model.eval()


def _quantization(quantize: str, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if quantize not in QUANTIZE:
        raise ModelError(f"quantize '{quantize}' is unknown; choose {' or '.join(QUANTIZE)}.")
    if quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


def _check_folder(source: str) -> None:
    folder = Path(source)
    if not folder.is_absolute():
        return
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise ModelError(f"{source}: this is an adapter; give it as --adapter, and its base as --vlm.")
    if not (folder / "config.json").is_file():
        raise ModelError(f"{source}: no config.json there; give the folder of a saved transformers model.")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{source}: no .safetensors there, and no other kind is loaded; convert the checkpoint.")


def read_prompt_options(*folders: str | Path | None) -> dict[str, Any] | None:
    """The first ``prompt_options.json`` of the folders: the prompts that the model was trained on."""
    for folder in folders:
        path = Path(folder) / "prompt_options.json" if folder else None
        if path is None or not path.is_file():
            continue
        try:
            options = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ModelError(f"{path}: not valid JSON; write it again or remove it.") from error
        if not isinstance(options, dict):
            raise ModelError(f"{path}: must hold one JSON object of prompt options.")
        return options
    return None


def first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
