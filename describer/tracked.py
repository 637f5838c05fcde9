"""A describer that follows regions through time: what the batch runner uses with ``--track``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from describer.taxonomy import Taxonomy
from describer.tracking import Trackers, sequence_of
from describer.types import Annotation, Frame, Scene


class DescribesScenes(Protocol):
    """What is needed of a Describer: its scenes before they are spoken of."""

    @property
    def taxonomy(self) -> Taxonomy: ...

    def settings(self) -> dict[str, Any]: ...

    def find_scenes(self, frames: Sequence[Frame]) -> list[Scene]: ...

    def annotate_frames(self, frames: Sequence[Frame], scenes: Sequence[Scene] | None = None) -> list[Annotation]: ...


class TrackedDescriber:
    """Annotates frames in their order; each record follows from those before it in its sequence.

    A batch that fails leaves no trace. ``saw`` stands in for a frame whose record is on disk already, so that a
    resumed run goes on as an unbroken one.
    """

    def __init__(self, describer: DescribesScenes) -> None:
        self._describer = describer
        self._trackers = Trackers()
        self._remade: set[str] = set()

    @property
    def taxonomy(self) -> Taxonomy:
        return self._describer.taxonomy

    def settings(self) -> dict[str, Any]:
        return {**self._describer.settings(), "track": True}

    def annotate_frames(self, frames: Sequence[Frame], scenes: Sequence[Scene] | None = None) -> list[Annotation]:
        """The annotations of the next frames, of ``scenes`` where they are found already.

        Texts are of the scenes with their smoothed activities.
        """
        trackers, followed = self._trackers, []
        for frame, found in zip(frames, scenes or self._describer.find_scenes(frames), strict=True):
            followed.append(trackers.follow(frame.ref, found))
            trackers = trackers.after(frame.ref, followed[-1])
        annotations = self._describer.annotate_frames(frames, followed)
        self._trackers = trackers
        return annotations

    def saw(self, annotation: Annotation) -> None:
        """Go on as after this frame."""
        self._trackers = self._trackers.after(annotation.frame, annotation.scene)

    def remade(self, source: str) -> None:
        """This frame's record is new: those on disk of later frames of its sequence no longer follow from it."""
        self._remade = {name for name in self._remade if name in self._trackers.of} | {sequence_of(source)}

    def must_be_made(self, batch: Sequence[str], done: Sequence[bool]) -> list[bool]:
        """Which frames of a batch, by source, need a new record: those not done, and what comes after them."""
        remade, needed = set(self._remade), []
        for source, is_done in zip(batch, done, strict=True):
            if not is_done:
                remade.add(sequence_of(source))
            needed.append(sequence_of(source) in remade)
        return needed
