"""Training of the scene model: everything from scratch (stage "full"), or adapter and heads on a frozen backbone.

A run is a function of its settings and sources: frames, augmentation and order depend on the seed and the step
alone, and a checkpoint holds all that moves, so a resumed run with a step budget equals an unbroken one. With a
budget in minutes the schedule follows the clock, which no two runs share.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from describer.errors import InputError, ModelError, OutputError, TaxonomyError
from describer.seg.config import SceneConfig
from describer.seg.data import BatchLoader, Source
from describer.seg.losses import TASKS
from describer.seg.model import SceneModel
from describer.seg.scoring import evaluate_scene
from describer.seg.tesla import save_adapter
from describer.seg.trainer import Trainer, TrainSettings

__all__ = ["Progress", "TrainSettings", "evaluate_scene", "train_scene"]

CHECKPOINT, LOG, ADAPTER = "checkpoint.pt", "log.csv", "adapter.safetensors"
COLUMNS = ("step", "elapsed_s", "lr", "loss", *TASKS)


@dataclass(frozen=True, slots=True)
class Progress:
    """One step's news, for a progress display."""

    step: int
    loss: float
    losses: dict[str, float]
    lr: float
    images_per_s: float
    elapsed_s: float
    left_s: float


def train_scene(
    config: SceneConfig,
    sources: Sequence[Source],
    out_dir: Path,
    settings: TrainSettings,
    *,
    init: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> SceneModel:
    """Train a scene model into `out_dir` and return it, with averaged weights and ready for use.

    `init` is a local folder to start from: a saved scene model, or a DINOv2 model for the backbone. `out_dir`
    receives the model in Hugging Face's format, `adapter.safetensors` after stage "adapter", `log.csv` and
    `checkpoint.pt`; a run found there with the same settings is continued, another one is refused.
    """
    for source in sources:
        if source.dataset.classes != len(config.class_names):
            raise TaxonomyError(
                f"{source.dataset.folder}: labels of {source.dataset.classes} classes, the configuration names "
                f"{len(config.class_names)}; use one taxonomy."
            )
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    identity = _identity(config, sources, settings, init)
    checkpoint = _read_checkpoint(out_dir / CHECKPOINT, identity)
    trainer = Trainer(_start_model(config, settings, init), settings)
    if checkpoint is not None:
        trainer.load_state(checkpoint["state"])
    _run(trainer, sources, out_dir, identity, progress)
    return _finish(trainer, out_dir)


def _start_model(config: SceneConfig, settings: TrainSettings, init: Path | None) -> SceneModel:
    torch.manual_seed(settings.seed)
    if settings.stage == "full" and config.adapter != "none":
        raise ModelError("Stage full trains every weight and takes no adapter; set adapter none or stage adapter.")
    if settings.stage == "adapter" and init is None:
        raise ModelError("Stage adapter needs a trained model to adapt; give its folder as init.")
    model = SceneModel(config) if init is None else _load_start(config, Path(init).resolve())
    if settings.stage == "adapter" and model.config.adapter == "none":
        model.add_adapter_tesla(config)
    nn.Module.to(model, "cuda" if torch.cuda.is_available() else "cpu")
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
    if model.config.class_names != config.class_names:
        raise TaxonomyError(f"{folder}: its class names differ from the configuration's; use one taxonomy.")
    return model


def _identity(config: SceneConfig, sources: Sequence[Source], settings: TrainSettings, init: Path | None) -> str:
    """What makes a run this run: a checkpoint of another one must not be continued."""
    plan = {k: v for k, v in asdict(settings).items() if k not in ("checkpoint_minutes", "loader_threads")}
    return json.dumps(
        {
            "config": config.to_diff_dict(),
            "sources": [(str(s.dataset.folder), len(s.dataset), s.weight) for s in sources],
            "settings": plan,
            "init": None if init is None else str(init),
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


def _run(
    trainer: Trainer,
    sources: Sequence[Source],
    out_dir: Path,
    identity: str,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Steps until the budget is spent, with a log row a step and a checkpoint every few minutes and at the end."""
    s = trainer.settings
    log = StepLog(out_dir / LOG, trainer.done)
    loader = BatchLoader(sources, s.batch_size, s.seed, first_step=trainer.done, hw=s.hw, threads=s.loader_threads)
    saved_at = trainer.elapsed_s
    try:
        while trainer.spent() < 1:
            started = time.perf_counter()
            lr = trainer.learning_rate()
            total, losses = trainer.step(next(loader))
            values = {name: loss.item() for name, loss in losses.items()}
            seconds = time.perf_counter() - started
            trainer.elapsed_s += seconds
            log.add(trainer, lr, total, values)
            if trainer.elapsed_s - saved_at >= 60 * s.checkpoint_minutes or trainer.spent() >= 1:
                log.flush()
                _save_checkpoint(out_dir / CHECKPOINT, identity, trainer)
                saved_at = trainer.elapsed_s
            if progress is not None:
                progress(_news(trainer, lr, total, values, seconds))
    finally:
        log.close()
        loader.close()


def _news(trainer: Trainer, lr: float, total: Tensor, values: dict[str, float], seconds: float) -> Progress:
    spent, elapsed = trainer.spent(), trainer.elapsed_s
    speed = trainer.settings.batch_size / seconds
    return Progress(trainer.done, total.item(), values, lr, speed, elapsed, elapsed * (1 / spent - 1))


class StepLog:
    """A CSV row a step; rows that a killed run wrote beyond its checkpoint are dropped on opening."""

    def __init__(self, path: Path, done: int) -> None:
        kept: list[dict[str, str]] = []
        if done and path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= done]
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, COLUMNS)
        self._writer.writeheader()
        self._writer.writerows(kept)

    def add(self, trainer: Trainer, lr: float, total: Tensor, values: dict[str, float]) -> None:
        numbers = {"elapsed_s": trainer.elapsed_s, "lr": lr, "loss": total.item(), **values}
        self._writer.writerow({"step": trainer.done, **{k: f"{v:.6g}" for k, v in numbers.items()}})

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _save_checkpoint(path: Path, identity: str, trainer: Trainer) -> None:
    partial = path.with_suffix(".partial")
    try:
        torch.save({"identity": identity, "state": trainer.state()}, partial)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{path}: the checkpoint cannot be written ({error}); free some space.") from error
    partial.replace(path)


def _finish(trainer: Trainer, out_dir: Path) -> SceneModel:
    """Put the averaged weights in place, save, and make the files readable for everyone."""
    model = trainer.model.eval().requires_grad_(True)
    trainer.ema.copy_to_model()
    model.save_pretrained(out_dir)
    if model.config.adapter == "tesla":
        save_adapter(model, out_dir / ADAPTER)
    for file in out_dir.glob("*.safetensors"):
        file.chmod(0o644)  # safetensors writes 0600
    return model
