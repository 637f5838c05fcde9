"""Regions followed through a sequence of frames, and activities smoothed over time, from Scenes alone.

Rules. A track is of one label and stays so. Tissues and other things that a scene has once a label keep their
label's id. Instruments and polyps are matched to the tracks of their label, those of the frame before first and
then those that were away, so that the sum over pairs of mask IoU and closeness is the highest. Closeness falls from
1 to 0 over `_REACH`; it is of the centre, moved on as it moved before, and for instruments also of the place where
they enter the view; of an instrument that was away that place alone, since its tip may come back anywhere. A track
away for more than `_MEMORY_S` seconds and more than `_MEMORY_FRAMES` frames is forgotten, its id never used again.

An activity's score here is the exponentially weighted mean of what the model gave it, with 0 for each frame where
another came first; another label takes over when its score is `_LEAD` times that of the present one. One that the
model is equally sure of takes over on its third frame at one frame a second, and within 3 s at any rate.

Frames without a time are taken to be a second apart, as frames of the field's datasets are. A `Tracker` follows
from the scenes it has seen, as they are written: whoever reads them back has the same Tracker again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import numpy as np

from describer.geometry import raster_of
from describer.masks import centroid_of, iou
from describer.types import Activity, FrameRef, Mask, Region, Scene
from describer.video import VIDEO_SUFFIXES

# Kinds of which a scene may have several of one label.
_COUNTED = ("instrument", "pathology")
_REACH = 0.35  # of the view's width and height
_LEAST_IOU = 0.1
_MEMORY_S = 15.0
_MEMORY_FRAMES = 5
_OUTER = 0.05  # the share of an instrument's pixels, those farthest from the middle, where it enters the view
_HALF_LIFE_S = 2.0
_LEAD = 1.25

_Point = tuple[float, float]


def sequence_of(source: str) -> str:
    """The sequence a frame belongs to, from its source: its video, or the folder it lies in ("." for the top)."""
    video, _, number = source.rpartition("#")
    if number.isdigit() and PurePosixPath(video).suffix.lower() in VIDEO_SUFFIXES:
        return video
    return PurePosixPath(source).parent.as_posix()


@dataclass(frozen=True, slots=True)
class _Look:
    """Where a region is, as shares of width and height: its centre, and where an instrument enters the view."""

    centre_xy: _Point
    entry_xy: _Point | None

    @classmethod
    def of(cls, region: Region) -> _Look:
        mask = raster_of(region.mask)
        height, width = mask.shape
        x, y = centroid_of(mask)
        return cls((x / width, y / height), _entry(mask) if region.kind == "instrument" else None)


@dataclass(frozen=True, slots=True)
class _Track:
    """Something followed, where it was last seen, and how its centre moved from the frame before."""

    id: int
    label: str
    mask: Mask
    look: _Look
    motion_xy: _Point
    frame: int
    clock_s: float


@dataclass(frozen=True, slots=True)
class _Votes:
    """One level's weighted means by label, and the label that holds."""

    means: Mapping[str, float]
    label: str
    clock_s: float


