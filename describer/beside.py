"""Small JSON files kept in the folder of a model or adapter, where a Describer finds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from describer.errors import OutputError


def write_beside(folder: Path, name: str, value: dict[str, Any]) -> Path:
    """Write ``folder/name`` whole or not at all; OutputError when it cannot be written."""
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{name}.partial")
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}); choose another folder.") from error
    return path
