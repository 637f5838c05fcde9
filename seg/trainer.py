"""One training step of the scene model and everything that moves in it: weights, average, optimizer, phase."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from describer.devices import multiplies_bfloat16
from describer.errors import DescriberError
from describer.processes import average_gradients, mean_over_processes
from describer.seg.adapters import adapter_parameters, adapter_phases
from describer.seg.balancing import gradient_cosines, make_balancer
from describer.seg.image import TRAIN_HW, normalise
from describer.seg.looks import looks_loss
from describer.seg.losses import scene_losses
from describer.seg.model import SceneModel

ALONE = ("tools", "depth", "looks")
STAGES = ("full", "heads", *ALONE, "adapter")
TASK_WEIGHTS = {
    "segmentation": 1.0,
    "activity": 0.3,
    "phase": 0.1,
    "depth": 0.2,
    "interaction": 0.2,
    "boxes": 0.1,
    "looks": 1.0,
}
"""What the balances that find no weights themselves (equal, pcgrad, bloop) weigh each task with."""


_WARM_SHARE = 0.05
PRECISIONS = ("auto", "bf16", "no")


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How a run goes. Exactly one of `steps` and `minutes` is given; the rest has working defaults.

    stage "full" trains every parameter; "heads" leaves backbone and stem as they are, which is twice as fast; "tools",
    "depth" and "looks" train the interaction head, the depth head or the looks head alone, on a model that stands
    still: "depth" on whole upright views, since how far a thing is follows from where in the view it lies, "looks" on
    views that are not disturbed further;
    "adapter" freezes the backbone and trains adapter and heads; TESLA's A and B for `phase1_share` of the budget and
    then only its u and v.

    `batch_size` is one step's, over all processes and `accumulate` parts, so neither changes what is learned.
    `precision` "auto" is bfloat16 where the device multiplies it well. With frames to score on, the model is scored
    `scorings` times and the one best by `best` (a key of `evaluate_scene`) is kept. Every `cosine_steps` steps the
    cosines between the tasks' gradients are written down (0: never).
    """

    steps: int | None = None
    minutes: float | None = None
    stage: str = "full"
    phase1_share: float = 0.7
    batch_size: int = 16
    accumulate: int = 1
    precision: str = "auto"
    lr: float = 8e-4
    warmup_steps: int = 200
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    balance: str = "equal"
    task_weights: dict[str, float] = field(default_factory=lambda: dict(TASK_WEIGHTS))
    class_weights: tuple[float, ...] | None = None
    hw: tuple[int, int] = TRAIN_HW
    seed: int = 0
    best: str = "miou"
    scorings: int = 10
    cosine_steps: int = 0
    checkpoint_minutes: float = 5.0
    loader_threads: int = 1
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise DescriberError("Give a budget as either steps or minutes, not both and not neither.")
        if (self.steps or self.minutes or 0) <= 0:
            raise DescriberError("The training budget must be positive; raise steps or minutes.")
        if self.stage not in STAGES:
            raise DescriberError(f"stage '{self.stage}' is unknown; choose one of {', '.join(STAGES)}.")
        if not 0 < self.phase1_share <= 1:
            raise DescriberError(f"phase1_share must be in (0, 1], got {self.phase1_share}; 0.7 is the default.")
        if self.precision not in PRECISIONS:
            raise DescriberError(f"precision '{self.precision}' is unknown; choose one of {', '.join(PRECISIONS)}.")
        if self.batch_size < 1 or self.accumulate < 1 or self.batch_size % self.accumulate:
            raise DescriberError(
                f"batch_size {self.batch_size} does not divide into {self.accumulate} parts; change one of them."
            )


