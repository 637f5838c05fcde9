"""Processors of families that also read video, without torchvision.

Qwen-VL, InternVL, LLaVA-OneVision, SmolVLM and others build a video processor with every processor, and that
needs torchvision. Frames are all that is sent here, so an image-only subclass does.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

VIDEO = "video_processor"


def load_processor(source: str, trust_remote_code: bool = False) -> Any:
    """``AutoProcessor``, or its image-only shim where the video part is what cannot be built."""
    from transformers import AutoProcessor

    try:
        return AutoProcessor.from_pretrained(source, trust_remote_code=trust_remote_code)
    except (ImportError, OSError, ValueError):
        family = _video_family(source, trust_remote_code)
        if family is None:
            raise
        return image_only(family).from_pretrained(source)


def image_only(family: Any) -> Any:
    """A subclass of a processor class, of the same name, that has no video processor."""
    attributes = family.get_attributes()
    place = attributes.index(VIDEO)

    def get_attributes(cls: type) -> list[str]:
        return [name for name in attributes if name != VIDEO]

    def from_args_and_dict(cls: type, args: list[Any], processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        # The constructor still has a place for the video processor.
        filled = [*args[:place], None, *args[place:]]
        return super(shim, cls).from_args_and_dict(filled, processor_dict, **kwargs)

    module: Any = sys.modules[family.__module__]
    if getattr(module, "num2words", "") is None:
        # SmolVLM asks for this package at once and uses it for video prompts only.
        module.num2words = str
    members = {
        "get_attributes": classmethod(get_attributes),
        "from_args_and_dict": classmethod(from_args_and_dict),
        # SmolVLM reads these two of it for every prompt, and uses them for videos only.
        VIDEO: SimpleNamespace(num_frames=None, fps=None),
        "__module__": family.__module__,
    }
    shim: Any = type(family.__name__, (family,), members)
    return shim


def _video_family(source: str, trust_remote_code: bool) -> Any:
    from transformers import AutoConfig
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    config = AutoConfig.from_pretrained(source, trust_remote_code=trust_remote_code)
    if type(config) not in PROCESSOR_MAPPING:
        return None
    family: Any = PROCESSOR_MAPPING[type(config)]
    return family if VIDEO in family.get_attributes() else None
