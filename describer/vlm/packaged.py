"""The language model inside the package: base and adapter, loaded as any other folder."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from describer.errors import ModelError

BASE, ADAPTER = "vlm", "vlm-lora"


def weights_folder() -> Path:
    """Where the package keeps its weights."""
    return Path(str(files("describer.weights")))


def load_packaged(spec: str = "embedded", *, adapter: str | None = None, **options: Any) -> Any:
    """The embedded model: with its own adapter (None), none ("none") or another one."""
    from describer.vlm.local import TransformersVLM

    base, own = weights_folder() / BASE, weights_folder() / ADAPTER
    if not (base / "config.json").is_file():
        raise ModelError(
            "The embedded language model is not in this installation; "
            "make it with `describer train vlm --preset embedded`, or name another with --vlm."
        )
    if adapter is None and (own / "adapter_config.json").is_file():
        return TransformersVLM.load(str(base), str(own), names=("embedded", "embedded-lora"), **options)
    chosen = None if adapter in (None, "none") else adapter
    loaded = TransformersVLM.load(str(base), chosen, **options)
    loaded.name = "embedded"
    return loaded
