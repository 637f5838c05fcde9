"""Prompt templates as text files, each opening with its id and version; a missing value is an error."""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files
from typing import Any

import jinja2

NAMES = ("system", "region", "scene", "question", "again")


@functools.cache
def source(name: str) -> str:
    """A template's text, header included."""
    return files(__name__).joinpath(f"{name}.jinja").read_text(encoding="utf-8")


@functools.cache
def _compiled(name: str) -> jinja2.Template:
    # Autoescape stays off: the text goes to a language model, not to a browser.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False)
    return environment.from_string(source(name))


def render(name: str, **values: Any) -> str:
    """Fill a template in; ``jinja2.UndefinedError`` when a value is missing."""
    return _compiled(name).render(**values).strip()


def template_hashes() -> dict[str, str]:
    """Template id -> first 12 hex digits of the sha256 of its text: what provenance records."""
    return {name: hashlib.sha256(source(name).encode()).hexdigest()[:12] for name in NAMES}
