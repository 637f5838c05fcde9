"""YAML files of a run's options, for the commands that train."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from describer.errors import InputError


def read_option_file(path: Path, kind: type, tuples: tuple[str, ...]) -> dict[str, Any]:
    """The options of a file, keys as in the dataclass ``kind``; lists of the options ``tuples`` come as tuples.

    InputError names a file that cannot be read and keys that are no options.
    """
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"--config {path}: cannot be read ({error}); give a YAML file of options.") from error
    known = {f.name for f in fields(kind)}
    if not isinstance(given, dict) or set(given) - known:
        odd = sorted(set(given) - known) if isinstance(given, dict) else given
        raise InputError(f"--config {path}: {odd} are no options; use {', '.join(sorted(known))}.")
    return given | {name: tuple(given[name]) for name in tuples if isinstance(given.get(name), list)}
