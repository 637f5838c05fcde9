"""`describer train scene --data`: a scene model of anyone's labelled frames, from folders to model card."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from describer.caches import dataset_cache
from describer.cards import trained_card
from describer.errors import InputError
from describer.gradients import plot_gradients
from describer.option_files import read_option_file
from describer.processes import processes, told_by_main
from describer.seg.config import PATCH, SceneConfig
from describer.seg.data import CachedDataset, Source
from describer.seg.datasets.catalogue import find
from describer.seg.datasets.dataset import SPLITS
from describer.seg.datasets.overlap import check_overlap
from describer.seg.datasets.reading import groups_of
from describer.seg.model import SceneModel
from describer.seg.predict import OWN_TAXONOMY, scene_model_folder
from describer.seg.scoring import evaluate_scene
from describer.seg.training import Progress, TrainSettings, train_scene
from describer.seg.vocabulary import Vocabulary
from describer.taxonomy import Taxonomy, load_taxonomy
from describer.vlm.hub import local_folder
from describer.vlm.quiet import quiet

Say = Callable[[str], None]

_CACHE_SCALE = 8 / 7  # frames are kept a little larger than the input, for crops
_DEFAULT_MINUTES = 20.0
_COSINE_STEPS = 100
_NEWS_STEPS = 20


@dataclass(frozen=True, slots=True)
class SceneTraining:
    """What a run trains on, from and how; the fields are the flags of `describer train scene`, and a YAML file's keys.

    ``data`` are folders, each with an optional share of every batch ("DIR" or "DIR=0.3"; without shares, by size).
    ``start`` is a scene model ("embedded" or a folder) and ``backbone`` a DINOv2 folder or hub id to start from
    instead. ``size_hw`` None is the start's own.
    """

    data: tuple[str, ...]
    start: str = "embedded"
    backbone: str | None = None
    taxonomy: str | None = None
    adapter: str = "none"
    adapter_rank: int = 4
    balance: str = "equal"
    size_hw: tuple[int, int] | None = None
    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 8
    accumulate: int = 1
    precision: str = "auto"
    lr: float = 5e-4
    best: str = "miou"
    seed: int = 0
    tensorboard: bool = False
    freeze: bool = False
    allow_overlap: bool = False

    def __post_init__(self) -> None:
        if not self.data:
            raise InputError("Nothing to train on; give --data DIR, a folder that `describer data check` knows.")
        if self.size_hw is not None and any(side <= 0 or side % PATCH for side in self.size_hw):
            raise InputError(
                f"--size {self.size_hw[0]}x{self.size_hw[1]}: height and width must be multiples of {PATCH}."
            )


def read_options(path: Path) -> dict[str, Any]:
    """The options of a YAML file, keys as in `SceneTraining`."""
    return read_option_file(path, SceneTraining, ("data", "size_hw"))


def size_of(text: str) -> tuple[int, int]:
    """Height and width of "HxW"."""
    height, mark, width = text.lower().partition("x")
    if not (mark and height.isdigit() and width.isdigit()):
        raise InputError(f"--size {text}: write height x width, such as 224x280.")
    return int(height), int(width)


def training(from_file: dict[str, Any], flags: dict[str, Any]) -> SceneTraining:
    """A run's options: flags that were given win over the file's."""
    merged = {"data": (), **from_file, **{name: value for name, value in flags.items() if value is not None}}
    return SceneTraining(**merged)


def train_on(options: SceneTraining, out: str | Path, progress: Say | None = None) -> Path:
    """Train a scene model into ``out``: frames cached, trained with the best on "val" kept, scored, card written.

    The run can be killed and called again: it goes on where it was. Started by torchrun or `accelerate launch`, all
    processes train one model.
    """
    say = told_by_main(progress)
    with quiet():
        return _train(options, Path(out), say)


def _train(options: SceneTraining, folder: Path, say: Say) -> Path:
    label_set = _label_set(options)
    start = _start(options)
    config = _config(options, start, load_taxonomy(label_set))
    config.taxonomy = _kept_label_set(label_set, folder)
    hw = (config.input_hw[0], config.input_hw[1])
    caches = _caches(options, folder / "work", config.vocabulary, hw, say)
    validation = _validation(caches, say)
    settings = _settings(options, hw)
    model = train_scene(
        config, _sources(options, caches), folder, settings, init=start, validation=validation, progress=_told(say)
    )
    if processes().is_main_process:
        _finish(model, folder, caches, options)
    return folder


def _label_set(options: SceneTraining) -> str:
    """Name or file of the run's label set: the one named, the dataset's own where all share it, else core."""
    if options.taxonomy is not None:
        return options.taxonomy
    own = {find(root).taxonomy_of(root) for root, _ in _folders(options)}
    return own.pop() if len(own) == 1 else "core"


def _kept_label_set(label_set: str, folder: Path) -> str:
    """What the model's configuration calls it: a file goes along with the model, since it may not stay where it is."""
    if Path(label_set).suffix not in {".yaml", ".yml"}:
        return label_set
    if processes().is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / OWN_TAXONOMY).write_bytes(Path(label_set).read_bytes())
    return OWN_TAXONOMY