@dataclass(frozen=True, slots=True)
class Tracker:
    """What is known of one sequence after some of its frames; begins with `Tracker()`.

    ``follow`` gives the next frame's scene with its track ids and smoothed activities, ``after`` the Tracker that
    has seen that scene.
    """

    tracks: tuple[_Track, ...] = ()
    id_of_label: Mapping[str, int] = field(default_factory=dict)
    last_id: int = 0
    last_frame: int = -1
    votes: Mapping[str, _Votes] = field(default_factory=dict)

    def follow(self, ref: FrameRef, scene: Scene) -> Scene:
        """The scene of the next frame with ``track_id`` in each region; activities keep the model's own in ``raw``."""
        ids = self._ids(scene.regions)
        smoothed = []
        for activity in scene.activities:
            # Rounded as in a record, so that what is read back votes as this does.
            own = replace(activity, raw=(activity.label, round(activity.score, 4)))
            votes = self._voted(ref, own)
            smoothed.append(replace(own, label=votes.label, score=round(votes.means[votes.label], 4)))
        regions = tuple(replace(region, track_id=ids[region.id]) for region in scene.regions)
        return replace(scene, regions=regions, activities=tuple(smoothed))

    def after(self, ref: FrameRef, scene: Scene) -> Tracker:
        """The Tracker that has also seen this scene, which ``follow`` made or which was read from its record."""
        seen = {region.track_id: region for region in scene.regions if region.track_id is not None}
        counted = {i: region for i, region in seen.items() if region.kind in _COUNTED}
        kept = [track for track in self.tracks if track.id not in counted and _remembered(track, ref)]
        kept += [self._sighted(i, region, ref) for i, region in counted.items()]
        labels = {region.label: i for i, region in seen.items() if region.kind not in _COUNTED}
        votes = {activity.level: self._voted(ref, activity) for activity in scene.activities}
        return Tracker(
            tuple(kept),
            {**self.id_of_label, **labels},
            max((self.last_id, *seen)),
            ref.index,
            {**self.votes, **votes},
        )

    def _sighted(self, track_id: int, region: Region, ref: FrameRef) -> _Track:
        look, motion = _Look.of(region), (0.0, 0.0)
        for track in self.tracks:
            if track.id == track_id and track.frame == self.last_frame:
                (x, y), (u, v) = look.centre_xy, track.look.centre_xy
                motion = (x - u, y - v)
        return _Track(track_id, region.label, region.mask, look, motion, ref.index, _clock_s(ref))

    def _ids(self, regions: Sequence[Region]) -> dict[int, int]:
        """Track ids by region id."""
        ids = {r.id: self.id_of_label[r.label] for r in regions if r.label in self.id_of_label}
        counted = [r for r in regions if r.kind in _COUNTED]
        ids = {**ids, **self._matched(counted)}
        last, fresh = self.last_id, dict(self.id_of_label)
        for region in regions:
            if region.id not in ids:
                if region.kind in _COUNTED or region.label not in fresh:
                    last += 1
                    ids[region.id] = last
                if region.kind not in _COUNTED:
                    ids[region.id] = fresh.setdefault(region.label, last)
        return ids

    def _matched(self, regions: Sequence[Region]) -> dict[int, int]:
        """Track ids of the regions that continue a track: first of those just seen, then of those away."""
        found: dict[int, int] = {}
        for just_seen in (True, False):
            tracks = [track for track in self.tracks if (track.frame == self.last_frame) == just_seen]
            rest = [region for region in regions if region.id not in found]
            looks = [_Look.of(region) for region in rest]
            gains = np.array(
                [[_affinity(track, r, look, just_seen) for track in tracks] for r, look in zip(rest, looks)]
            ).reshape(len(rest), len(tracks))
            for row, column in best_pairs(gains):
                found[rest[row].id] = tracks[column].id
        return found

    def _voted(self, ref: FrameRef, activity: Activity) -> _Votes:
        label, score = activity.raw or (activity.label, activity.score)
        clock_s = _clock_s(ref)
        before = self.votes.get(activity.level)
        if before is None:
            return _Votes({label: score}, label, clock_s)
        keep = 0.5 ** (max(clock_s - before.clock_s, 0.0) / _HALF_LIFE_S)
        means = {name: keep * mean for name, mean in before.means.items()}
        means[label] = means.get(label, 0.0) + (1 - keep) * score
        best = max(means, key=lambda name: means[name])
        return _Votes(means, best if means[best] > _LEAD * means[before.label] else before.label, clock_s)


@dataclass(frozen=True, slots=True)
class Trackers:
    """A Tracker for each sequence of a run that may go on: the present one's, and those of the folders it lies in.

    Use it like a Tracker; a frame of another sequence starts new tracks. Frames come folder by folder.
    """

    of: Mapping[str, Tracker] = field(default_factory=dict)

    def follow(self, ref: FrameRef, scene: Scene) -> Scene:
        """As ``Tracker.follow``, by the Tracker of the frame's sequence."""
        return self.of.get(sequence_of(ref.source), Tracker()).follow(ref, scene)

    def after(self, ref: FrameRef, scene: Scene) -> Trackers:
        """As ``Tracker.after``."""
        sequence = sequence_of(ref.source)
        around = {name: tracker for name, tracker in self.of.items() if PurePosixPath(sequence).is_relative_to(name)}
        return Trackers({**around, sequence: self.of.get(sequence, Tracker()).after(ref, scene)})


