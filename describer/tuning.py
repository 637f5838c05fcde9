"""`describer train`: one command makes each embedded checkpoint, from rendered scenes to the model card."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch

from describer.caches import HELD_OUT_SEED, TOOLS, real_caches, rendered_cache
from describer.cards import language_card, scene_card
from describer.composites import composited_cache
from describer.detection import box_scores, real_boxes, rendered_boxes
from describer.errors import InputError
from describer.eval.truth import EntityScores
from describer.instructions import corpus, write_samples
from describer.look_scores import look_scores
from describer.pipeline import Describer
from describer.prompts.build import PromptOptions
from describer.scores import language_scores
from describer.seg.adapters import plain_state_dict
from describer.seg.config import SceneConfig
from describer.seg.data import CachedDataset, Source
from describer.seg.model import SceneModel
from describer.seg.predict import ScenePredictor
from describer.seg.scoring import evaluate_scene
from describer.seg.training import Progress as StepNews
from describer.seg.training import TrainSettings, train_scene
from describer.seg.transfer import average
from describer.taxonomy import load_taxonomy
from describer.triplets import triplet_ap
from describer.vlm.embedded import build_embedded, save_embedded, train_tokenizer
from describer.vlm.lora import add_lora, save_adapter
from describer.vlm.sample_cache import FastEncoder, SampleCache
from describer.vlm.tuning import TuneOptions, train_vlm

Progress = Callable[[str], None]

PRESETS = ("embedded",)
HELD_OUT_FRAMES = 500
BOXED_FRAMES = 200
TOKENIZER_FRAMES = 400
SCORED_FRAMES = 200
_VLM_SEED = 500_000_000
# What the embedded language model is shown: a region's crop, or the frame where there is no region.
EMBEDDED_PROMPT = PromptOptions(crop=True, frame_with_crop=False, taught_words=True)

# Shares of a training batch: a frame's worth of polyps teaches little about instruments, and the other way round.
_REAL_SHARES = {
    "kvasir_seg": 0.10,
    "cholect50val": 0.08,
    "gae": 0.06,
    "cholecseg8k_crops": 0.04,
    "cholec_instance_seg": 0.03,
    "cholec80_video01_tool": 0.025,
    "cataract": 0.02,
    "segcol": 0.012,
}
# Instruments on real tissue. At twice this share the model saw instruments where there were none.
_COMPOSITED_SHARE = 0.10

# Larger than the default: tips are what tells instruments apart, and a few pixels wide.
_HW = (280, 350)


@dataclass(frozen=True, slots=True)
class _Stage:
    """One leg of the scene model's training: its share of the minutes, learning rate and input height and width.

    It sees "plain" sources, "further" ones, which hold composites too, "rendered" scenes alone, which know depth, or
    those whose "looks" are known.
    """

    name: str
    stage: str
    share: float
    lr: float
    hw: tuple[int, int] = _HW
    sees: str = "plain"


# Small pictures first: twice as many are seen while the features form. Then the convolutional path alone learns the
# fine shapes on a backbone that stands still (twice as fast), and everything settles together. Composites come last and
# the model halfway between before and after them is kept: alone, they made it see instruments where there were none.
# What instruments do, depth and looks are learned at the end, each by a head alone, on that model.
_SCENE_STAGES = (
    _Stage("low", "full", 0.19, 1e-3, (168, 210)),
    _Stage("heads", "heads", 0.17, 1.5e-3),
    _Stage("full", "full", 0.17, 4e-4),
    _Stage("further-heads", "heads", 0.10, 5e-4, sees="further"),
    _Stage("further-full", "full", 0.11, 3e-4, sees="further"),
    _Stage("tools", "tools", 0.06, 1e-3, sees="further"),
    _Stage("depth", "depth", 0.07, 1.5e-3, sees="rendered"),
    _Stage("looks", "looks", 0.13, 1.5e-3, sees="looks"),
)
_BEFORE, _AFTER = "full", "further-full"  # what is averaged

# More operations than a plain mixture has, and frames of nothing but tools: seven of the nine instruments are seen
# only in operations, each in one activity.
_RENDERED_SHARES = {"mixed": 0.35, "laparoscopy": 0.33, TOOLS: 0.32}

# By class id of the core set: about the square root of how much rarer its pixels are than an organ's. The kinds of
# instrument weigh alike, and less than that: frames of tools and composites show them often.
_CLASS_WEIGHTS = (
    *(0.5, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.25, 1.3),
    *(0.45, 0.7, 0.45, 0.6, 0.47, 0.45, 0.3, 1.05, 1.0, 1.0, 1.05, 2.9),
)
_RENDERED_DATA = (
    "Scenes rendered by this project, seeds from 0 on: mixed procedures as `describer synth` makes them, more "
    "laparoscopies, and frames of nothing but tools; no real frame, no held-out seed."
)
_REAL_DATA = (
    "Rendered scenes (half of every batch or more; seeds from 0 on: mixed procedures, more laparoscopies, and frames "
    "of nothing but tools), labelled real frames: Kvasir-SEG (every picture but about 200; research and "
    "education), GAE (Apache-2.0), CholecT50 operation VID74 (441 frames, words and tip boxes, no masks; CC BY-NC-SA "
    "4.0), CholecSeg8k poster crops (CC BY-NC-SA 4.0), CholecInstanceSeg (10; CC BY-NC-SA 4.0), Cholec80 video 01 tool "
    "masks (20; CC BY-NC-SA 4.0), Cataract-1K (15; CC BY 4.0), one SegCol clip (10; research), and composites: "
    "instruments, rendered or cut out of those same frames, pasted on those same frames. In Kvasir and SegCol what is "
    "neither polyp nor tool nor dark is taken for mucosa."
)


def embedded_scene_config() -> SceneConfig:
    """The shipped scene model: DINOv2 layout 192 x 8, attention stem of width 8, four levels, no adapter.

    It tells no phases: learned from the one operation there is, they were less often right than the commonest phase.
    """
    core = load_taxonomy("core")
    return SceneConfig(
        class_names=["background", *core.names],
        activity_names=list(core.activities),
        verb_names=list(core.verbs),
        target_names=list(core.targets),
        taxonomy="core",
        sma_width=8,
        decoder_width=128,
        looks=True,
    )


def _check_preset(preset: str) -> None:
    if preset not in PRESETS:
        raise InputError(f"--preset {preset!r} is unknown; use one of {', '.join(PRESETS)}.")


def train_scene_preset(
    preset: str,
    out: str | Path,
    minutes: float = 100.0,
    frames: int = 20_000,
    real: str | Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Make a scene checkpoint in ``out``: render, train, score on held-out scenes, write the model card.

    ``real`` is the index.json of labelled real frames; without it only rendered scenes are used. ``minutes`` are
    shared among eight stages: everything on small pictures, the heads alone, everything, both again with composites
    (averaged with what was before), what instruments do, depth, and looks. The run can be killed and called again:
    caches and training go on where they were.
    """
    _check_preset(preset)
    say = progress or (lambda text: None)
    config, folder = embedded_scene_config(), Path(out)
    work = folder / "work"
    sources = _scene_sources(config, work, frames, real, say)
    told, init = _told_scene(say), None
    for seed, step in enumerate(_SCENE_STAGES):
        say(f"stage {step.name}: {step.share * minutes:.1f} minutes")
        settings = TrainSettings(
            minutes=step.share * minutes,
            stage=step.stage,
            lr=step.lr,
            hw=step.hw,
            seed=seed,
            batch_size=8,
            class_weights=_CLASS_WEIGHTS,
        )
        model = train_scene(config, sources[step.sees], work / step.name, settings, init=init, progress=told)
        init = work / step.name
        if step.name == _AFTER:
            init = _averaged(work / _BEFORE, work / _AFTER, work / "averaged")
    finish_scene(model, folder, work, real, f"describer train scene --preset {preset} --minutes {minutes:g}")
    return folder


