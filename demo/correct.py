"""A person's corrections of an annotation: each gives a new one, its texts held against the regions that remain.

No text is rewritten by a correction: words that no region stands behind any more are listed as ungrounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from describer.errors import InputError
from describer.geometry import make_region, raster, touching
from describer.prompts.grounding import ground
from describer.taxonomy import Taxonomy
from describer.types import Annotation, Description, Interaction, Relation, Scene

_ALWAYS_TRUE = 1.0
_ONE_WAY = ("left of", "above", "nearer than", "inside")


def rename(annotation: Annotation, region_id: int, label: str, taxonomy: Taxonomy) -> Annotation:
    """The region under another label of the taxonomy, or a synonym of one; sure, since a person said so."""
    name = _label(label, taxonomy)
    scene = annotation.scene
    kind = taxonomy.label(name).kind
    old = scene.region(region_id)
    new = replace(old, label=name, kind=kind, score=_ALWAYS_TRUE)
    regions = tuple(new if region.id == region_id else region for region in scene.regions)
    deeds, relations = scene.interactions, scene.relations
    if kind != "instrument":
        deeds = tuple(deed for deed in deeds if deed.region_id != region_id)
        relations = tuple(r for r in relations if not (r.predicate == "acts on" and r.subject == region_id))
    deeds = tuple(replace(deed, target=name) if deed.target_id == region_id else deed for deed in deeds)
    scene = replace(scene, regions=regions, relations=relations, interactions=deeds)
    return _held_against(annotation, scene, annotation.descriptions, taxonomy)


def delete(annotation: Annotation, region_id: int, taxonomy: Taxonomy) -> Annotation:
    """Without the region and its sentence."""
    scene = annotation.scene
    kept = {region.id for region in scene.regions} - {scene.region(region_id).id}
    said = [description for description in annotation.descriptions if description.region_id != region_id]
    return _held_against(annotation, scene.only(kept), said, taxonomy)


def merge(annotation: Annotation, kept_id: int, other_id: int, taxonomy: Taxonomy) -> Annotation:
    """Two regions as one, under the first one's number, label and sentence."""
    scene = annotation.scene
    kept, other = scene.region(kept_id), scene.region(other_id)
    if kept.id == other.id:
        raise InputError("choose two different regions to merge.")
    mask = kept.mask.to_array() | other.mask.to_array()
    ranks = [rank for rank in (kept.depth_rank, other.depth_rank) if rank is not None]
    one = make_region(kept.id, kept.label, kept.kind, mask, max(kept.score, other.score), min(ranks, default=None))
    one = replace(one, track_id=kept.track_id if kept.track_id is not None else other.track_id)
    regions = [one if region.id == kept.id else region for region in scene.regions if region.id != other.id]
    relations = _redirected(scene.relations, other.id, kept.id)
    contacts = touching(regions, [raster(region.mask.to_array()) for region in regions])
    relations += [c for c in contacts if kept.id in (c.subject, c.object) and c not in relations]
    deeds = _one_deed_each(scene.interactions, other.id, kept.id)
    merged = Scene(scene.size_wh, tuple(regions), tuple(relations), scene.activities, deeds, scene.view, scene.depth)
    said = [description for description in annotation.descriptions if description.region_id != other.id]
    return _held_against(annotation, merged, said, taxonomy)


def rewrite(annotation: Annotation, region_id: int | None, text: str, taxonomy: Taxonomy) -> Annotation:
    """With another text of the region (None = of the scene); sure, since a person wrote it."""
    words = " ".join(text.split())
    if not words:
        raise InputError("the sentence is empty; write one, or delete the region.")
    if region_id is not None:
        annotation.scene.region(region_id)
    new = ground(words, annotation.scene, taxonomy, region_id, _ALWAYS_TRUE)
    said = [description for description in annotation.descriptions if description.region_id != region_id]
    # The scene's text comes last, as the pipeline writes it.
    said = [*said, new] if region_id is None else [*said[:-1], new, *said[-1:]]
    order = {region.id: i for i, region in enumerate(annotation.scene.regions)}
    said.sort(key=lambda description: order.get(description.region_id or 0, len(order)))
    return replace(annotation, descriptions=tuple(said))


def _label(label: str, taxonomy: Taxonomy) -> str:
    wanted = " ".join(label.lower().split())
    for known in taxonomy.labels:
        if wanted in (name.lower() for name in (known.name, *known.synonyms)):
            return known.name
    raise InputError(f"'{label[:60]}' is not in the label set {taxonomy.name!r}; choose one of its labels.")


def _held_against(annotation: Annotation, scene: Scene, said: Sequence[Description], taxonomy: Taxonomy) -> Annotation:
    """The texts' mentions anew; texts and confidences stay."""
    linked = []
    for old in said:
        new = ground(old.text, scene, taxonomy, old.region_id, old.confidence)
        linked.append(replace(old, mentions=new.mentions, ungrounded=new.ungrounded))
    return replace(annotation, scene=scene, descriptions=tuple(linked))


def _redirected(relations: Sequence[Relation], old_id: int, new_id: int) -> list[Relation]:
    """Each relation once, of other regions; of two that say the opposite neither stays."""

    def moved(region_id: int) -> int:
        return new_id if region_id == old_id else region_id

    redirected = [replace(r, subject=moved(r.subject), object=moved(r.object)) for r in relations]
    kept = list(dict.fromkeys(r for r in redirected if r.subject != r.object))
    return [r for r in kept if r.predicate not in _ONE_WAY or Relation(r.object, r.predicate, r.subject) not in kept]


def _one_deed_each(deeds: Sequence[Interaction], old_id: int, new_id: int) -> tuple[Interaction, ...]:
    """What the kept region does, not what the other did, unless only that one did something."""
    own = any(deed.region_id == new_id for deed in deeds)
    moved = []
    for deed in deeds:
        if deed.region_id == old_id and own:
            continue
        region_id = new_id if deed.region_id == old_id else deed.region_id
        target_id = new_id if deed.target_id == old_id else deed.target_id
        moved.append(replace(deed, region_id=region_id, target_id=None if target_id == region_id else target_id))
    return tuple(moved)