def _folders(options: SceneTraining) -> list[tuple[Path, float | None]]:
    """The folders and their shares; InputError for a share that is no number."""
    found: list[tuple[Path, float | None]] = []
    for spec in options.data:
        path, mark, share = spec.rpartition("=")
        if not mark or Path(spec).is_dir():
            found.append((Path(spec), None))
            continue
        try:
            found.append((Path(path), float(share)))
        except ValueError:
            raise InputError(f"--data {spec}: {share!r} is no share; write DIR or DIR=0.3.") from None
    return found


def _start(options: SceneTraining) -> Path:
    if options.backbone is None:
        return scene_model_folder(options.start)
    return local_folder(options.backbone, "backbone")


def _config(options: SceneTraining, start: Path, taxonomy: Taxonomy) -> SceneConfig:
    """The start's architecture with the run's words; of a bare backbone, the embedded model's heads around it."""
    like = scene_model_folder("embedded") if options.backbone is not None else start
    words = Vocabulary.of(taxonomy)
    kinds = [label.kind for label in taxonomy.labels]
    changes = {
        "class_names": words.classes,
        "activity_names": words.activities,
        "phase_names": words.phases,
        "verb_names": words.verbs,
        "target_names": words.targets,
        "instrument_classes": [1 + k for k, kind in enumerate(kinds) if kind == "instrument"],
        "adapter": options.adapter,
        "adapter_rank": options.adapter_rank,
    }
    config = SceneConfig(**{**SceneConfig.from_pretrained(like).to_dict(), **changes})
    if options.size_hw is not None:
        config.input_hw = list(options.size_hw)
    return config


def _caches(
    options: SceneTraining, work: Path, words: Vocabulary, hw: tuple[int, int], say: Say
) -> dict[str, dict[str, CachedDataset]]:
    """By folder and split, every split that has frames; the main process makes what is not there yet."""
    cache_hw = (round(hw[0] * _CACHE_SCALE), round(hw[1] * _CACHE_SCALE))
    found: dict[str, dict[str, CachedDataset]] = {}
    grouped = [(root, *groups_of(root)) for root, _ in _folders(options)]
    used = [(name, group, split) for _, name, groups in grouped for split in groups for group in groups[split]]
    for warning in check_overlap(used, options.allow_overlap):
        say(warning)
    for k, (root, name, groups) in enumerate(grouped):
        splits = [split for split in SPLITS if groups.get(split)]
        with processes().main_process_first():
            for split in splits:
                frames = dataset_cache(work / f"{k}-{name}" / split, root, split, words, cache_hw)
                say(f"{root} ({name}), {split}: {frames} frames of {len(groups[split])} groups")
        found[str(root)] = {split: CachedDataset(work / f"{k}-{name}" / split) for split in splits}
    return found


def _sources(options: SceneTraining, caches: Mapping[str, Mapping[str, CachedDataset]]) -> list[Source]:
    sources = []
    for root, share in _folders(options):
        train = caches[str(root)].get("train")
        if train is None:
            raise InputError(f"{root}: no frame in its train split; see `describer data check {root}`.")
        sources.append(Source(train, float(len(train)) if share is None else share))
    return sources


def _validation(caches: Mapping[str, Mapping[str, CachedDataset]], say: Say) -> CachedDataset | None:
    """The "val" split of the first folder that has one: what chooses the best model must be of one kind."""
    for root, splits in caches.items():
        if "val" in splits:
            say(f"the best model is chosen on the val split of {root}")
            return splits["val"]
    say("no val split: the last model is kept; frames of more videos or patients would allow one")
    return None


def _settings(options: SceneTraining, hw: tuple[int, int]) -> TrainSettings:
    stage = "heads" if options.freeze else "full"
    return TrainSettings(
        steps=options.steps,
        minutes=_DEFAULT_MINUTES if options.steps is None and options.minutes is None else options.minutes,
        stage=stage if options.adapter == "none" else "adapter",
        batch_size=options.batch_size,
        accumulate=options.accumulate,
        precision=options.precision,
        lr=options.lr,
        balance=options.balance,
        hw=hw,
        best=options.best,
        seed=options.seed,
        cosine_steps=_COSINE_STEPS,
        tensorboard=options.tensorboard,
    )


def _told(say: Say) -> Callable[[Progress], None]:
    def tell(news: Progress) -> None:
        if news.step % _NEWS_STEPS and news.left_s > 0:
            return
        losses = "  ".join(f"{task} {loss:.3f}" for task, loss in news.losses.items())
        score = "" if news.score is None else f"  best-metric {news.score:.3f}"
        say(
            f"step {news.step}  loss {news.loss:.3f} ({losses}){score}  "
            f"{news.images_per_s:.1f} images/s  {news.left_s / 60:.1f} min left"
        )

    return tell


def _finish(
    model: SceneModel, folder: Path, caches: Mapping[str, Mapping[str, CachedDataset]], options: SceneTraining
) -> None:
    """Scores of every held-out split, the gradients' plot and the card."""
    scores = {
        f"{Path(root).name}, {split}": evaluate_scene(model, dataset)
        for root, splits in caches.items()
        for split, dataset in splits.items()
        if split != "train"
    }
    plot_gradients(folder / "gradients.csv")
    (folder / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")
    (folder / "options.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(asdict(options))), sort_keys=False))
    frames = {root: {split: len(dataset) for split, dataset in splits.items()} for root, splits in caches.items()}
    again = f"describer train scene --config options.yaml --out {folder.name}"
    (folder / "README.md").write_text(trained_card(model.config.to_dict(), scores, frames, again))
