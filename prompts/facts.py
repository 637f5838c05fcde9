"""What the scene model knows of a frame, as short regular JSON for a language model to read.

Facts hold geometry, contact and activity. How things look (colour, blood, smoke, glare, blur, jaws) is for the language
model to see; only where it is asked for (`PromptOptions.looks`) facts hold that too, as the scene model found it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from describer.geometry import entry_side, place_of, size_word, small_mask, tip_distance, tip_xy
from describer.types import Mask, Region, Scene
from describer.wording import BLUR_PHRASE, COVER_PHRASES, gloss_word, view_words

MAX_CONTACTS = 3
MAX_REGIONS = 14
MAX_PAIRS = 6


def tip_place(region: Region) -> str:
    """Place word of the instrument's tip."""
    return place_of(tip_xy(region.mask), (1, 1))


@functools.lru_cache(maxsize=4096)
def _entry(mask: Mask) -> str | None:
    return entry_side(small_mask(mask))


def entry_of(region: Region) -> str | None:
    """Side of the frame ("left", "right", "top", "bottom") from which an instrument enters, or None."""
    return _entry(region.mask)


def sure_word(score: float) -> str:
    """high >= 0.8, medium >= 0.5, else low."""
    return "high" if score >= 0.8 else "medium" if score >= 0.5 else "low"


def activity_of(scene: Scene) -> str | None:
    """Label of the likeliest activity; phases are of a procedure, not of what is seen being done."""
    told = [activity for activity in scene.activities if activity.level != "phase"]
    best = max(told, key=lambda activity: activity.score, default=None)
    return None if best is None else best.label


def contacts_of(scene: Scene, region: Region, limit: int = MAX_CONTACTS) -> tuple[Region, ...]:
    """Regions in contact: instruments first, then by nearness to an instrument's tip, else by area.

    A label's second region comes after every label's first, so that few contacts name many things.
    """
    others = [scene.region(i) for i in dict.fromkeys(scene.related(region.id, "touches"))]

    def order(other: Region) -> tuple[bool, float, int]:
        from_tip = region.kind == "instrument"
        rank = tip_distance(region.mask, other.mask) if from_tip else -other.area_fraction
        return other.kind != "instrument", rank, other.id

    others.sort(key=order)
    labels = [other.label for other in others]
    turns = [labels[:i].count(label) for i, label in enumerate(labels)]
    return tuple(other for _, other in sorted(zip(turns, others), key=lambda pair: pair[0])[:limit])


def targets_of(scene: Scene, region: Region) -> tuple[Region, ...]:
    """Regions that this one acts on, by id."""
    found = (r.object for r in scene.relations if r.predicate == "acts on" and r.subject == region.id)
    return tuple(scene.region(i) for i in sorted(set(found)))


def grouped(regions: Iterable[Region]) -> dict[str, tuple[Region, ...]]:
    """The regions by label, labels in the order of their first region."""
    groups: dict[str, tuple[Region, ...]] = {}
    for region in regions:
        groups[region.label] = (*groups.get(region.label, ()), region)
    return groups


def _named(regions: Iterable[Region]) -> list[str]:
    """ "liver 1" or "fat 4, 5": each label once, with its ids."""
    return [f"{label} {', '.join(str(region.id) for region in group)}" for label, group in grouped(regions).items()]


def region_looks(region: Region) -> dict[str, str]:
    """How a region looks, in the words of the sentences; what is as usual (no cover, sharp) is left out."""
    look = region.appearance
    if look is None:
        return {}
    told = {
        "colour": look.colour,
        "light": gloss_word(region.kind) if look.glare else None,
        "cover": COVER_PHRASES.get(look.cover),
        "jaws": look.state,
        "blur": None if look.sharp else BLUR_PHRASE,
    }
    return {name: word for name, word in told.items() if word}


def view_facts(scene: Scene) -> dict[str, list[str]]:
    """What disturbs the view, "clear" where nothing does; nothing where nobody looked."""
    if scene.view is None:
        return {}
    told, things = view_words(scene.view)
    return {"view": [*told, *things] or ["clear"]}


def region_facts(scene: Scene, region_id: int) -> dict[str, Any]:
    """Facts of one region; RecordError when the scene has no such region."""
    region = scene.region(region_id)
    facts: dict[str, Any] = {
        "id": region.id,
        "label": region.label,
        "sure": sure_word(region.score),
        "place": region.place,
        "size": size_word(region.area_fraction),
    }
    if region.kind == "instrument":
        side = entry_of(region)
        if side is not None:
            facts["from"] = side
        facts["tip"] = tip_place(region)
    facts["touches"] = _named(contacts_of(scene, region))
    targets = targets_of(scene, region)
    if targets:
        facts["acts_on"] = _named(targets)
    activity = activity_of(scene)
    if activity is not None:
        facts["activity"] = activity
    return facts


