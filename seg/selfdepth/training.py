"""Self-supervised training of depth on clips of neighbouring frames, after Monodepth2 and DARES.

A run is a function of its settings and clips: the triples of a step depend on the seed and the step alone, and a
checkpoint holds all that moves, so a resumed run with a step budget equals an unbroken one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from describer.errors import DescriberError, InputError, OutputError
from describer.seg.model import SceneModel
from describer.seg.selfdepth.clips import Clip, Triple, training_triples
from describer.seg.selfdepth.learner import DepthLearner, Losses, LossWeights, make_batch
from describer.seg.tables import Table

CHECKPOINT, POSE = "checkpoint.pt", "pose.safetensors"
_SCALES = 4
_OTHERS = ("smoothness", "consistency", "prior", "moving")
_COLUMNS = ("elapsed_s", "lr", "loss", *(f"photometric_{k}" for k in range(_SCALES)), *_OTHERS)


@dataclass(frozen=True, slots=True)
class SelfDepthSettings:
    """How a run goes. Exactly one of `steps` and `minutes` is given.

    For `pose_first` of the budget the pose network learns alone, on the depth as it is.
    """

    steps: int | None = None
    minutes: float | None = None
    pose_first: float = 0.15
    batch_size: int = 4
    lr: float = 3e-4
    pose_lr: float = 1e-3
    weights: LossWeights = field(default_factory=LossWeights)
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    seed: int = 0
    checkpoint_minutes: float = 2.0

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise DescriberError("Give a budget as either steps or minutes, not both and not neither.")
        if (self.steps or self.minutes or 0) <= 0:
            raise DescriberError("The training budget must be positive; raise steps or minutes.")


@dataclass(frozen=True, slots=True)
class DepthNews:
    """One step's news, for a progress display."""

    step: int
    losses: Losses
    left_s: float