def best_pairs(gains: np.ndarray) -> list[tuple[int, int]]:
    """(row, column) pairs of a (rows, columns) array of gains >= 0 with the highest sum, by row; those of 0 left out.

    The assignment problem by shortest augmenting paths (Jonker and Volgenant, Computing 1987).
    """
    rows, columns = gains.shape
    # A column of its own for each row: to stay alone costs nothing and gains nothing.
    cost = np.concatenate([-gains, np.zeros((rows, rows))], axis=1)
    of_row, of_column = np.zeros(rows), np.zeros(rows + columns)
    row_of = np.full(rows + columns, -1)
    for start in range(rows):
        length = np.full(rows + columns, np.inf)
        came_from = np.full(rows + columns, -1)
        open_ = np.ones(rows + columns, bool)
        row, column, so_far = start, -1, 0.0
        while row >= 0:
            through = so_far + cost[row] - of_row[row] - of_column
            shorter = open_ & (through < length)
            length[shorter], came_from[shorter] = through[shorter], column
            column = int(np.where(open_, length, np.inf).argmin())
            so_far, open_[column] = float(length[column]), False
            row = int(row_of[column])
        closed = ~open_
        reached = closed & (row_of >= 0)
        of_row[row_of[reached]] += so_far - length[reached]
        of_row[start] += so_far
        of_column[closed] -= so_far - length[closed]
        while column >= 0:
            before = int(came_from[column])
            row_of[column] = row_of[before] if before >= 0 else start
            column = before
    pairs = [(int(row_of[c]), c) for c in range(columns) if row_of[c] >= 0 and gains[row_of[c], c] > 0]
    return sorted(pairs)


def _affinity(track: _Track, region: Region, look: _Look, just_seen: bool) -> float:
    """What is gained by taking the region for the track's next sight; 0 when it cannot be."""
    if region.label != track.label:
        return 0.0
    first, second = raster_of(track.mask), raster_of(region.mask)
    overlap = iou(first, second) if first.shape == second.shape else 0.0
    closeness = max(0.0, 1 - _distance(track, look, just_seen) / _REACH)
    return overlap + closeness if closeness > 0 or overlap >= _LEAST_IOU else 0.0


def _distance(track: _Track, look: _Look, just_seen: bool) -> float:
    (x, y), (u, v) = track.look.centre_xy, track.motion_xy
    centre = _apart((x + u, y + v) if just_seen else (x, y), look.centre_xy)
    if track.look.entry_xy is None or look.entry_xy is None:
        return centre
    entry = _apart(track.look.entry_xy, look.entry_xy)
    return (centre + entry) / 2 if just_seen else entry


def _apart(first: _Point, second: _Point) -> float:
    return float(np.hypot(first[0] - second[0], first[1] - second[1]))


def _entry(mask: np.ndarray) -> _Point:
    """Mean of the pixels farthest from the middle, as shares of width and height: works for round views too."""
    ys, xs = np.nonzero(mask)
    points = (np.stack([xs, ys], axis=1) + 0.5) / (mask.shape[1], mask.shape[0])
    if not len(points):
        return 0.5, 0.5
    far = np.hypot(*(points - 0.5).T)
    x, y = points[far >= np.quantile(far, 1 - _OUTER)].mean(axis=0)
    return float(x), float(y)


def _remembered(track: _Track, ref: FrameRef) -> bool:
    return _clock_s(ref) - track.clock_s <= _MEMORY_S or ref.index - track.frame <= _MEMORY_FRAMES


def _clock_s(ref: FrameRef) -> float:
    return float(ref.index) if ref.time_s is None else round(ref.time_s, 3)
