"""The ways in which each kind of question is asked, out of templates/questions.yaml."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files
from typing import Literal

import yaml

Split = Literal["train", "unseen"]


@functools.cache
def _all() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    text = files("describer.prompts.templates").joinpath("questions.yaml").read_text(encoding="utf-8")
    return {kind: {split: tuple(w) for split, w in entry.items()} for kind, entry in yaml.safe_load(text).items()}


def wordings(kind: str, split: Split) -> tuple[str, ...]:
    """The wordings of a kind: those to train on, or those that no training may see."""
    return _all()[kind][split]
