"""`describer bench`: what one machine does in one run, so that ratios mean something; never part of the tests."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from describer.devices import peak_memory_gib
from describer.eval import metric
from describer.frames import as_frame
from describer.geometry import make_region, touching
from describer.pipeline import Describer
from describer.prompts.build import region_chat
from describer.seg.synth import render
from describer.taxonomy import load_taxonomy
from describer.types import Activity, Frame, Kind, Scene

FRAME_WH = (1280, 1024)
_REGIONS = 20
_SEED = 960_000_000
_LABELS: tuple[tuple[str, Kind], ...] = (
    *(("liver", "anatomy"), ("grasper", "instrument"), ("fat", "anatomy"), ("gallbladder", "anatomy")),
    *(("hook", "instrument"), ("connective tissue", "anatomy"), ("bowel", "anatomy")),
)
_CAPTION_METRICS = ("bleu", "rouge_l", "cider_d")


def _timed(work: Callable[[], Any]) -> float:
    """Wall-clock seconds of ``work``."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _seconds(work: Callable[[], Any], repeats: int) -> float:
    """Median wall-clock seconds of ``work`` after one warm-up."""
    work()
    return statistics.median(_timed(work) for _ in range(repeats))


def grid_scene(frame: Frame, regions: int) -> Scene:
    """A scene of ``regions`` rectangles on a grid, of several labels and in contact: texts of the usual length."""
    height, width = frame.image.shape[:2]
    columns = 5
    rows = -(-regions // columns)
    found, masks = [], []
    for i in range(regions):
        mask = np.zeros((height, width), bool)
        y, x = divmod(i, columns)
        mask[
            y * height // rows : (y + 1) * height // rows - 2, x * width // columns : (x + 1) * width // columns - 2
        ] = 1
        found.append(make_region(i + 1, *_LABELS[i % len(_LABELS)], mask, 0.9))
        masks.append(mask)
    activities = (Activity("activity", "dissection", 0.9),)
    return Scene((width, height), tuple(found), tuple(touching(found, masks)), activities)


def speed(describer: Describer, repeats: int = 5) -> dict[str, Any]:
    """Seconds of a 1280 x 1024 frame, regions together against one alone, and peak memory of this process."""
    frames = [as_frame(render(_SEED + i, "laparoscopy", FRAME_WH).image, index=i) for i in range(repeats)]
    records = [describer.annotate_frames([frame])[0] for frame in frames]
    turn = iter(range(10**9))
    whole = _seconds(lambda: describer.annotate_frames([frames[next(turn) % repeats]]), 2 * repeats)
    scene_only = _seconds(lambda: describer.scene_model.predict([frames[0].image]), repeats)
    scene = grid_scene(frames[0], _REGIONS)

    def describe(ids: Sequence[int]) -> None:
        chats = [region_chat(frames[0], scene, i, describer.prompt) for i in ids]
        describer.vlm.generate(chats, describer.generation)

    # Taken in turns, so that what else runs on the machine weighs on both alike; single regions of every place,
    # because one with a short text would make the others look slow.
    everything = range(1, _REGIONS + 1)
    describe(everything)
    ones, manys = [], []
    for _ in range(repeats):
        ones += [_timed(partial(describe, [i])) for i in everything[::3]]
        manys.append(_timed(partial(describe, everything)))
    one, many = statistics.median(ones), statistics.median(manys)
    peak = peak_memory_gib()
    return {
        "frame_wh": list(FRAME_WH),
        "regions_a_frame": round(statistics.mean(len(r.scene.regions) for r in records), 1),
        "seconds_a_frame": round(whole, 3),
        "seconds_scene_model": round(scene_only, 3),
        "seconds_1_region": round(one, 3),
        f"seconds_{_REGIONS}_regions": round(many, 3),
        f"ratio_{_REGIONS}_to_1": round(many / one, 2),
        "peak_memory_gib": round(peak, 2),
    }


def captions(items: int, references: int) -> tuple[list[str], list[list[str]]]:
    """Made-up captions of surgery, seeded: ``items`` predictions with ``references`` texts each."""
    rng = np.random.default_rng(0)
    labels = load_taxonomy("core").labels
    tools = [word for label in labels if label.kind == "instrument" for word in (label.name, *label.synonyms)]
    tissues = [word for label in labels if label.kind == "anatomy" for word in (label.name, *label.synonyms)]
    verbs = ("is cutting", "is holding", "isn't touching", "retracts", "dissects", "lies next to", "coagulates")
    places = ("upper left", "lower right", "centre", "left-hand side", "surgeon's view")

    def sentence() -> str:
        tool, tissue, verb, place = (words[rng.integers(len(words))] for words in (tools, tissues, verbs, places))
        share = rng.integers(1, 60)
        return f"A {tool} {verb} the {tissue} in the {place}, covering {share}% of the view ({share / 7:.2f} cm)."

    return [sentence() for _ in range(items)], [[sentence() for _ in range(references)] for _ in range(items)]


def caption_speed(items: int, references: int) -> dict[str, Any]:
    """Cost of BLEU, ROUGE-L and CIDEr-D from raw text, beside pycocoevalcap in the same run where it is installed.

    Each side starts cold and tokenises for itself. Processor seconds count child processes (the public
    scorer's Java) and are what to compare on a machine that does other work too.
    """
    predictions, texts = captions(items, references)
    metrics = [metric(name).function for name in _CAPTION_METRICS]
    found, ours = _cost(lambda: [dict(score(predictions, texts).corpus) for score in metrics])
    out: dict[str, Any] = {"items": items, "references": references, **ours}
    try:
        theirs, public = _cost(lambda: _public_scores(predictions, texts))
    except ImportError:
        return {**out, "pycocoevalcap": "not installed"}
    together = {key: value for scores in found for key, value in scores.items()}
    return {
        **out,
        **{f"{name}_pycocoevalcap": value for name, value in public.items()},
        **{f"times_fewer_{name}": round(public[name] / max(ours[name], 0.001), 1) for name in ours},
        "largest_difference": max(abs(together[key] - theirs[key]) for key in theirs),
    }


def _cost(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What ``work`` returns, and the seconds it took by the clock and of the processor."""
    began, before = time.perf_counter(), sum(os.times()[:4])
    result = work()
    took, used = time.perf_counter() - began, sum(os.times()[:4]) - before
    return result, {"seconds": round(took, 3), "cpu_seconds": round(used, 3)}


def _public_scores(predictions: list[str], references: list[list[str]]) -> dict[str, float]:
    """Corpus scores by pycocoevalcap and its Java tokeniser."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    tokenizer = PTBTokenizer()
    ours = tokenizer.tokenize({i: [{"caption": text}] for i, text in enumerate(predictions)})
    theirs = tokenizer.tokenize({i: [{"caption": text} for text in texts] for i, texts in enumerate(references)})
    bleu, _ = Bleu(4).compute_score(theirs, ours, verbose=0)
    scores = dict(zip(metric("bleu").keys, bleu))
    return {
        **scores,
        "rouge_l": float(Rouge().compute_score(theirs, ours)[0]),
        "cider_d": float(Cider().compute_score(theirs, ours)[0]),
    }