def _averaged(before: Path, after: Path, out: Path) -> Path:
    first, second = (SceneModel.from_pretrained(folder, dtype=torch.float32) for folder in (before, after))
    average(first, second).save_pretrained(out)
    return out


def _scene_sources(
    config: SceneConfig, work: Path, frames: int, real: str | Path | None, say: Progress
) -> dict[str, list[Source]]:
    """What a stage may see."""
    words = config.vocabulary
    say(f"rendering {frames} training scenes (kept in {work})")
    rendered = {}
    for procedure, share in _RENDERED_SHARES.items():
        folder = rendered_cache(work / f"rendered-{procedure}", 0, int(share * frames), words, procedure)
        rendered[procedure] = Source(CachedDataset(folder), share)
    alone = list(rendered.values())
    known = {"rendered": alone, "looks": [rendered[procedure] for procedure in rendered if procedure != TOOLS]}
    if real is None:
        return {"plain": alone, "further": alone} | known
    caches = real_caches(work / "real-train", Path(real), "train", words)
    mixed = [Source(CachedDataset(path), _REAL_SHARES[name]) for name, path in caches.items()]
    say("pasting instruments on real tissue")
    count = max(8, round(_COMPOSITED_SHARE * frames))
    pasted = Source(
        CachedDataset(composited_cache(work / "composited", Path(real), count, 0, words)), _COMPOSITED_SHARE
    )
    return {"plain": _filled(alone, mixed), "further": _filled(alone, [*mixed, pasted])} | known


