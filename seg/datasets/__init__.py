"""Readers of public surgical datasets and of this project's own folders, one file a dataset."""

from describer.seg.datasets.frame import LabelledFrame, ToolLabel

__all__ = ["LabelledFrame", "ToolLabel"]
