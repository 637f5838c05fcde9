"""Exact Scenes of rendered frames, and the Scene's regions matched back to what was rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np

from describer.masks import iou
from describer.seg.regions import Part, build_scene
from describer.seg.synth.scene import SynthFrame, SynthObject
from describer.taxonomy import Taxonomy
from describer.types import Activity, Appearance, Interaction, Relation, Scene

_MATCH_IOU = 0.3
_STRIDE = 2  # matching and depth look at every second pixel: four times cheaper, same answer
# One region an instrument or polyp; everything else is one region a label, as the scene model reports it.
_COUNTED = ("instrument", "pathology")
_TIP_END, _TIP_REACH = 0.2, 0.03  # of the width: what is this near to a tip and ends this little short of it shows it
_VISIBLE = 0.0015  # of the frame: less than this of a thing is not worth a region


def true_scene(frame: SynthFrame, taxonomy: Taxonomy) -> tuple[Scene, dict[int, Appearance]]:
    """The Scene a perfect model would find, and each region's appearance, by region id."""
    parts = []
    disparity = 1.0 / np.maximum(frame.depth[::_STRIDE, ::_STRIDE], 1e-3)
    for members in _groups(frame, taxonomy):
        mask = _among(frame.instances, [member.instance_id for member in members])
        sparse = mask[::_STRIDE, ::_STRIDE]
        if np.count_nonzero(mask) < _VISIBLE * mask.size or not sparse.any():
            continue
        label = members[0].label
        parts.append(Part(mask, label, taxonomy.label(label).kind, 1.0, float(np.median(disparity[sparse]))))
    size_wh = (frame.image.shape[1], frame.image.shape[0])
    scene = build_scene(parts, size_wh, (Activity("activity", frame.activity, 1.0),))
    matched = _match(scene, frame)
    return _with_actions(scene, frame, matched), {i: thing.appearance for i, thing in matched.items()}


def _among(instances: np.ndarray, ids: Sequence[int]) -> np.ndarray:
    """``np.isin`` for an instance map, by a table: ten times faster, and this runs for every thing of a frame."""
    if instances.max() > 255:
        return np.isin(instances, ids)
    table = np.zeros(256, np.uint8)
    table[list(ids)] = 1
    return cv2.LUT(np.ascontiguousarray(instances, dtype=np.uint8), table).view(bool)


def _groups(frame: SynthFrame, taxonomy: Taxonomy) -> list[list[SynthObject]]:
    groups: dict[str, list[SynthObject]] = {}
    for thing in frame.objects:
        counted = taxonomy.label(thing.label).kind in _COUNTED
        groups.setdefault(f"{thing.label} {thing.instance_id}" if counted else thing.label, []).append(thing)
    return list(groups.values())


def _match(scene: Scene, frame: SynthFrame) -> dict[int, SynthObject]:
    """For each region the rendered thing that fills most of it, where the overlap is good enough."""
    size_wh = (frame.image.shape[1], frame.image.shape[0])
    if scene.size_wh != size_wh:
        raise ValueError(f"the scene is of a {scene.size_wh} frame, the rendering is {size_wh}")
    by_id = {thing.instance_id: thing for thing in frame.objects}
    instances = frame.instances[::_STRIDE, ::_STRIDE]
    found = {}
    for region in scene.regions:
        mask = region.mask.to_array()[::_STRIDE, ::_STRIDE]
        counts = np.bincount(instances[mask], minlength=1)
        same = [i for i in np.flatnonzero(counts) if int(i) in by_id and by_id[int(i)].label == region.label]
        if not same:
            continue
        main = int(max(same, key=lambda i: counts[i]))
        alone = region.kind in _COUNTED
        ids = [main] if alone else [i for i, thing in by_id.items() if thing.label == region.label]
        if iou(mask, _among(instances, ids)) >= _MATCH_IOU:
            found[region.id] = by_id[main]
    return found


def appearances(scene: Scene, frame: SynthFrame) -> dict[int, Appearance]:
    """What is true to say of the looks of each region of ``scene`` (true or predicted) that matches a thing."""
    return {region_id: thing.appearance for region_id, thing in _match(scene, frame).items()}


def visible_tips(scene: Scene, frame: SynthFrame) -> dict[int, bool]:
    """Whether the tip of each matched instrument of ``scene`` can be seen: not outside of the frame nor behind
    something else."""
    return {
        region_id: _seen(frame.instances, thing)
        for region_id, thing in _match(scene, frame).items()
        if thing.tip_xy_px is not None and scene.region(region_id).kind == "instrument"
    }


def _seen(instances: np.ndarray, thing: SynthObject) -> bool:
    x, y = (round(value) for value in thing.tip_xy_px or (-1, -1))
    height, width = instances.shape
    if not (0 <= x < width and 0 <= y < height):
        return False
    ys, xs = np.nonzero(instances == thing.instance_id)
    if not len(xs):
        return False
    ahead = np.array([x - xs.mean(), y - ys.mean()])
    away = np.stack((xs - x, ys - y))
    near = np.hypot(*away) < _TIP_END * width
    # Open jaws end beside the tip's own point, which lies between them.
    short = -(ahead @ away[:, near]) / max(float(np.hypot(*ahead)), 1.0)
    return bool(near.any() and short.min() < _TIP_REACH * width)


def _with_actions(scene: Scene, frame: SynthFrame, matched: Mapping[int, SynthObject]) -> Scene:
    labels = {region.label: region.id for region in scene.regions}
    owner = {thing.instance_id: region_id for region_id, thing in matched.items()}
    by_id = {thing.instance_id: thing for thing in frame.objects}
    actions, deeds = [], []
    for region_id, thing in matched.items():
        if scene.region(region_id).kind != "instrument":
            continue
        object_ = by_id.get(thing.acts_on) if thing.acts_on is not None else None
        target_id = None if object_ is None else owner.get(object_.instance_id, labels.get(object_.label))
        target_id = None if target_id == region_id else target_id
        deeds.append(Interaction(region_id, thing.action, None if object_ is None else object_.label, target_id, 1.0))
        if target_id is not None:
            actions.append(Relation(region_id, "acts on", target_id))
    return replace(scene, relations=(*scene.relations, *actions), interactions=tuple(deeds))