class DepthTrainer:
    """A learner, its optimizer and where its run stands; `step` moves them by one batch."""

    def __init__(self, learner: DepthLearner, clips: Sequence[Clip], settings: SelfDepthSettings) -> None:
        self.learner, self.settings = learner, settings
        self.targets: list[tuple[Clip, Triple]] = [
            (clip, triple) for clip in clips for triple in training_triples(clip)
        ]
        self.depth = list(learner.depth_state().values())
        groups: list[dict[str, Any]] = [{"params": self.depth}, {"params": list(learner.pose.parameters())}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
        self.done, self.elapsed_s = 0, 0.0

    def spent(self) -> float:
        """Share of the budget that is used up, by steps or by the clock."""
        s = self.settings
        return self.done / s.steps if s.steps else self.elapsed_s / (60 * (s.minutes or 1))

    def rates(self) -> tuple[float, float]:
        """Learning rates of depth and pose: cosines to zero; depth starts after the pose, and rises over as long."""
        s, spent = self.settings, min(self.spent(), 1.0)
        cosine = 0.5 * (1 + math.cos(math.pi * spent))
        rise = 1.0 if s.pose_first == 0 else min(max(spent / s.pose_first - 1, 0.0), 1.0)
        return s.lr * cosine * rise, s.pose_lr * cosine

    def step(self) -> Losses:
        """One update."""
        for group, rate in zip(self.optimizer.param_groups, self.rates(), strict=True):
            group["lr"] = rate
        rng = np.random.default_rng([self.settings.seed, self.done])
        picks = [self.targets[i] for i in rng.integers(len(self.targets), size=self.settings.batch_size)]
        batch = make_batch(picks).to(self.learner.model.device)
        if rng.random() < 0.5:
            batch = batch.flipped()
        losses: Losses = self.learner(batch, learn_depth=self.spent() >= self.settings.pose_first)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        nn.utils.clip_grad_norm_([*self.depth, *self.learner.pose.parameters()], self.settings.clip_norm)
        self.optimizer.step()
        self.done += 1
        return losses

    def state(self) -> dict[str, Any]:
        """Everything that moves, for `load_state`."""
        return {
            "depth": self.learner.depth_state(),
            "pose": self.learner.pose.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "done": self.done,
            "elapsed_s": self.elapsed_s,
        }

    @torch.no_grad()
    def load_state(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        for name, parameter in self.learner.depth_state().items():
            parameter.copy_(state["depth"][name])
        self.learner.pose.load_state_dict(state["pose"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.done, self.elapsed_s = state["done"], state["elapsed_s"]


def train_depth(
    learner: DepthLearner,
    clips: Sequence[Clip],
    out_dir: Path,
    settings: SelfDepthSettings,
    progress: Callable[[DepthNews], None] | None = None,
) -> SceneModel:
    """Train the learner into `out_dir` and return its model.

    `out_dir` receives the scene model in Hugging Face's format, `pose.safetensors`, `log.csv` (a row a step) and
    `checkpoint.pt`; a run found there with the same settings and clips is continued, another one is refused.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    trainer = DepthTrainer(learner, clips, settings)
    identity = _identity(learner, clips, settings)
    checkpoint = _read_checkpoint(out_dir / CHECKPOINT, identity)
    if checkpoint is not None:
        trainer.load_state(checkpoint)
    log = Table(out_dir / "log.csv", _COLUMNS, trainer.done)
    saved_s = trainer.elapsed_s
    try:
        while trainer.spent() < 1:
            started, rate = time.perf_counter(), trainer.rates()[0]
            losses = trainer.step()
            trainer.elapsed_s += time.perf_counter() - started
            log.add(trainer.done, _row(trainer, rate, losses))
            if trainer.spent() >= 1 or trainer.elapsed_s - saved_s >= 60 * settings.checkpoint_minutes:
                log.flush()
                _save_checkpoint(out_dir / CHECKPOINT, identity, trainer)
                saved_s = trainer.elapsed_s
            if progress is not None:
                progress(DepthNews(trainer.done, losses, trainer.elapsed_s * (1 / trainer.spent() - 1)))
    finally:
        log.close()
    return _finish(learner, out_dir)


def _row(trainer: DepthTrainer, rate: float, losses: Losses) -> dict[str, float]:
    scales = {f"photometric_{k}": error for k, error in enumerate(losses.photometric)}
    now = {"elapsed_s": trainer.elapsed_s, "lr": rate, "loss": losses.total.item()}
    others = {name: getattr(losses, name) for name in _OTHERS}
    return {**now, **scales, **others}


def _identity(learner: DepthLearner, clips: Sequence[Clip], settings: SelfDepthSettings) -> str:
    plan = {name: value for name, value in asdict(settings).items() if name != "checkpoint_minutes"}
    seen = [(clip.name, len(clip.frames), clip.frames.shape[1:3], clip.intrinsics) for clip in clips]
    moving = {name: list(p.shape) for name, p in learner.depth_state().items()}
    start = learner.model.name_or_path
    return json.dumps({"settings": plan, "clips": seen, "start": start, "moving": moving}, sort_keys=True)


def _read_checkpoint(path: Path, identity: str) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        known, state = checkpoint["identity"], checkpoint["state"]
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged checkpoint ({error}); delete it to start again.") from error
    if known != identity:
        raise OutputError(f"{path.parent}: holds a run with other settings or clips; give another folder.")
    return dict(state)


def _save_checkpoint(path: Path, identity: str, trainer: DepthTrainer) -> None:
    partial = path.with_suffix(".partial")
    try:
        torch.save({"identity": identity, "state": trainer.state()}, partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{path}: the checkpoint cannot be written ({error}); free some space.") from error


def _finish(learner: DepthLearner, out_dir: Path) -> SceneModel:
    model = learner.model.requires_grad_(True)
    model.save_pretrained(out_dir)
    save_file(learner.pose.state_dict(), out_dir / POSE)
    for file in out_dir.glob("*.safetensors"):
        file.chmod(0o644)  # safetensors writes 0600
    return model
