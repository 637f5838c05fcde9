"""What a device multiplies well, for everything that runs a network."""

from __future__ import annotations

import torch


def cpu_multiplies_bfloat16() -> bool:
    """Whether this CPU has AMX tiles: there bfloat16 is several times faster than float32, elsewhere slower."""
    ask = getattr(torch.cpu, "get_capabilities", None)  # older torch does not say
    return bool(ask is not None and ask().get("amx_bf16"))


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether autocast to bfloat16 pays on ``device``."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type != "cpu" or cpu_multiplies_bfloat16()
