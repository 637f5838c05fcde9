"""What an annotation record says of a frame beside its mask: activity, phase and instruments."""

from __future__ import annotations

from describer.geometry import tip_box
from describer.seg.datasets.frame import ToolLabel
from describer.types import Annotation, Interaction, Region


def activity_of(record: Annotation, level: str) -> str | None:
    """The label of a level ("activity" or "phase"); None where the record has none."""
    return next((said.label for said in record.scene.activities if said.level == level), None)


def tools_of(record: Annotation) -> tuple[ToolLabel, ...]:
    """Every instrument of the record, with the box of its tip in pixels and what it does to what.

    An instrument without an interaction is not known to be idle: its verb is unknown, its target what it "acts on".
    """
    regions = {region.id: region for region in record.scene.regions}
    deeds = {deed.region_id: deed for deed in record.scene.interactions}
    acts_on = {said.subject: regions[said.object] for said in record.scene.relations if said.predicate == "acts on"}
    instruments = (region for region in regions.values() if region.kind == "instrument")
    return tuple(_tool(region, deeds.get(region.id), acts_on.get(region.id)) for region in instruments)


def _tool(region: Region, deed: Interaction | None, acted_on: Region | None) -> ToolLabel:
    box = tip_box(region.mask.to_array())
    if deed is not None:
        return ToolLabel(region.label, box, deed.verb or "", deed.target)
    return ToolLabel(region.label, box, None, None if acted_on is None else acted_on.label)
