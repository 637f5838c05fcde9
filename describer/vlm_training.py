"""`describer train vlm --data`: a LoRA adapter for any vision-language model, from a folder of `describer data build`.

The adapter folder is what ``--adapter`` takes: peft's files, the fingerprint of the base they belong to, the prompt
options and templates that the data was built with, the label set, recipe.json (all that made it, with the scores) and a
card. With ``quantize`` 4bit it is QLoRA (arXiv 2305.14314), else LoRA (arXiv 2106.09685).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import torch

from describer import __version__
from describer.cards import adapter_card
from describer.chat_files import BUILD, ChatFile, read_build
from describer.chat_scores import chat_scores, drawn_rows
from describer.devices import multiplies_bfloat16, peak_memory_gib
from describer.errors import InputError, OutputError
from describer.option_files import read_option_file
from describer.processes import processes, told_by_main
from describer.vlm.base import GenerationSettings
from describer.vlm.embedded import NAME
from describer.vlm.hub import reachable_source, resolve_source
from describer.vlm.loading import QUANTIZE, load_parts, pick_device
from describer.vlm.local import TransformersVLM, name_of
from describer.vlm.lora import FREEZABLE, add_lora, fingerprint, save_adapter
from describer.vlm.packaged import BASE, weights_folder
from describer.vlm.quiet import quiet
from describer.vlm.samples import LazySamples, ProcessorData, Sample
from describer.vlm.tuning import TuneOptions, TuneResult, train_vlm

Say = Callable[[str], None]
PRECISIONS = ("auto", "bf16", "no")
RECIPE, PROMPT, TEMPLATES = "recipe.json", "prompt_options.json", "templates.json"
_FILES = (BUILD, PROMPT, TEMPLATES)


@dataclass(frozen=True, slots=True)
class VlmTraining:
    """What a run tunes, on what and how; the fields are the flags of `describer train vlm`, and a YAML file's keys.

    ``data`` is a folder of `describer data build`, ``vlm`` "embedded", a folder or a hub id. Without ``steps`` or
    ``minutes`` the run takes ``epochs``. ``frozen`` are the parts beside the language model that stay as they are;
    ``targets`` the language model's layers that get updates: all, attention, mlp or a regular expression.
    """

    data: str = ""
    vlm: str = "embedded"
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: str = "all"
    frozen: tuple[str, ...] = FREEZABLE
    quantize: str | None = None
    epochs: float = 3.0
    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 16
    accumulate: int = 1
    checkpointing: bool = False
    precision: str = "auto"
    lr: float = 2e-4
    weight_decay: float = 0.0
    eval_frames: int = 48
    eval_minutes: float = 10.0
    seed: int = 0
    device: str = "auto"
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        if not self.data:
            raise InputError("Nothing to train on; give --data FOLDER, which `describer data build` writes.")
        if self.steps is not None and self.minutes is not None:
            raise InputError("--steps and --minutes both say how long to train; give one of them.")
        if self.epochs <= 0:
            raise InputError(f"--epochs must be above 0, got {self.epochs:g}.")
        if self.precision not in PRECISIONS:
            raise InputError(f"--precision {self.precision} is unknown; use one of {', '.join(PRECISIONS)}.")
        if self.quantize is not None and self.quantize not in QUANTIZE:
            raise InputError(f"--quantize {self.quantize} is unknown; use one of {', '.join(QUANTIZE)}.")
        if not 0 <= self.dropout < 1:
            raise InputError(f"--dropout must be a share in [0, 1), got {self.dropout:g}.")


def read_options(path: Path) -> dict[str, Any]:
    """The options of a YAML file, keys as in `VlmTraining`."""
    return read_option_file(path, VlmTraining, ("frozen",))


def training(from_file: Mapping[str, Any], flags: Mapping[str, Any]) -> VlmTraining:
    """A run's options: flags that were given win over the file's."""
    return VlmTraining(**{**from_file, **{name: value for name, value in flags.items() if value is not None}})


def train_adapter(options: VlmTraining, out: str | Path, progress: Say | None = None) -> Path:
    """Tune an adapter into ``out``; killed and called again it goes on where it was.

    Scored on held-out chats before, during and after. Started by torchrun or `accelerate launch`, all processes train
    one adapter. OutputError when ``out`` holds a run with other options.
    """
    say = told_by_main(progress)
    with quiet():
        return _Tuning(options, Path(out), say).run()


class _Tuning:
    """One run: data, model and folder."""

    def __init__(self, options: VlmTraining, out: Path, say: Say) -> None:
        self.options, self.out, self.say = options, out, say
        self.data = Path(options.data)
        self.build = read_build(self.data)
        self.train = ChatFile.open(self.data / "train.jsonl")
        held = self.data / "val.jsonl"
        self.val = ChatFile.open(held) if held.is_file() and held.stat().st_size else None
        self.device = processes().device if processes().num_processes > 1 else pick_device(options.device)
        auto = options.precision == "auto" and multiplies_bfloat16(self.device)
        self.bf16 = auto or options.precision == "bf16"
        self._last: dict[str, float] = {}

    def run(self) -> Path:
        o = self.options
        self._keep_to_options()
        self.say(f"{len(self.train)} chats to train on, {len(self.val) if self.val else 0} held out, from {self.data}")
        source = str(weights_folder() / BASE) if o.vlm == "embedded" else reachable_source(resolve_source(o.vlm))
        # On a GPU the frozen weights are kept in bfloat16; on a CPU, in float32, nothing is converted back and forth.
        dtype = torch.bfloat16 if self.bf16 and self.device.type != "cpu" else torch.float32
        processor, model = load_parts(source, self.device, dtype, o.quantize, o.trust_remote_code)
        base = NAME if o.vlm == "embedded" else name_of(source, fingerprint(model))
        torch.manual_seed(o.seed)
        tuned = add_lora(model, o.rank, o.alpha, o.dropout, o.targets, o.frozen)
        trainable = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
        self.say(f"{base}: {trainable:,} parameters of the adapter train on {self.device}")
        before = self._scores(model, processor)
        if before:
            self.say(f"before: {_told_scores(before)}")
        samples = ProcessorData(LazySamples(self._sample, len(self.train)), processor, self.train.sizes)
        plan = self._plan()
        result = train_vlm(
            tuned, samples, plan, self.out / "work", self._told, evaluate=lambda _: self._news(model, processor)
        )
        if processes().is_main_process:
            # A run that had ended before only has its adapter written again.
            self._finish(tuned, base, result, before, self._last or self._scores(model, processor), trainable)
        processes().wait_for_everyone()
        return self.out

    def _keep_to_options(self) -> None:
        """Another run's folder is not written over; how often to evaluate may change."""
        marker = self.out / "work" / "options.json"
        loose = {"eval_frames", "eval_minutes", "device"}
        text = json.dumps({k: v for k, v in asdict(self.options).items() if k not in loose} | {"hash": self.digest})
        with processes().main_process_first():
            if marker.is_file() and marker.read_text(encoding="utf-8") != text:
                raise OutputError(f"{self.out} holds a run with other options or data; choose another folder.")
            if processes().is_main_process:
                marker.parent.mkdir(parents=True, exist_ok=True)
                marker.write_text(text, encoding="utf-8")

    @property
    def digest(self) -> str:
        """Of the training chats' file: two adapters with the same digest saw the same."""
        return hashlib.sha256(self.train.path.read_bytes()).hexdigest()[:16]

    def _sample(self, index: int) -> Sample:
        example = self.train.example(index)
        return Sample(example.chat, example.answer)

    def _plan(self) -> TuneOptions:
        o = self.options
        steps = o.steps
        if steps is None and o.minutes is None:
            steps = max(1, math.ceil(o.epochs * len(self.train) / min(o.batch_size, len(self.train))))
        return TuneOptions(
            minutes=o.minutes,
            steps=steps,
            batch_size=o.batch_size,
            accumulate=o.accumulate,
            checkpointing=o.checkpointing,
            learning_rate=o.lr,
            weight_decay=o.weight_decay,
            bf16=self.bf16,
            seed=o.seed,
            eval_minutes=o.eval_minutes,
        )

    def _told(self, step: int, loss: float, speed: float, left_s: float) -> None:
        self.say(f"step {step}  loss {loss:.4f}  {speed:.1f} samples/s  {left_s / 60:.1f} min left")

    def _news(self, model: Any, processor: Any) -> dict[str, float]:
        self._last = self._scores(model, processor)
        if self._last:
            self.say(f"held out: {_told_scores(self._last)}")
        return self._last

    def _scores(self, model: Any, processor: Any) -> dict[str, float]:
        """Scores on the held-out sample; {} without one, and in the processes that do not speak."""
        if self.val is None or not self.options.eval_frames or not processes().is_main_process:
            return {}
        training = model.training
        model.eval()
        vlm = TransformersVLM(model, processor, "tuning")
        rows = drawn_rows(self.val, self.options.eval_frames, self.options.seed)
        with torch.no_grad():
            found = chat_scores(vlm, [self.val.example(i) for i in rows], self.build["taxonomy"], GenerationSettings())
        model.train(training)
        return found

    def _finish(
        self,
        tuned: Any,
        base: str,
        result: TuneResult,
        before: Mapping[str, float],
        after: Mapping[str, float],
        trainable: int,
    ) -> None:
        save_adapter(tuned, self.out, base)
        for name in _FILES:
            (self.out / name).write_bytes((self.data / name).read_bytes())
        label_set = self.data / "taxonomy.yaml"
        (self.out / label_set.name).write_bytes(label_set.read_bytes())
        log = self.out / "work" / "log.csv"
        if log.is_file():
            (self.out / "log.csv").write_bytes(log.read_bytes())
        peak = peak_memory_gib(str(self.device))
        recipe = {
            "base": base,
            "options": asdict(self.options),
            "data": {"sha256": self.digest, "train": len(self.train), "val": len(self.val) if self.val else 0},
            "run": asdict(result) | {"trainable": trainable, "peak_gib": round(peak, 2), "device": str(self.device)},
            "scores": {"n": int(after.get("n", 0)), "base": dict(before), "base + adapter": dict(after)},
            "versions": {"describer": __version__, **{n: version_of(n) for n in ("torch", "transformers", "peft")}},
        }
        (self.out / RECIPE).write_text(json.dumps(recipe, indent=1) + "\n", encoding="utf-8")
        (self.out / "README.md").write_text(adapter_card(recipe, self.build), encoding="utf-8")
        for path in self.out.glob("*.*"):
            path.chmod(0o644)


def _told_scores(scores: Mapping[str, float]) -> str:
    return (
        "  ".join(f"{name} {value:.3f}" for name, value in scores.items() if name != "n") + f"  (n = {scores['n']:g})"
    )
