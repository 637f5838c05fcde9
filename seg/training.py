"""Training of the scene model: everything from scratch (stage "full"), or adapter and heads on a frozen backbone.

A run is a function of its settings and sources: frames, augmentation and order depend on the seed and the step
alone, and a checkpoint holds all that moves, so a resumed run with a step budget equals an unbroken one. With a
budget in minutes the schedule follows the clock, which no two runs share.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from describer.errors import InputError, ModelError, OutputError, TaxonomyError
from describer.processes import mean_over_processes, processes
from describer.seg.adapters.files import describe_adapter, save_adapter
from describer.seg.augment import UNDISTURBED, UPRIGHT, Augmentation
from describer.seg.config import SceneConfig
from describer.seg.data import BatchLoader, CachedDataset, Source
from describer.seg.losses import TASKS
from describer.seg.model import SceneModel
from describer.seg.scoring import evaluate_scene
from describer.seg.tables import Table, open_board
from describer.seg.trainer import Trainer, TrainSettings
from describer.seg.transfer import transfer

__all__ = ["Progress", "TrainSettings", "evaluate_scene", "train_scene"]

CHECKPOINT, ADAPTER = "checkpoint.pt", "adapter.safetensors"
SCORES = ("miou", "instrument_iou", "pixel_accuracy", "activity_accuracy", "phase_accuracy", "depth_abs_rel")
_HOW_NOT_WHAT = ("checkpoint_minutes", "loader_threads", "accumulate", "precision", "tensorboard")
_HOW: Mapping[str, Augmentation] = {"depth": UPRIGHT, "looks": UNDISTURBED}
_LOWER_IS_BETTER = ("depth_abs_rel",)


@dataclass(frozen=True, slots=True)
class Progress:
    """One step's news, for a progress display; `score` is the latest value of the metric that chooses the best."""

    step: int
    loss: float
    losses: dict[str, float]
    lr: float
    images_per_s: float
    elapsed_s: float
    left_s: float
    score: float | None = None


