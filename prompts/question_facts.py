"""The facts that a question is asked with: those of the description prompts, and what else an answer can need."""

from __future__ import annotations

from typing import Any

from describer.geometry import size_word
from describer.prompts.facts import contacts_of, entry_of, grouped, listed, region_facts, scene_facts
from describer.prompts.graph import deed_of, instruments_of, phase_of
from describer.types import Region, Scene
from describer.wording import gerund

_MAX_TOUCHED = 6
# Views more crowded than surgery's are told in part, so that no prompt outgrows the embedded model's 1,024 tokens.
_MAX_TOOLS = 5
_MAX_RANKED = 10


def question_facts(scene: Scene, region_id: int | None = None) -> dict[str, Any]:
    """Facts of the frame, or of one region; RecordError when the scene has no such region.

    Beside `scene_facts`: how many instruments there are and how many kinds of instruments and tissues; for each
    instrument its place, the side it enters from, what it does, on what, and all that it touches; everything by size,
    largest first, and by depth, nearest first; the phase. A region's facts have all its contacts and its deed. Of more
    than 5 instruments or 10 regions only the largest are told so.
    """
    if region_id is not None:
        return _of_region(scene, scene.region(region_id))
    facts = scene_facts(scene)
    phase = phase_of(scene)
    if phase is not None:
        facts["phase"] = phase
    tools = instruments_of(scene)
    anatomy = {region.label for region in scene.regions if region.kind == "anatomy"}
    facts["counts"] = [len(tools), len({tool.label for tool in tools}), len(anatomy)]
    shown = listed(scene)
    told = [region for region in shown if region.kind == "instrument"][:_MAX_TOOLS]
    facts["tools"] = {_name(tool): _tool(scene, tool) for tool in told}
    by_size = sorted(shown, key=lambda region: -region.area_fraction)[:_MAX_RANKED]
    facts["largest"] = [[_name(region), size_word(region.area_fraction)] for region in by_size]
    ranked = sorted((region.depth_rank, _name(region)) for region in shown if region.depth_rank is not None)
    if ranked:
        facts["nearest"] = [name for _, name in ranked[:_MAX_RANKED]]
    return facts


def _name(region: Region) -> str:
    return f"{region.label} {region.id}"


def _tool(scene: Scene, tool: Region) -> dict[str, Any]:
    facts: dict[str, Any] = {"place": tool.place}
    side = entry_of(tool)
    if side is not None:
        facts["from"] = side
    facts |= _deed(scene, tool)
    facts["touches"] = [region.label for region in contacts_of(scene, tool, _MAX_TOUCHED)]
    return facts


def _deed(scene: Scene, tool: Region) -> dict[str, str]:
    deed = deed_of(scene, tool)
    if deed is None:
        return {}
    if deed.verb is None:
        return {"does": "nothing"}
    target = deed.target if deed.target_id is None else scene.region(deed.target_id).label
    return {"does": gerund(deed.verb)} | ({"on": target} if target else {})


def _of_region(scene: Scene, region: Region) -> dict[str, Any]:
    facts = region_facts(scene, region.id)
    touched = grouped(contacts_of(scene, region, _MAX_TOUCHED))
    facts["touches"] = [f"{label} {', '.join(str(r.id) for r in group)}" for label, group in touched.items()]
    return facts | _deed(scene, region)
