"""What a user names, as something transformers can open at once: a folder, or a hub id that can be had."""

from __future__ import annotations

from pathlib import Path

from describer.errors import ModelError

_TIMEOUT_S = 10.0


def resolve_source(spec: str, what: str = "model") -> str:
    """An absolute folder, or the hub id as it is; ModelError for a path that does not exist."""
    folder = Path(spec).expanduser()
    if folder.is_dir():
        return str(folder.absolute())
    if folder.exists():
        raise ModelError(f"{spec}: the {what} must be a folder, this is a file.")
    if spec.count("/") > 1 or spec.startswith((".", "/", "~")) or "\\" in spec or not spec.strip():
        name = spec or "(empty)"
        raise ModelError(f"{name}: no such folder; give the folder of a saved {what}, or a hub id.")
    return spec


def reachable_source(source: str) -> str:
    """A folder or a reachable hub id as it is; the cached folder of a hub id while there is no network.

    One short request decides: left alone, transformers asks for file after file and takes most of a minute
    to fail.
    """
    if Path(source).is_absolute():
        return source
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HFValidationError, HTTPError, RepositoryNotFoundError

    try:
        HfApi().model_info(source, timeout=_TIMEOUT_S)
    except HFValidationError as error:
        raise ModelError(f"'{source}' is no folder here and no valid hub id; check the name.") from error
    except GatedRepoError as error:
        raise ModelError(f"'{source}' asks for consent: accept it on the hub, then `hf auth login`.") from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"'{source}' is no folder here and not on the hub; check the name.") from error
    except (HTTPError, OSError) as error:
        cached = _cached(source)
        if cached is None:
            raise ModelError(
                f"'{source}' is no folder here, is not in the local cache, and the Hugging Face hub cannot "
                "be reached; check the name and the network, or use --vlm embedded, which needs none."
            ) from error
        return cached
    return source


def _cached(source: str) -> str | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return str(snapshot_download(source, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def local_folder(spec: str, what: str) -> Path:
    """The local folder of an adapter or a backbone, fetched when it is a hub id."""
    source = reachable_source(resolve_source(spec, what))
    if Path(source).is_absolute():
        return Path(source)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(source, allow_patterns=["*.json", "*.safetensors"]))
