"""`describer bench metrics`: what the caption metrics cost, beside the public scorer where it is installed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from describer.eval import metric
from describer.taxonomy import load_taxonomy

_CAPTION_METRICS = ("bleu", "rouge_l", "cider_d")


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
