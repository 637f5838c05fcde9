"""Real sentences of ../shared/data for the caption metrics' tests, and items made of them; skips without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_PLACES = (Path("/work/shared/data"), Path(__file__).parents[3] / "shared" / "data")
_POOLS = {
    "real_colon_vqa_in_template": ("question", "answer"),
    "real_colon_vqa_out_template": ("question", "answer"),
    "copesd_motion": ("instruction", "motion"),
    "kvasir_vqa_train": ("question", "answer"),
    "endovis18_vqa_train_sentences": ("qa",),
    "endovis18_predicted_captions_swinmlp": ("caption",),
    "surgvu25_vqa": ("question", "references"),
}
_ITEMS_A_POOL = 250

# What real sets hardly have: nothing said, nothing left after punctuation, repeated words, a whole match.
_EDGES = {
    "empty": ("", ["the liver is seen"]),
    "punctuation": ("...", ["the liver is seen"]),
    "empty reference": ("the liver is seen", ["?"]),
    "both empty": ("", ["?"]),
    "repeats": ("the the the the", ["the liver", "the hook and the liver"]),
    "whole": ("The hook cuts fat.", ["the hook cuts fat"]),
    "one word": ("Hook", ["hook", "a hook"]),
    "space inside": ("3 1/2 cm of the hook", ["3 1/2 cm of the hook", "3 cm"]),
}


def shared(*parts: str) -> Path:
    """A path in the folder of real data; the test skips where there is none."""
    for place in _PLACES:
        if (found := place.joinpath(*parts)).exists():
            return found
    pytest.skip("no ../shared/data here")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from _strings(part)


def all_strings(folder: Path) -> list[str]:
    """Every string of the JSONL files of ``text/``, keys too, once, in order of code points."""
    found: set[str] = set()
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").split("\n"):
            found.update(_strings(json.loads(line or "[]")))
    return sorted(found)


def items(folder: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Predictions and 1 to 5 references by id: each item a sentence against those that follow it in its file."""
    predictions, references = {}, {}
    for name, (text, texts) in _EDGES.items():
        predictions[name], references[name] = text, texts
    for pool, fields in _POOLS.items():
        rows = map(json.loads, (folder / f"{pool}.jsonl").read_text(encoding="utf-8").strip().split("\n"))
        sentences = list(dict.fromkeys(s for row in rows for field in fields for s in _strings(row[field])))
        for i in range(min(_ITEMS_A_POOL, len(sentences) - 5)):
            predictions[f"{pool} {i}"] = sentences[i]
            references[f"{pool} {i}"] = sentences[i + 1 : i + 2 + i % 5]
    return predictions, references