def listed(scene: Scene) -> tuple[Region, ...]:
    """The regions that scene facts name: instruments first, then by area, at most 14."""
    order = sorted(scene.regions, key=lambda r: (r.kind != "instrument", -r.area_fraction, r.id))
    return tuple(order[:MAX_REGIONS])


def listed_contacts(scene: Scene) -> tuple[tuple[Region, Region], ...]:
    """(instrument, other) pairs in contact, each once, every instrument's first contact before the second
    ones, at most 6."""
    shown = listed(scene)
    ids = {region.id for region in shown}
    ranked, seen = [], set()
    for turn, region in enumerate(r for r in shown if r.kind == "instrument"):
        others = [o for o in contacts_of(scene, region, MAX_REGIONS) if o.id in ids]
        for rank, other in enumerate(sorted(others, key=lambda o: o.kind == "instrument")):
            pair = frozenset((region.id, other.id))
            if pair not in seen:
                seen.add(pair)
                ranked.append((rank, turn, region, other))
    ranked.sort(key=lambda entry: entry[:2])
    return tuple((region, other) for _, _, region, other in ranked[:MAX_PAIRS])


def places_of(group: Iterable[Region]) -> tuple[str, ...]:
    """The places of some regions, each once."""
    return tuple(dict.fromkeys(region.place for region in group))


def acted_by_all(scene: Scene, group: Iterable[Region]) -> tuple[Region, ...]:
    """What the group's regions act on, one region a label; nothing unless each of them acts on something."""
    return _held_by_all([targets_of(scene, region)[:1] for region in group])


def touched_by_all(scene: Scene, group: Iterable[Region]) -> tuple[Region, ...]:
    """What the group's instruments touch first that is no instrument, one region a label; nothing unless each
    of them touches something."""
    pairs = [(a, b) for a, b in listed_contacts(scene) if b.kind != "instrument"]
    return _held_by_all([tuple(b for a, b in pairs if a.id == region.id)[:1] for region in group])


def _held_by_all(firsts: list[tuple[Region, ...]]) -> tuple[Region, ...]:
    if not all(firsts):
        return ()
    return tuple(members[0] for members in grouped(first for (first,) in firsts).values())


def count_of(scene: Scene, label: str) -> int:
    """How many regions of a label the whole scene has, those beyond the listed ones too."""
    return sum(region.label == label for region in scene.regions)


def _row(scene: Scene, group: tuple[Region, ...]) -> list[Any]:
    first = group[0]
    row: list[Any] = [
        count_of(scene, first.label),
        first.label,
        [region.id for region in group],
        list(places_of(group)),
    ]
    if first.kind != "instrument":
        return [*row, size_word(sum(region.area_fraction for region in group))]
    row.append(list(dict.fromkeys(tip_place(region) for region in group)))
    for name, held in (("acts_on", acted_by_all(scene, group)), ("touches", touched_by_all(scene, group))):
        if held:
            return [*row, {name: [other.label for other in held]}]
    return row


def scene_facts(scene: Scene) -> dict[str, Any]:
    """Facts of the whole frame, regions of one label told together, as a summary tells them.

    An instrument's row is [count, label, ids, distinct places, distinct places of the tips, what every one of them
    acts on or else touches, if anything]; another's is [count, label, ids, distinct places, size of all].
    Contacts and actions follow as pairs of ids.
    """
    facts: dict[str, Any] = {}
    activity = activity_of(scene)
    if activity is not None:
        facts["activity"] = activity
    shown = listed(scene)
    for name, tools in (("instruments", True), ("others", False)):
        groups = grouped(region for region in shown if (region.kind == "instrument") == tools)
        facts[name] = [_row(scene, group) for group in groups.values()]
    facts["contacts"] = [[a.id, b.id] for a, b in listed_contacts(scene)]
    acts = [[region.id, target.id] for region in shown for target in targets_of(scene, region)]
    if acts:
        facts["acts_on"] = acts[:MAX_PAIRS]
    return facts


def to_json(facts: Mapping[str, Any]) -> str:
    """Compact JSON: no spaces, order kept."""
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
