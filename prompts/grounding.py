"""Ties what a model said to the regions it speaks of, and lists what it says without a region behind it."""

from __future__ import annotations

from describer.claims import contradictions
from describer.mentions import link
from describer.taxonomy import Taxonomy
from describer.types import Description, Scene

__all__ = ["contradictions", "ground"]


def ground(text: str, scene: Scene, taxonomy: Taxonomy, region_id: int | None, confidence: float | None) -> Description:
    """A Description of ``text`` with its entity words linked; nothing in the text is rewritten."""
    text = " ".join(text.split())
    mentions, ungrounded = link(text, scene, taxonomy, about=region_id)
    return Description(region_id, text, mentions, confidence, ungrounded)
