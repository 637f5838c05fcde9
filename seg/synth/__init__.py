"""Procedural surgical scenes with exact labels: `render(seed, procedure)` gives one frame."""

from describer.colours import COLOUR_WORDS
from describer.seg.synth.render import SMALLEST_SIDE_PX, render, render_tools
from describer.seg.synth.scene import CORE_NAMES, PROCEDURES, SynthFrame, SynthObject

__all__ = [
    "COLOUR_WORDS",
    "CORE_NAMES",
    "PROCEDURES",
    "SMALLEST_SIDE_PX",
    "SynthFrame",
    "SynthObject",
    "render",
    "render_tools",
]