class Ema:
    """Moving average of parameters and batch-norm statistics, with a short memory while the run is young."""

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self._live = list(parameters)
        self.average = [p.detach().clone() for p in self._live]
        self._decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.average, self._live, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the live parameters and their average; a second call puts everything back."""
        live = [tensor.detach().clone() for tensor in self._live]
        torch._foreach_copy_(self._live, self.average)
        torch._foreach_copy_(self.average, live)


class Trainer:
    """Model, optimizer and average of one run; `step` moves them by one batch."""

    def __init__(self, model: SceneModel, settings: TrainSettings) -> None:
        self.model, self.settings = model.train(), settings
        self.balancer = make_balancer(settings.balance, settings.task_weights, self.tasks).to(model.device)
        given = settings.class_weights
        self.class_weights = None if given is None else torch.tensor(given, device=model.device)
        auto = settings.precision == "auto" and multiplies_bfloat16(model.device)
        self._bfloat16 = auto or settings.precision == "bf16"
        statistics = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        self.ema = Ema([*model.parameters(), *statistics], settings.ema_decay)
        self.done = 0
        self.elapsed_s = 0.0
        self.phase = 0
        self._enter_phase(1 if settings.stage == "adapter" else 0)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that the model has heads for."""
        if self._looks:
            return ("looks",)
        config = self.model.config
        has = {
            "segmentation": True,
            "activity": bool(config.activity_names),
            "phase": bool(config.phase_names),
            "depth": config.depth,
            "interaction": bool(config.verb_names),
            "boxes": bool(config.verb_names),
        }
        return tuple(task for task, there in has.items() if there)

    @property
    def _looks(self) -> bool:
        """Whether looks are learned: alone only, since elsewhere the views are blurred on purpose."""
        return self.settings.stage == "looks"

    def _enter_phase(self, phase: int) -> None:
        """Choose what moves: 0 everything, 1 heads + A and B, 2 heads + u and v. A phase starts a new optimizer."""
        self.phase = phase
        if self.settings.stage == "heads":
            for part in (self.model.backbone, self.model.sma):
                if part is not None:
                    part.requires_grad_(False)
        if self.settings.stage in ALONE:
            head = getattr(self.model, self.settings.stage)
            if head is None:
                raise DescriberError(f"Stage {self.settings.stage} trains a head that the model lacks; see its config.")
            self.model.requires_grad_(False).eval()
            head.requires_grad_(True).train()
        if phase:
            self.model.backbone.requires_grad_(False)
            for parameter in adapter_parameters(self.model.backbone, phase):
                parameter.requires_grad_(True)
        self.moving = [p for p in self.model.parameters() if p.requires_grad]
        balancer = list(self.balancer.parameters())
        groups = [
            {"params": [p for p in self.moving if p.ndim > 1], "weight_decay": self.settings.weight_decay},
            {"params": [p for p in self.moving if p.ndim <= 1] + balancer, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=self.settings.lr, fused=True)

    def spent(self) -> float:
        """Share of the budget that is used up, by steps or by the clock."""
        s = self.settings
        return self.done / s.steps if s.steps else self.elapsed_s / (60 * (s.minutes or 1))

    def learning_rate(self) -> float:
        """Linear warm-up, by steps or over a twentieth of a short budget, then a cosine to zero over the budget."""
        steps = (self.done + 1) / max(self.settings.warmup_steps, 1)
        warm = min(max(steps, self.spent() / _WARM_SHARE), 1.0)
        return self.settings.lr * warm * 0.5 * (1 + math.cos(math.pi * min(self.spent(), 1.0)))

    def step(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """One update by this process's part of the batch and all the others'; the minimised total, each task's loss."""
        last = adapter_phases(self.model.config)
        if 0 < self.phase < last and self.spent() >= self.settings.phase1_share:
            self._enter_phase(self.phase + 1)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        told = []
        for part in self._parts(batch):
            losses = self.losses(part)
            total = self.balancer.backward(losses, self.moving)
            told.append(torch.stack([total, *(loss.detach() for loss in losses.values())]))
        moving = [*self.moving, *self.balancer.parameters()]
        for parameter in moving:
            if parameter.grad is not None:  # divided after the balancing: a logarithm would not see it done before
                parameter.grad /= len(told)
        average_gradients(moving)
        nn.utils.clip_grad_norm_(self.moving, self.settings.clip_norm)
        self.optimizer.step()
        self.done += 1
        self.ema.update(self.done)
        total, *each = mean_over_processes(torch.stack(told).mean(0)).unbind()
        return total, dict(zip(losses, each, strict=True))

    def _parts(self, batch: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
        size = len(batch["images"])
        parts = min(self.settings.accumulate, size)
        for k in range(parts):
            yield {name: value[k * size // parts : (k + 1) * size // parts] for name, value in batch.items()}

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Every task's loss on a batch."""
        device = self.model.device
        batch = {name: value.to(device) for name, value in batch.items()}
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._bfloat16):
            if self._looks:
                said = self.model.see_looks(normalise(batch["images"]), batch["labels"], batch["parts"])
                return {"looks": looks_loss(said, batch["looks"], batch["view"])}
            output = self.model(normalise(batch["images"]), batch["tool_boxes_xyxy"])
        return scene_losses(output, batch, self.model.config.instrument_classes, self.class_weights)

    def cosines(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """The cosine between every two tasks' gradients on a batch, by "one/other"."""
        return gradient_cosines(self.losses(batch), self.moving)

    def state(self) -> dict[str, Any]:
        """Everything that moves, for `load_state`."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "balancer": self.balancer.state_dict(),
            "ema": self.ema.average,
            "done": self.done,
            "elapsed_s": self.elapsed_s,
            "phase": self.phase,
            "rng": torch.get_rng_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self.model.load_state_dict(state["model"])
        if state["phase"] != self.phase:
            self._enter_phase(state["phase"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.balancer.load_state_dict(state["balancer"])
        self.ema.average = [tensor.to(self.model.device) for tensor in state["ema"]]
        self.done, self.elapsed_s = state["done"], state["elapsed_s"]
        torch.set_rng_state(state["rng"])