def _filled(rendered: list[Source], others: list[Source]) -> list[Source]:
    """The others at their shares, rendered scenes for the rest of every batch."""
    left = 1.0 - sum(source.weight for source in others)
    return [*(replace(source, weight=left * source.weight) for source in rendered), *others]


def _told_scene(say: Progress) -> Callable[[StepNews], None]:
    def tell(news: StepNews) -> None:
        if news.step % 20 == 0:
            left = "" if news.left_s is None else f"  {news.left_s / 60:.1f} min left"
            say(f"step {news.step}  loss {news.loss:.3f}  {news.images_per_s:.1f} images/s{left}")

    return tell


def finish_scene(model: SceneModel, folder: Path, work: Path, real: str | Path | None, recipe: str) -> None:
    """Score a trained scene model, save it for shipping (bfloat16) and write its card."""
    model.bfloat16().save_pretrained(folder)
    # Scored as shipped: the saved weights, read back.
    scores = scene_scores(SceneModel.from_pretrained(folder, dtype=torch.float32), work, real)
    (folder / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")
    if real is not None:
        recipe += " --real INDEX.json"
    data, licence = (_REAL_DATA, "CC-BY-NC-SA-4.0 (research only)") if real else (_RENDERED_DATA, "Apache-2.0")
    (folder / "README.md").write_text(scene_card(scores, recipe, data, licence))
    _readable(folder)


def scene_scores(model: SceneModel, work: Path, real: str | Path | None) -> dict[str, Any]:
    """Held-out scores of a scene model: rendered scenes, and every real source with a held-out split.

    "boxes" of a split are its `box_scores`, where instances are known, and "triplets" its `triplet_ap`, or None.
    """
    words = model.config.vocabulary
    rendered_cache(work / "held-out", HELD_OUT_SEED, HELD_OUT_FRAMES, words)
    scores = {"rendered, held out": evaluate_scene(model, CachedDataset(work / "held-out"))}
    predictor = ScenePredictor(model, "scored")
    rendered = scores["rendered, held out"]
    rendered["boxes"] = box_scores(predictor, rendered_boxes(BOXED_FRAMES))
    rendered["looks"] = look_scores(predictor, BOXED_FRAMES)
    rendered["triplets"] = triplet_ap(predictor, CachedDataset(work / "held-out"))
    for split in ("held out", "evaluation only") if real is not None else ():
        boxed = real_boxes(Path(real or ""), split)
        caches = real_caches(work / f"real-{split.replace(' ', '-')}", Path(real or ""), split, words)
        for name, path in caches.items():
            scores[f"{name}, {split}"] = evaluate_scene(model, CachedDataset(path))
            scores[f"{name}, {split}"]["triplets"] = triplet_ap(predictor, CachedDataset(path))
            if name in boxed:
                scores[f"{name}, {split}"]["boxes"] = box_scores(predictor, boxed[name])
    return scores


def train_vlm_preset(
    preset: str,
    out: str | Path,
    scene_model: str = "embedded",
    minutes: float = 40.0,
    frames: int = 3000,
    adapter_frames: int = 1200,
    progress: Progress | None = None,
) -> Path:
    """Make the language model and its LoRA adapter: ``out/vlm`` on true scenes, ``out/vlm-lora`` on predicted.

    Three quarters of ``minutes`` go to the base, one quarter to the adapter. Resumable like the scene model.
    """
    _check_preset(preset)
    say = progress or (lambda text: None)
    folder, work = Path(out), Path(out) / "work"
    base, adapter = folder / "vlm", folder / "vlm-lora"
    model, processor = _new_vlm(work, scene_model, say)
    encoder = FastEncoder(processor)
    say(f"writing samples of {frames} frames with true scenes")
    true_chunks = write_samples(work / "true", _VLM_SEED, frames, work / "start", EMBEDDED_PROMPT)
    data = SampleCache(true_chunks, encoder)
    say(f"training the base on {len(data.lengths)} samples")
    train_vlm(model, data, TuneOptions(minutes=0.75 * minutes), work / "base-run", _told(say))
    save_embedded(model, processor, base)
    _save_prompt(base)
    say(f"writing samples of {adapter_frames} frames with predicted scenes")
    first = _VLM_SEED + 10_000_000
    predicted = write_samples(work / "predicted", first, adapter_frames, work / "start", EMBEDDED_PROMPT, scene_model)
    data = SampleCache(predicted, encoder)
    say(f"training the adapter on {len(data.lengths)} samples")
    tuned = add_lora(model)
    options = TuneOptions(minutes=0.25 * minutes, learning_rate=5e-4)
    train_vlm(tuned, data, options, work / "lora-run", _told(say))
    save_adapter(tuned, adapter, "describer-embedded-vlm")
    _save_prompt(adapter)
    _readable(folder)
    finish_vlm(folder, scene_model, f"describer train vlm --preset {preset} --minutes {minutes:g}")
    return folder


def finish_vlm(folder: Path, scene_model: str, recipe: str) -> None:
    """Score base, base + adapter and the black-picture control on held-out frames, and write the card."""
    runs = vlm_scores(scene_model, str(folder / "vlm"), str(folder / "vlm-lora"), SCORED_FRAMES)
    (folder / "vlm" / "scores.json").write_text(json.dumps(plain(runs), indent=1) + "\n")
    licence = "same as the scene model's, whose backbone and predictions it was trained with"
    (folder / "vlm" / "README.md").write_text(language_card(runs, recipe, licence))


def vlm_scores(scene_model: str, vlm: str, adapter: str | None, frames: int) -> dict[str, dict[str, Any]]:
    """Scores on the same held-out frames: base, base + adapter, base + adapter on black pictures."""
    # A model's own scores: what the guard makes of its texts is measured by `describer bench guard`.
    bare = Describer(scene_model, vlm, adapter="none", device="cpu", guard="off")
    tuned = Describer(scene_model, vlm, adapter=adapter, device="cpu", guard="off")
    return {
        "base": language_scores(bare, frames),
        "base + adapter": language_scores(tuned, frames),
        "base + adapter, black pictures": language_scores(tuned, frames, black=True),
    }


def plain(value: Any) -> Any:
    """Score objects as JSON values."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {**asdict(value), **({"f1": value.f1} if isinstance(value, EntityScores) else {})}
    return value


def _new_vlm(work: Path, scene_model: str, say: Progress) -> tuple[Any, Any]:
    """The untrained model and its processor; the vision tower starts as the scene model's trained backbone."""
    scene = ScenePredictor.load(scene_model).model
    state = plain_state_dict(scene.backbone)
    texts = work / "corpus.json"
    if not texts.is_file():
        say("collecting the tokenizer's texts")
        work.mkdir(parents=True, exist_ok=True)
        texts.write_text(json.dumps(corpus(_VLM_SEED, TOKENIZER_FRAMES, EMBEDDED_PROMPT)))
    tokenizer = train_tokenizer(json.loads(texts.read_text()))
    model, processor = build_embedded(tokenizer, scene.config.backbone or {}, state)
    processor.save_pretrained(work / "start")
    return model, processor


def _told(say: Progress) -> Callable[[int, float, float, float], None]:
    return lambda step, loss, speed, left: say(
        f"step {step}  loss {loss:.4f}  {speed:.1f} samples/s  {left / 60:.1f} min left"
    )


def _save_prompt(folder: Path) -> None:
    (folder / "prompt_options.json").write_text(json.dumps(EMBEDDED_PROMPT.to_dict(), indent=1) + "\n")


def _readable(folder: Path) -> None:
    # safetensors writes files only their owner may read; a package's files are for everyone.
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
