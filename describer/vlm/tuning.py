"""The training loop of vision-language models: the embedded base from scratch, and LoRA on any family.

LoRA as in "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685); over 4- or 8-bit weights
it is QLoRA (arXiv 2305.14314). A run has a budget of steps or of minutes; the learning rate follows a cosine
over the share of the budget that is spent, so that a run ends annealed however fast the machine is.

A step's samples are shared among the processes that `torchrun` or `accelerate launch` started and go through in
`accumulate` parts; every answer token weighs the same wherever it is, so neither changes what is learned.
"""

from __future__ import annotations

import csv
import json
import math
import time
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from describer.errors import ModelError
from describer.processes import average_gradients, mean_over_processes, processes
from describer.vlm.samples import IGNORED, Batch, BatchOrder, TrainingData

CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"
LOG_FIELDS = ("step", "samples", "seconds", "loss", "learning_rate", "samples_per_s", "evaluation")

Progress = Callable[[int, float, float, float], None]
"""(step, smoothed loss, samples a second, seconds left or NaN before it is known)."""

Evaluate = Callable[[Any], Mapping[str, float]]
"""Scores of the model, which is in eval mode meanwhile."""


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """How long and how hard to train. Give exactly one of `minutes` (wall clock, all included) and `steps`.

    `warmup` is the share of the budget over which the learning rate rises; `eval_minutes` and
    `checkpoint_minutes` are how often the callback runs and the run can be resumed from. `batch_size` is one step's,
    over all processes and `accumulate` parts. `checkpointing` computes activations again instead of keeping them: a
    third slower, a fraction of the memory.
    """

    minutes: float | None = None
    steps: int | None = None
    batch_size: int = 16
    accumulate: int = 1
    checkpointing: bool = False
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.03
    clip_norm: float = 1.0
    bf16: bool = True
    seed: int = 0
    log_every: int = 20
    checkpoint_minutes: float = 5.0
    eval_minutes: float = 10.0

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ModelError("Give exactly one of minutes and steps for training.")
        for name in ("minutes", "steps", "batch_size", "accumulate", "learning_rate", "clip_norm", "log_every"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ModelError(f"{name} must be above 0, got {value}.")
        if self.batch_size % self.accumulate:
            raise ModelError(f"batch_size {self.batch_size} does not divide into {self.accumulate} parts.")
        if not 0 <= self.warmup < 1:
            raise ModelError(f"warmup must be a share in [0, 1), got {self.warmup}.")


@dataclass(frozen=True, slots=True)
class TuneResult:
    """What a run did: `loss` is smoothed over about the last 50 steps, `seconds` include earlier parts."""

    steps: int
    samples: int
    seconds: float
    loss: float


def train_vlm(
    model: Any,
    data: TrainingData,
    options: TuneOptions,
    run_dir: str | Path | None = None,
    progress: Progress | None = None,
    *,
    evaluate: Evaluate | None = None,
) -> TuneResult:
    """Train whatever parameters of `model` require a gradient; the model is changed in place.

    `model` is an ``AutoModelForImageTextToText`` or a ``PeftModel`` around one; `data` a `SampleCache` or
    `ProcessorData`. With `run_dir` the run is logged to ``log.csv`` and can be killed: called again with the
    same model, data and options it goes on from ``checkpoint.pt``, minutes already spent counted. ModelError
    when the checkpoint there is of another run, or the loss is no longer a number.
    """
    run = _Run(model, data, options, Path(run_dir) if run_dir else None)
    run.resume()
    if options.checkpointing:
        _checkpoint_activations(model)
    model.train()
    run.start_clock()
    try:
        while (fraction := run.fraction()) < 1:
            run.train_step(fraction)
            if run.step % options.log_every == 0 and progress and run.speaks:
                progress(run.step, run.loss, run.speed(), run.seconds_left())
            if evaluate and run.due("eval", options.eval_minutes):
                run.evaluate(evaluate)
            if run.due("checkpoint", options.checkpoint_minutes):
                run.save()
    except KeyboardInterrupt:
        run.save()
        raise
    if evaluate:
        run.evaluate(evaluate)
    run.save()
    processes().wait_for_everyone()
    model.eval()
    return TuneResult(run.step, run.samples, run.elapsed(), run.loss)


def _checkpoint_activations(model: Any) -> None:
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    try:
        with warnings.catch_warnings():
            # The name goes in transformers 6; the one that replaces it is not in 5.19 yet.
            warnings.simplefilter("ignore", FutureWarning)
            core.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    except (ValueError, AttributeError) as error:
        kind = getattr(core.config, "model_type", "this")
        raise ModelError(f"A {kind} model cannot checkpoint activations; train it without.") from error
    # Beside an adapter transformers makes the embeddings' outputs require gradients, which only the reentrant kind
    # needs: a frozen vision tower would keep all its activations for gradients that nobody reads.
    core.disable_input_require_grads()


class _Run:
    """The state of one run, in memory and on disk; of several processes the first speaks and writes."""

    def __init__(self, model: Any, data: TrainingData, options: TuneOptions, folder: Path | None) -> None:
        us = processes()
        self.rank, self.world, self.speaks = us.process_index, us.num_processes, us.is_main_process
        if min(options.batch_size, len(data.lengths)) < self.world:
            raise ModelError(
                f"{self.world} processes cannot share a step of {min(options.batch_size, len(data.lengths))} samples; "
                "raise the batch size or start fewer."
            )
        self.model, self.data, self.options, self.folder = model, data, options, folder
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        if not named:
            raise ModelError("No parameter of the model is trainable; unfreeze it or add an adapter.")
        self.named = named
        self.device = next(iter(named.values())).device
        # Vectors (norms, biases, layer scales) are not decayed.
        groups = [
            {"params": [p for p in named.values() if p.ndim >= 2], "weight_decay": options.weight_decay},
            {"params": [p for p in named.values() if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.98))
        self.order = BatchOrder(data.lengths, options.batch_size, options.seed)
        self.step = self.samples = 0
        self.loss = math.nan
        self._spent = 0.0
        self._began = time.monotonic()
        self._begun_samples = 0
        self._now: float | None = None
        self._last: dict[str, float] = {}

    # ------------------------------------------------------------------ time

    def start_clock(self) -> None:
        self._began, self._begun_samples = time.monotonic(), self.samples
        self._last = {"eval": self.elapsed(), "checkpoint": self.elapsed()}

    def elapsed(self) -> float:
        """Seconds so far; of several processes their mean at the last step, since all must stop at the same one."""
        return self._here() if self.world == 1 or self._now is None else self._now

    def _here(self) -> float:
        return self._spent + time.monotonic() - self._began

    def fraction(self) -> float:
        if self.options.steps is not None:
            return self.step / self.options.steps
        return self.elapsed() / (60 * (self.options.minutes or 0))

    def due(self, what: str, minutes: float) -> bool:
        if self.elapsed() - self._last[what] < 60 * minutes:
            return False
        self._last[what] = self.elapsed()
        return True

    def speed(self) -> float:
        return (self.samples - self._begun_samples) / max(time.monotonic() - self._began, 1e-6)

    def seconds_left(self) -> float:
        done = self.fraction()
        return self.elapsed() * (1 - done) / done if done else math.nan

    # ------------------------------------------------------------------ learning

    def train_step(self, fraction: float) -> None:
        rate = self.options.learning_rate * schedule(fraction, self.options.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        indices = self.order.at(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._backward(indices)
        average_gradients(list(self.named.values()))
        nn.utils.clip_grad_norm_(self.named.values(), self.options.clip_norm)
        self.optimizer.step()
        if self.world > 1:
            loss, self._now = mean_over_processes(torch.tensor([loss, self._here()], device=self.device)).tolist()
        self._count(loss, len(indices), rate)

    def _backward(self, indices: np.ndarray) -> float:
        """Gradients of this process's part of the step; its loss, whose mean over processes is the step's."""
        mine = indices[self.rank :: self.world]
        parts = [self.data.batch(part) for part in np.array_split(mine, min(self.options.accumulate, len(mine)))]
        counts = [int((part.labels[:, 1:] != IGNORED).sum()) for part in parts]
        # A token weighs the same in a part or process with few of them as in one with many.
        total = mean_over_processes(torch.tensor(float(sum(counts)), device=self.device)).item()
        loss = 0.0
        for part, count in zip(parts, counts):
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.options.bf16):
                share = answer_loss(self.model, part.to(self.device)) * (count / total)
            share.backward()
            loss += float(share.detach())
        return loss

    def _count(self, loss: float, samples: int, rate: float) -> None:
        if not math.isfinite(loss):
            raise ModelError(f"The loss is no longer a number at step {self.step}; lower the learning rate.")
        self.loss = loss if self.step == 0 else 0.96 * self.loss + 0.04 * loss
        self.step += 1
        self.samples += samples
        if self.step % self.options.log_every == 0:
            self._log(rate)

    def evaluate(self, callback: Evaluate) -> None:
        if not self.speaks:
            return
        self.model.eval()
        with torch.no_grad():
            scores = dict(callback(self.model))
        self.model.train()
        self._log(self.optimizer.param_groups[0]["lr"], scores)

    # ------------------------------------------------------------------ disk

    def _log(self, rate: float, scores: Mapping[str, float] | None = None) -> None:
        if self.folder is None or not self.speaks:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        new = not (self.folder / LOG).exists()
        numbers = [round(self.elapsed(), 1), round(self.loss, 5), f"{rate:.3e}", round(self.speed(), 2)]
        with (self.folder / LOG).open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(LOG_FIELDS)
            writer.writerow([self.step, self.samples, *numbers, json.dumps(scores) if scores else ""])

    def _identity(self) -> dict[str, Any]:
        fixed = {k: v for k, v in asdict(self.options).items() if k in ("batch_size", "seed")}
        shapes = {name: list(p.shape) for name, p in self.named.items()}
        return fixed | {"samples": len(self.data.lengths), "shapes": shapes}

    def save(self) -> None:
        """Write the checkpoint whole or not at all."""
        if self.folder is None or not self.speaks:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / (CHECKPOINT + ".partial")
        state = {
            "identity": self._identity(),
            "parameters": {name: p.detach().cpu() for name, p in self.named.items()},
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "progress": [self.step, self.samples, self.elapsed(), self.loss],
        }
        torch.save(state, partial)
        partial.replace(self.folder / CHECKPOINT)

    def resume(self) -> None:
        torch.manual_seed(self.options.seed + self.rank)
        if self.folder is None or not (self.folder / CHECKPOINT).exists():
            return
        path = self.folder / CHECKPOINT
        if not zipfile.is_zipfile(path):
            raise ModelError(f"{path}: the checkpoint is damaged; remove it to begin anew.")
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["identity"] != self._identity():
            raise ModelError(f"{path} is of a run with another model, data or options; choose another folder.")
        with torch.no_grad():
            for name, parameter in self.named.items():
                parameter.copy_(state["parameters"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.rank == 0:
            torch.set_rng_state(state["random"])
        self.step, self.samples, self._spent, self.loss = state["progress"]


def schedule(fraction: float, warmup: float) -> float:
    """Factor of the learning rate after `fraction` of the budget: linear rise, then a cosine to 1 %."""
    if fraction < warmup:
        return max(fraction / warmup, 0.01)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (fraction - warmup) / (1 - warmup)))


def answer_loss(model: Any, batch: Batch) -> Tensor:
    """Mean cross-entropy of the answers' tokens.

    Where the layout is known, the vocabulary is scored at answer positions only: most of a sequence is
    picture and prompt, and its logits would be thrown away.
    """
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    if getattr(core.config, "model_type", "") != "llava":
        return model(**batch.inputs, labels=batch.labels).loss
    hidden = core.model(**batch.inputs, use_cache=False).last_hidden_state
    targets = batch.labels[:, 1:]
    kept = targets != IGNORED
    logits = core.lm_head(hidden[:, :-1][kept])
    return F.cross_entropy(logits.float(), targets[kept])
