"""describer: finds instruments and tissues in surgical video frames and describes them.

For research and annotation, not for clinical decisions.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from describer.pipeline import Describer
    from describer.types import (
        Annotation,
        Answer,
        Description,
        Failure,
        Frame,
        Mask,
        Region,
        Relation,
        Scene,
    )

__version__ = "0.1.0"

_HOME = {
    "Describer": "describer.pipeline",
    **dict.fromkeys(
        ("Annotation", "Answer", "Description", "Failure", "Frame", "Mask", "Region", "Relation", "Scene"),
        "describer.types",
    ),
}

__all__ = [
    "Annotation",
    "Answer",
    "Describer",
    "Description",
    "Failure",
    "Frame",
    "Mask",
    "Region",
    "Relation",
    "Scene",
    "__version__",
]


def __getattr__(name: str) -> Any:
    # PEP 562: torch and transformers load only when Describer is first used.
    if name not in _HOME:
        raise AttributeError(f"module 'describer' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
