"""Which frames a scene model trained on: what it predicts there is better than what it will ever predict in use."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import yaml

from describer.errors import InputError
from describer.instruction_sources import Shown, video_name
from describer.seg.datasets.catalogue import find
from describer.seg.datasets.reading import groups_of

# What the packaged scene model learned from, as its card says: rendered seeds from 0 on, and these real sets.
_EMBEDDED_SEEDS = 1_000_003  # the first of `describer synth --seed 1`
_EMBEDDED_KINDS = frozenset({"kvasir-seg", "cholecseg8k"})
_EMBEDDED_VIDEOS = frozenset({"Cholec80 video 74", "Cholec80 video 1"})


@dataclass(frozen=True, slots=True)
class History:
    """Videos, and whole datasets by name, that a scene model saw; of rendered frames the seeds under ``below_seed``."""

    videos: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    below_seed: int = 0

    @classmethod
    def of(cls, spec: str, folder: Path, seen: Collection[str] = ()) -> History:
        """Of "embedded", or of a folder that `describer train scene --data` wrote; ``seen`` are videos beside these.

        InputError when what the folder was trained on is not there any more and ``seen`` does not say it either.
        """
        if spec == "embedded":
            return cls(_EMBEDDED_VIDEOS | frozenset(seen), _EMBEDDED_KINDS, _EMBEDDED_SEEDS)
        options = folder / "options.yaml"
        if not options.is_file():
            return cls(frozenset(seen))
        given = yaml.safe_load(options.read_text(encoding="utf-8"))
        videos = {video for data in given.get("data", ()) for video in _trained_on(data, folder, bool(seen))}
        own = cls(frozenset(videos) | frozenset(seen))
        if given.get("backbone") or given.get("start", "embedded") != "embedded":
            return own
        return cls(own.videos | _EMBEDDED_VIDEOS, _EMBEDDED_KINDS, _EMBEDDED_SEEDS)

    def saw(self, shown: Shown) -> bool:
        """Whether the model trained on this frame, or on another one of its video."""
        rendered = shown.seed is not None and shown.seed < self.below_seed
        return rendered or shown.video in self.videos or shown.kind in self.kinds


def _trained_on(data: str, model: Path, said: bool) -> set[str]:
    """The videos of the training split of one ``--data`` of `train scene`."""
    path, mark, _ = data.rpartition("=")
    root = Path(path if mark and not Path(data).is_dir() else data)
    if not root.is_dir():
        if said:
            return set()
        raise InputError(
            f"{model} was trained on {root}, which is not there, so it cannot be told which frames it saw; name its "
            "training videos with --seen, or put the folder back."
        )
    dataset = find(root)
    return {video_name(dataset, group, root) for group in groups_of(root)[1].get("train", ())}
