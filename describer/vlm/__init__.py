"""Language models behind one protocol; a backend's libraries load only when it is asked for."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from describer.errors import ModelError
from describer.vlm.base import Generated, GenerationSettings, ServerOptions, VisionLanguageModel

__all__ = ["BACKENDS", "Generated", "GenerationSettings", "ServerOptions", "VisionLanguageModel", "load_vlm"]

BACKENDS = {
    "echo": "describer.vlm:_load_echo",
    "embedded": "describer.vlm.packaged:load_packaged",
    "local": "describer.vlm:_load_local",
}
"""Loaders by name, as "module:function"; what is no name here is a folder or a hub id, for "local"."""

SERVER = "openai"
"""The name of the backend that loads nothing here: it is told of by `ServerOptions` instead."""


def load_vlm(
    spec: str,
    adapter: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    quantize: str | None = None,
    *,
    trust_remote_code: bool = False,
    server: ServerOptions | None = None,
) -> VisionLanguageModel:
    """The model named by `spec`: "embedded", "echo", a local folder, a hub id, or "openai" for the one at `server`.

    `adapter` is a peft folder or hub id; for "embedded" None takes the packaged adapter and "none" the bare
    base. `quantize` is None, "4bit" or "8bit". ModelError, one sentence, for all that can go wrong.
    """
    if (spec == SERVER) != (server is not None):
        raise ModelError("--vlm openai and --base-url belong together; give both, or neither.")
    if spec == "local":
        raise ModelError("'local' is a kind, not a model; give a folder, a hub id, embedded or echo.")
    if server is not None:
        return _load_openai(server, adapter=adapter, quantize=quantize)
    if not _is_source(spec) and spec not in BACKENDS:
        known = ", ".join(name for name in sorted([*BACKENDS, SERVER]) if name != "local")
        raise ModelError(f"'{spec}' is unknown; give {known}, a folder, or a hub id (owner/name).")
    module, _, function = BACKENDS.get(spec, BACKENDS["local"]).partition(":")
    load = getattr(importlib.import_module(module), function)
    loaded: VisionLanguageModel = load(
        spec,
        adapter=adapter,
        device=device,
        dtype=dtype,
        quantize=quantize,
        trust_remote_code=trust_remote_code,
    )
    return loaded


def _is_source(spec: str) -> bool:
    return "/" in spec or "\\" in spec or (bool(spec.strip()) and Path(spec).exists())


def _load_echo(spec: str, *, adapter: str | None, **options: Any) -> VisionLanguageModel:
    from describer.vlm.echo import EchoVLM

    if adapter not in (None, "none") or options.get("quantize"):
        raise ModelError("--vlm echo has no weights, so it takes no --adapter or --quantize; leave them out.")
    return EchoVLM()


def _load_local(spec: str, *, adapter: str | None, **options: Any) -> VisionLanguageModel:
    from describer.vlm.local import TransformersVLM

    return TransformersVLM.load(spec, None if adapter == "none" else adapter, **options)


def _load_openai(server: ServerOptions, *, adapter: str | None, quantize: str | None) -> VisionLanguageModel:
    from describer.vlm.openai import OpenAIVLM

    if adapter not in (None, "none") or quantize:
        raise ModelError("--vlm openai takes no --adapter or --quantize; the server is started with those.")
    return OpenAIVLM(server)