def train_scene(
    config: SceneConfig,
    sources: Sequence[Source],
    out_dir: Path,
    settings: TrainSettings,
    *,
    init: Path | None = None,
    validation: CachedDataset | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> SceneModel:
    """Train a scene model into `out_dir` and return it, with averaged weights and ready for use.

    `init` is a local folder to start from: a saved scene model, of which all that means the same in `config`'s words is
    kept (an adapter of another kind is not), or a DINOv2 model for the backbone. `out_dir`
    receives the model in Hugging Face's format, `adapter.safetensors` after stage "adapter", `log.csv` (every step),
    `gradients.csv`, `scores.csv` (on `validation`, whose best model is the one kept) and `checkpoint.pt`; a run found
    there with the same settings is continued, another one is refused. Started by `accelerate launch` or `torchrun`,
    all processes train one model.
    """
    for source in sources:
        if source.dataset.classes != len(config.class_names):
            raise TaxonomyError(
                f"{source.dataset.folder}: labels of {source.dataset.classes} classes, the configuration names "
                f"{len(config.class_names)}; use one taxonomy."
            )
    if validation is not None and settings.best not in SCORES:
        raise InputError(f"--best {settings.best} is no score of a scene model; choose one of {', '.join(SCORES)}.")
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    identity = _identity(config, sources, settings, init, validation)
    checkpoint = _read_checkpoint(out_dir / CHECKPOINT, identity)
    trainer = Trainer(_start_model(config, settings, init), settings)
    run = _Run(trainer, sources, out_dir, identity, validation, checkpoint)
    try:
        run.train(progress)
    finally:
        run.close()
    return run.finish()


def _start_model(config: SceneConfig, settings: TrainSettings, init: Path | None) -> SceneModel:
    torch.manual_seed(settings.seed)
    if settings.stage == "full" and config.adapter != "none":
        raise ModelError("Stage full trains every weight and takes no adapter; set adapter none or stage adapter.")
    if settings.stage == "adapter" and init is None:
        raise ModelError("Stage adapter needs a trained model to adapt; give its folder as init.")
    model = SceneModel(config) if init is None else _load_start(config, Path(init).resolve())
    if settings.stage == "adapter" and model.config.adapter == "none":
        model.adapt_backbone(config)
    model.config.input_hw = list(settings.hw)
    nn.Module.to(model, processes().device)
    return model


def _load_start(config: SceneConfig, folder: Path) -> SceneModel:
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: no readable config.json ({error}); give a saved model's folder.") from error
    if kind == "dinov2":
        return SceneModel.from_backbone(folder, config)
    if kind != SceneConfig.model_type:
        raise ModelError(f"{folder}: a model of type {kind}; start from a scene model or a DINOv2 model.")
    model = SceneModel.from_pretrained(folder, dtype=torch.float32)
    same_words = model.config.vocabulary == config.vocabulary
    same_adapter = describe_adapter(model.config) == describe_adapter(config)
    same_heads = (model.config.depth, model.config.looks) == (config.depth, config.looks)
    return model if same_words and same_adapter and same_heads else transfer(model, config)


def _identity(
    config: SceneConfig,
    sources: Sequence[Source],
    settings: TrainSettings,
    init: Path | None,
    validation: CachedDataset | None,
) -> str:
    """What makes a run this run: a checkpoint of another one must not be continued."""
    plan = {k: v for k, v in asdict(settings).items() if k not in _HOW_NOT_WHAT}
    return json.dumps(
        {
            "config": config.to_diff_dict(),
            "sources": [(str(s.dataset.folder), len(s.dataset), s.weight) for s in sources],
            "settings": plan,
            "init": None if init is None else str(init),
            "validation": None if validation is None else (str(validation.folder), len(validation)),
        },
        sort_keys=True,
    )


def _read_checkpoint(path: Path, identity: str) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise InputError(f"{path}: damaged checkpoint ({error}); delete it to start again.") from error
    if checkpoint["identity"] != identity:
        raise OutputError(f"{path.parent}: holds a run with other settings or sources; give another folder.")
    return checkpoint


class _Run:
    """One run's files, loader and place in its budget."""

    def __init__(
        self,
        trainer: Trainer,
        sources: Sequence[Source],
        out_dir: Path,
        identity: str,
        validation: CachedDataset | None,
        checkpoint: dict[str, Any] | None,
    ) -> None:
        self.trainer, self.out_dir, self.identity = trainer, out_dir, identity
        self.validation = validation
        self.best: float | None = None
        self.score: float | None = None
        self.scored = 0
        if checkpoint is not None:
            trainer.load_state(checkpoint["state"])
            self.best, self.score, self.scored = (checkpoint[k] for k in ("best", "score", "scored"))
        s, us = trainer.settings, processes()
        self.loader = BatchLoader(
            sources,
            s.batch_size,
            s.seed,
            first_step=trainer.done,
            hw=s.hw,
            how=_HOW.get(s.stage),
            threads=s.loader_threads,
            part=(us.process_index, us.num_processes),
        )
        self.steps_an_epoch = max(1, round(sum(len(source.dataset) for source in sources) / s.batch_size))
        self.tables = self._open_tables() if us.is_main_process else {}

    def _open_tables(self) -> dict[str, Table]:
        tasks = [task for task in TASKS if task in self.trainer.tasks]
        pairs = [f"{one}/{other}" for k, one in enumerate(tasks) for other in tasks[k + 1 :]]
        board = open_board(self.out_dir / "tensorboard") if self.trainer.settings.tensorboard else None
        columns = {
            "log": ["elapsed_s", "lr", "loss", *tasks],
            "gradients": ["epoch", *pairs],
            "scores": ["epoch", *SCORES],
        }
        wanted = ["log"]
        wanted += ["gradients"] if self.trainer.settings.cosine_steps else []
        wanted += ["scores"] if self.validation is not None else []
        done = self.trainer.done
        return {name: Table(self.out_dir / f"{name}.csv", columns[name], done, board) for name in wanted}

    def train(self, progress: Callable[[Progress], None] | None) -> None:
        """Steps until the budget is spent, with a row a step and a checkpoint every few minutes and at the end."""
        trainer, s = self.trainer, self.trainer.settings
        saved_at = trainer.elapsed_s
        while trainer.spent() < 1:
            started = time.perf_counter()
            lr = trainer.learning_rate()
            batch = next(self.loader)
            if s.cosine_steps and trainer.done % s.cosine_steps == 0:
                self._write("gradients", trainer.cosines(batch) | {"epoch": self.epoch})
            total, losses = trainer.step(batch)
            values = {name: loss.item() for name, loss in losses.items()}
            seconds = float(mean_over_processes(torch.tensor(time.perf_counter() - started, device=total.device)))
            trainer.elapsed_s += seconds
            self._write("log", {"elapsed_s": trainer.elapsed_s, "lr": lr, "loss": total.item(), **values})
            if self.validation is not None and trainer.spent() * s.scorings >= self.scored + 1:
                self._score(self.validation)
            if trainer.elapsed_s - saved_at >= 60 * s.checkpoint_minutes or trainer.spent() >= 1:
                self._checkpoint()
                saved_at = trainer.elapsed_s
            if progress is not None and processes().is_main_process:
                progress(self._news(lr, total, values, seconds))

    @property
    def epoch(self) -> float:
        return self.trainer.done / self.steps_an_epoch

    def _write(self, table: str, numbers: Mapping[str, float | None]) -> None:
        if table in self.tables:
            self.tables[table].add(self.trainer.done, numbers)

    def _news(self, lr: float, total: Tensor, values: dict[str, float], seconds: float) -> Progress:
        trainer = self.trainer
        spent, elapsed, speed = trainer.spent(), trainer.elapsed_s, trainer.settings.batch_size / seconds
        return Progress(
            trainer.done, total.item(), values, lr, speed, elapsed, max(elapsed * (1 / spent - 1), 0.0), self.score
        )

    def _score(self, validation: CachedDataset) -> None:
        """Score the averaged model; the best so far is saved at once, so that a killed run leaves one to use."""
        trainer = self.trainer
        self.scored = int(trainer.spent() * trainer.settings.scorings)
        if not processes().is_main_process:
            return
        trainer.ema.swap()
        found = evaluate_scene(trainer.model, validation, trainer.settings.batch_size)
        self.score = found[trainer.settings.best]
        if self.score is None:
            raise InputError(f"--best {trainer.settings.best}: the frames to score on lack such labels; name another.")
        self._write("scores", {"epoch": self.epoch, **{name: found[name] for name in SCORES}})
        sign = -1 if trainer.settings.best in _LOWER_IS_BETTER else 1
        if self.best is None or sign * self.score > sign * self.best:
            self.best = self.score
            _save_model(trainer.model, self.out_dir)
        trainer.ema.swap()

    def _checkpoint(self) -> None:
        if not processes().is_main_process:
            return
        for table in self.tables.values():
            table.flush()
        path = self.out_dir / CHECKPOINT
        partial = path.with_suffix(".partial")
        content = {
            "identity": self.identity,
            "state": self.trainer.state(),
            "best": self.best,
            "score": self.score,
            "scored": self.scored,
        }
        try:
            torch.save(content, partial)
        except (OSError, RuntimeError) as error:
            raise OutputError(f"{path}: the checkpoint cannot be written ({error}); free some space.") from error
        partial.replace(path)

    def close(self) -> None:
        for table in self.tables.values():
            table.close()
        self.loader.close()

    def finish(self) -> SceneModel:
        """The model to keep, averaged weights in place: the best one scored, else the last, which is saved now."""
        trainer = self.trainer
        processes().wait_for_everyone()
        if self.validation is not None:
            best: SceneModel = SceneModel.from_pretrained(self.out_dir, dtype=torch.float32)
            trainer.model.load_state_dict(best.state_dict())
        else:
            trainer.ema.swap()
            if processes().is_main_process:
                _save_model(trainer.model, self.out_dir)
        return trainer.model.eval().requires_grad_(True)


def _save_model(model: SceneModel, out_dir: Path) -> None:
    """Write the model, and its adapter apart, readable for everyone."""
    model.save_pretrained(out_dir)
    if model.config.adapter != "none":
        save_adapter(model.backbone, model.config, out_dir / ADAPTER)
    for file in out_dir.glob("*.safetensors"):
        file.chmod(0o644)  # safetensors writes 0600
