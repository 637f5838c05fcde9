"""`describer train depth`: a scene model's depth adapted to clips, with held-out scores and pictures.

OUT/config.json, model.safetensors   the scene model, of which only depth has changed
OUT/pose.safetensors                 the pose network;  OUT/checkpoint.pt to go on from
OUT/log.csv                          losses, a row a step
OUT/scores.json                      held-out scores of each clip, before and after
OUT/CLIP.png                         frames of the clip over their depth before and after
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from describer.camera import FOCAL, Intrinsics
from describer.depths import colour_depth
from describer.errors import InputError, OutputError
from describer.pipeline import pick_device
from describer.seg.config import PATCH
from describer.seg.image import normalise
from describer.seg.model import SceneModel, disparity_to_depth, interpolate
from describer.seg.predict import ScenePredictor
from describer.seg.selfdepth.clips import Clip, Triple, held_out_triples, load_clip, training_triples
from describer.seg.selfdepth.learner import DepthLearner, HeldOut, score_pairs
from describer.seg.selfdepth.training import DepthNews, SelfDepthSettings, train_depth
from describer.vlm.quiet import quiet

Say = Callable[[str], None]

_SCORED = 24
_SHOWN = 6
_TOLD_EVERY = 20


@dataclass(frozen=True, slots=True)
class DepthTraining:
    """A run's options: ``clips`` are folders, patterns or videos; ``size_hw`` None is the model's own input size."""

    clips: tuple[str, ...]
    settings: SelfDepthSettings
    start: str = "embedded"
    size_hw: tuple[int, int] | None = None
    focal: float = FOCAL
    intrinsics: Intrinsics | None = None
    fps: float | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.size_hw is not None and any(side <= 0 or side % PATCH for side in self.size_hw):
            height, width = self.size_hw
            raise InputError(f"--size {height}x{width}: height and width must be multiples of {PATCH}.")
        if not self.focal > 0:
            raise InputError(f"--focal must be above 0, got {self.focal}; 1 is as long as the frame is wide.")


@dataclass(frozen=True, slots=True)
class ClipScores:
    """Held-out scores of a clip: ``start`` of depth and pose network as they began, ``end`` as trained; with the
    trained pose network, ``old_depth`` of the depth that it began with and ``flat`` of one depth everywhere."""

    name: str
    trained_on: int
    held_out: int
    start: HeldOut
    flat: HeldOut
    old_depth: HeldOut
    end: HeldOut


def train_depth_on(options: DepthTraining, out: str | Path, progress: Say | None = None) -> list[ClipScores]:
    """Train into ``out`` (see the module) and score; killed, the same call goes on where it was."""
    say, out = progress or (lambda _: None), Path(out)
    start = _learner(options)
    hw = options.size_hw or (start.model.config.input_hw[0], start.model.config.input_hw[1])
    clips = [load_clip(source, hw, options.intrinsics, options.focal, options.fps) for source in options.clips]
    clips = _named_apart(clips)
    for clip in clips:
        say(f"{clip.name}: {len(clip.frames)} frames, {len(training_triples(clip))} to train on, "
            f"{len(held_out_triples(clip))} held out")  # fmt: skip
    held = [_spread([(clip, triple) for triple in held_out_triples(clip)], _SCORED) for clip in clips]
    first = [score_pairs(start, picks) for picks in held]
    learner = _learner(options)
    with quiet():
        train_depth(learner, clips, out, options.settings, progress=lambda news: _tell(news, say))
    start.pose = learner.pose
    scores = []
    for clip, picks, began in zip(clips, held, first, strict=True):
        old, flat, end = score_pairs(start, picks), score_pairs(learner, picks, flat=True), score_pairs(learner, picks)
        counts = len(training_triples(clip)), len(held_out_triples(clip))
        scores.append(ClipScores(clip.name, *counts, began, flat, old, end))
        _save_strip(out / f"{clip.name}.png", clip, start.model, learner.model)
    (out / "scores.json").write_text(json.dumps([asdict(score) for score in scores], indent=1) + "\n")
    return scores


def _learner(options: DepthTraining) -> DepthLearner:
    predictor = ScenePredictor.load(options.start, pick_device(options.device))
    predictor.require_depth()
    torch.manual_seed(options.settings.seed)
    learner = DepthLearner(predictor.model, options.settings.weights)
    learner.to(predictor.device)
    return learner


def _named_apart(clips: Sequence[Clip]) -> list[Clip]:
    names = [clip.name for clip in clips]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise InputError(f"two clips are called {double[0]!r}; rename one, results are told apart by the last name.")
    return list(clips)


def _spread(picks: Sequence[tuple[Clip, Triple]], most: int) -> list[tuple[Clip, Triple]]:
    """At most so many, evenly spread."""
    return [picks[int(i)] for i in np.linspace(0, len(picks) - 1, min(most, len(picks)))]


def _tell(news: DepthNews, say: Say) -> None:
    if news.step % _TOLD_EVERY == 0:
        errors = " ".join(f"{error:.4f}" for error in news.losses.photometric)
        say(f"step {news.step}  photometric error by scale {errors}  {news.left_s / 60:.1f} min left")


def _save_strip(path: Path, clip: Clip, before: SceneModel, after: SceneModel) -> None:
    """Frames in a row, evenly spread over the clip, over their depth before and after; one colour scale a row."""
    chosen = np.linspace(0, len(clip.frames) - 1, _SHOWN).astype(int)
    width, height = clip.original_wh
    size_wh = (280, round(280 * height / width))
    frames = [cv2.resize(clip.frames[i], size_wh, interpolation=cv2.INTER_CUBIC) for i in chosen]
    view = cv2.resize(clip.view.astype(np.uint8), size_wh).astype(bool)
    rows = [np.concatenate(frames, axis=1)]
    for model in (before, after):
        maps = np.stack([_depth_of(model, clip.frames[i], size_wh) for i in chosen])
        maps[:, ~view] = np.nan
        rows.append(np.concatenate(list(colour_depth(maps)), axis=1))
    if not cv2.imwrite(str(path), np.concatenate(rows)[:, :, ::-1]):
        raise OutputError(f"{path} cannot be written; check the path and free space.")


@torch.no_grad()
def _depth_of(model: SceneModel, frame: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    disparity = model.see_depth(normalise(torch.from_numpy(frame[None]).to(model.device)))[0]
    depth: np.ndarray = disparity_to_depth(interpolate(disparity, size_wh[::-1]))[0, 0].cpu().numpy()
    return depth


def scores_table(scores: Sequence[ClipScores]) -> str:
    """The held-out scores for people."""
    lines = []
    for clip in scores:
        rows: list[tuple[str, Any]] = [
            ("no motion", clip.end.no_motion),
            ("start", clip.start.photometric),
            ("flat depth, trained pose", clip.flat.photometric),
            ("old depth, trained pose", clip.old_depth.photometric),
            ("end", clip.end.photometric),
        ]
        lines.append(f"{clip.name}: photometric error on {clip.end.pairs} held-out pairs")
        lines += [f"  {name:<26}{value:.4f}" for name, value in rows]
        change = f"{100 * clip.old_depth.unsteady:.1f} % -> {100 * clip.end.unsteady:.1f} %"
        lines.append(f"  depth changes from frame to frame by {change}")
    return "\n".join(lines)
