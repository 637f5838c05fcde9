"""What an annotation record says of a frame beside its mask: activity, phase and instruments."""

from __future__ import annotations

from describer.geometry import tip_box
from describer.seg.datasets.frame import ToolLabel
from describer.types import Annotation, Region


def activity_of(record: Annotation, level: str) -> str | None:
    """The label of a level ("activity" or "phase"); None where the record has none."""
    return next((said.label for said in record.scene.activities if said.level == level), None)


def tools_of(record: Annotation) -> tuple[ToolLabel, ...]:
    """Every instrument of the record, with the box of its tip in pixels and what it acts on.

    A record without "acts on" does not say that an instrument is idle: its verb and target stay unknown.
    """
    regions = {region.id: region for region in record.scene.regions}
    acts_on = {said.subject: regions[said.object] for said in record.scene.relations if said.predicate == "acts on"}
    return tuple(_tool(region, acts_on.get(region.id)) for region in regions.values() if region.kind == "instrument")


def _tool(region: Region, target: Region | None) -> ToolLabel:
    return ToolLabel(region.label, tip_box(region.mask.to_array()), None, None if target is None else target.label)
