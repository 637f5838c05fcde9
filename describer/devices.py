"""What a device multiplies well, for everything that runs a network."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import torch


def cpu_multiplies_bfloat16() -> bool:
    """Whether this CPU has AMX tiles or AVX-512's bfloat16 products: there it is faster than float32, else slower."""
    ask = getattr(torch.cpu, "get_capabilities", None)  # older torch does not say
    known = ask() if ask is not None else {}
    return bool(known.get("amx_bf16") or known.get("avx512_bf16"))


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether autocast to bfloat16 pays on ``device``."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type != "cpu" or cpu_multiplies_bfloat16()


def peak_memory_gib(device: str = "cpu") -> float:
    """The most memory that this process has held so far: of the GPU for a cuda device, else of the machine."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 2**30
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.is_file() else None
    if found:  # what getrusage says on Linux is at least what the process that started this one held
        return int(found[1]) / 2**20
    import resource  # which Windows lacks

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform != "darwin" else 2**30)
