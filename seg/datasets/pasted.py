"""Instruments pasted on real tissue: folders that ``describer synth --backgrounds`` wrote.

ROOT/synth.json marks them; images/, masks/ (core class ids and the codes of codes.py), instances/ and tools.jsonl, one
line a frame with its background and what was pasted. Frames on the same background are a group. The masks speak of
instruments, and of tissue where the background's own mask did.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from describer.pictures import read_image
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.files import read_codes, read_map
from describer.seg.datasets.frame import ToolLabel
from describer.taxonomy import load_taxonomy

_AGAIN = "run the same describer synth again to finish"


def read(root: Path) -> Iterator[Listed]:
    with (root / "tools.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            try:
                told = json.loads(line)
                name, background, pasted = str(told["source"]), str(told["background"]), list(told["pasted"])
            except (ValueError, KeyError, TypeError):
                yield Problem("tools.jsonl", "a line is damaged", _AGAIN)
                continue
            stem = Path(name).stem
            image, mask, instances = root / name, root / f"masks/{stem}.png", root / f"instances/{stem}.png"
            missing = [path for path in (image, mask, instances) if not path.is_file()]
            if missing:
                yield Problem(name, f"{missing[0].relative_to(root).as_posix()} is missing", _AGAIN)
                continue
            yield Item(
                name=name,
                group=background,
                image=partial(read_image, image),
                codes=partial(read_codes, mask),
                annotated=load_taxonomy("core").of_kind("instrument"),
                tools=lambda size_wh, pasted=pasted, instances=instances: _tools(pasted, instances),  # type: ignore[misc]
            )


def _tools(pasted: list[Mapping[str, Any]], instances: Path) -> tuple[ToolLabel, ...] | None:
    """The pasted instruments; None where the background shows others, of which nothing more is known."""
    if set(np.unique(read_map(instances)).tolist()) - {0} != {thing["instance_id"] for thing in pasted}:
        return None
    known = load_taxonomy("core").names
    return tuple(
        ToolLabel(thing["label"] if thing["label"] in known else None, tuple(thing["tip_box_xyxy"])) for thing in pasted
    )


DATASET = Dataset(
    name="composites",
    title="instruments pasted on real tissue by describer synth --backgrounds",
    layout="synth.json, images/, masks/, instances/, tools.jsonl",
    marks=("synth.json", "tools.jsonl", "images", "masks"),
    taxonomy="core",
    read=read,
    grouping="the background picture",
    licence="that of the backgrounds and instruments",
)
