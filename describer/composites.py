"""Training caches of real tissue with pasted instruments: `seg.synth.composite` on the training frames of an index.

Only what `read_indexed` gives for "train" is used, never a held-out or evaluation-only source. Where a background
has no masks (CholecT50), its own pixels are REST: anything but the instruments that its triplets say it does not show.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from describer.caches import SHARD, TOOLS, check_origin, real_caches, rendered_cache
from describer.errors import InputError
from describer.geometry import tip_box
from describer.seg.codes import SOME_INSTRUMENT
from describer.seg.config import INSTRUMENT_CLASSES
from describer.seg.data import CachedDataset, Sample, write_shard
from describer.seg.datasets import LabelledFrame, ToolLabel
from describer.seg.synth.composite import Background, CutOut, Pasted, composite, cut_out
from describer.seg.vocabulary import Vocabulary, frame_arrays
from describer.synthesis import parallel

# Shares of the backgrounds. Sources of few patients would else be outnumbered by the one of many.
_SHARES = {
    "kvasir_seg": 0.3,
    "cholect50val": 0.28,
    "cholecseg8k_crops": 0.14,
    "gae": 0.1,
    "cholec_instance_seg": 0.07,
    "cholec80_video01_tool": 0.07,
    "cataract": 0.04,
}
_FLEXIBLE = ("electric knife", "snare")
_FLEXIBLE_CHANCE = 0.6  # on a background of flexible endoscopy; the rest vary the domain
_REAL_CHANCE = 0.5  # a real cut-out rather than a rendered one
_HOW_MANY = (0.5, 0.35, 0.15)  # one, two, three instruments
# Frames whose rendered instruments are cut out, and how many of each kind of scene one shard draws on.
_RENDERED = {TOOLS: 400, "esd": 80, "colonoscopy": 80}
_FRAMES_A_SHARD = 80
_COVERED = 0.5  # of a tip's box: with more pasted over it, nobody could name the instrument
_RENDERED_SEED = 700_000_000


def composited_cache(
    folder: Path,
    index: Path,
    n: int,
    seed: int,
    words: Vocabulary,
    progress: Callable[[int], object] | None = None,
    workers: int | None = None,
) -> Path:
    """Shards of ``n`` composites of the index's training frames; shards that are there already are kept.

    InputError when the index has no frame to train on; OutputError when the folder holds composites of another seed
    or index.
    """
    check_origin(folder, {"composites_of": str(Path(index).resolve()), "seed": seed})
    real = real_caches(folder / "real-train", index, "train", words)
    sources = {name: path for name, path in real.items() if name in _SHARES}
    if not sources:
        raise InputError(f"{index} has no training frames of {', '.join(_SHARES)}; compositing needs some of them.")
    for scene, count in _RENDERED.items():
        rendered_cache(folder / f"rendered-{scene}", _RENDERED_SEED, min(count, n), words, scene, workers=workers)
    jobs = [
        (folder, sources, shard, seed, min(SHARD, n - shard * SHARD), words)
        for shard in range((n + SHARD - 1) // SHARD)
        if not (folder / f"shard-{shard:05d}").exists()
    ]
    for count in parallel(_composite_shard, jobs, workers or os.cpu_count() or 1):
        if progress is not None:
            progress(count)
    return folder


def _composite_shard(job: tuple[Path, dict[str, Path], int, int, int, Vocabulary]) -> int:
    folder, sources, index, seed, n, words = job
    rng = np.random.default_rng([seed, index])
    tissue = {name: CachedDataset(path) for name, path in sources.items()}
    rendered = [CachedDataset(folder / f"rendered-{scene}") for scene in _RENDERED]
    stock = _Stock(_real_cut_outs(list(tissue.values())), _rendered_cut_outs(rendered, rng), words)
    names = list(tissue)
    shares = np.array([_SHARES[name] for name in names])
    frames = []
    for _ in range(n):
        name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        sample = tissue[name][int(rng.integers(len(tissue[name])))]
        frames.append(_frame(sample, stock.pick(name == "kvasir_seg", rng), words, rng))
    write_shard(folder, index, **frame_arrays(frames, words))
    return n


class _Stock:
    """Cut-outs by kind: real ones (SOME_INSTRUMENT among the kinds) and rendered ones."""

    def __init__(self, real: Sequence[CutOut], rendered: Sequence[CutOut], words: Vocabulary) -> None:
        self._flexible = [words.classes.index(name) for name in _FLEXIBLE]
        self._real, self._rendered = _by_code(real), _by_code(rendered)

    def pick(self, flexible: bool, rng: np.random.Generator) -> list[CutOut]:
        """One to three cut-outs that fit a background, rare kinds more often than they are found."""
        count = 1 + int(rng.choice(len(_HOW_MANY), p=_HOW_MANY))
        return [cut for _ in range(count) if (cut := self._one(flexible, rng)) is not None]

    def _one(self, flexible: bool, rng: np.random.Generator) -> CutOut | None:
        fitting = flexible and rng.random() < _FLEXIBLE_CHANCE
        real = bool(self._real) and not fitting and rng.random() < _REAL_CHANCE
        stock = self._real if real else self._rendered
        codes = [code for code in stock if (code in self._flexible) == fitting]
        if not codes:
            return None
        weights = np.sqrt([len(stock[code]) for code in codes])
        group = stock[int(rng.choice(codes, p=weights / weights.sum()))]
        return group[int(rng.integers(len(group)))]


def _by_code(cut_outs: Sequence[CutOut]) -> dict[int, list[CutOut]]:
    groups: dict[int, list[CutOut]] = {}
    for cut in cut_outs:
        groups.setdefault(cut.code, []).append(cut)
    return groups


def _real_cut_outs(tissue: Sequence[CachedDataset]) -> list[CutOut]:
    codes = (*INSTRUMENT_CLASSES, SOME_INSTRUMENT)
    found = []
    for dataset in tissue:
        for k in range(len(dataset)):
            sample = dataset[k]
            if np.isin(sample.labels, codes).any():
                found += cut_out(sample.image, sample.labels, codes)
    return found


def _rendered_cut_outs(rendered: Sequence[CachedDataset], rng: np.random.Generator) -> list[CutOut]:
    """Instruments of some rendered frames, their labels exact."""
    found = []
    for dataset in rendered:
        for k in rng.permutation(len(dataset))[:_FRAMES_A_SHARD]:
            sample = dataset[int(k)]
            found += cut_out(sample.image, sample.labels, INSTRUMENT_CLASSES, exact=True)
    return found


def _frame(sample: Sample, cut_outs: Sequence[CutOut], words: Vocabulary, rng: np.random.Generator) -> LabelledFrame:
    unnumbered = np.zeros(sample.labels.shape, np.uint16)
    made = composite(Background(sample.image, sample.labels, unnumbered), cut_outs, rng)
    shown = _tools_shown(sample, made.instances > 0, words)
    pasted = tuple(_tool(thing, made.instances == thing.instance_id, words) for thing in made.pasted)
    return LabelledFrame(
        source="composited",
        image=made.image,
        labels=made.labels,
        activity=None,
        annotated=tuple(name for name, known in zip(words.classes, sample.annotated, strict=True) if known),
        tools=None if shown is None else (*pasted, *shown),
    )


def _tools_shown(sample: Sample, covered: np.ndarray, words: Vocabulary) -> tuple[ToolLabel, ...] | None:
    """The background's own instruments that can still be seen; None where not all of them are known."""
    if not sample.tools_known:
        seen = np.isin(sample.labels, (*INSTRUMENT_CLASSES, SOME_INSTRUMENT)).any()
        return () if sample.annotated[list(INSTRUMENT_CLASSES)].all() and not seen else None
    tools = []
    for ids, box in zip(sample.tool_labels, sample.tool_boxes_xyxy, strict=True):
        x0, y0, x1, y1 = (round(float(side)) for side in np.nan_to_num(box))
        hidden = np.isfinite(box).all() and covered[y0:y1, x0:x1].mean() >= _COVERED
        if (ids >= 0).any() and not hidden:
            tools.append(_told(ids, box, words))
    return tuple(tools)


def _told(ids: np.ndarray, box: np.ndarray, words: Vocabulary) -> ToolLabel:
    """A cached tool in words again, as `vocabulary.frame_arrays` reads them."""
    tool, verb, target = (int(k) for k in ids)
    x0, y0, x1, y1 = (float(side) for side in box)
    return ToolLabel(
        instrument=words.classes[tool] if tool >= 0 else None,
        box_xyxy=(x0, y0, x1, y1) if np.isfinite(box).all() else None,
        verb=words.verbs[verb - 1] if verb > 0 else "" if verb == 0 else None,
        target=words.targets[target - 1] if target > 0 else None,
    )


def _tool(thing: Pasted, mask: np.ndarray, words: Vocabulary) -> ToolLabel:
    name = None if thing.code == SOME_INSTRUMENT else words.classes[thing.code]
    return ToolLabel(name, tip_box(mask, thing.tip_xy_px))
