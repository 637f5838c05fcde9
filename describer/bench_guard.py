"""`describer bench guard`: what the grounding guard keeps out, and what it costs in fluency and time.

Every frame is described twice from the same scene, guard off and strict, by the same model. Perplexity is that of each
text under the unguarded model: the probabilities are taken before the guard closes anything.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from describer.bench_rows import KeptRows
from describer.claims import contradictions
from describer.errors import InputError
from describer.frames import as_frame, count_frames, iter_frames
from describer.guard import Said
from describer.pipeline import Describer
from describer.prompts.grounding import ground
from describer.seg.synth import render
from describer.types import Frame, FrameRef, Scene

GUARDS = ("off", "strict")
RENDERED, REAL = "rendered", "real"
_SEED = 970_000_000
_FRAME_WH = (640, 512)
_CHUNK = 4
_NO_HASH = "0" * 64

Counts = dict[str, float]


@dataclass(frozen=True, slots=True)
class GuardBench:
    """``frames`` rendered ones, and ``real_frames`` evenly out of ``real``: an index.json, or what annotate takes."""

    frames: int = 1000
    real: Path | None = None
    real_frames: int = 300


def guard_bench(
    describer: Describer, bench: GuardBench, out: Path, progress: Callable[[int], object] | None = None
) -> dict[str, Any]:
    """The summary of both guards on every set of frames; see `summary`.

    ``out`` keeps a row a frame: a killed bench goes on where it was. ``progress`` is called with the number of frames
    just finished. OutputError when the rows in ``out`` are of other models.
    """
    made_with = {key: value for key, value in describer.settings().items() if key != "device"}
    rows = KeptRows(out / "guard.jsonl", made_with)
    done = {(row["set"], row["frame"]) for row in rows.read()}
    told = progress or (lambda _: None)
    for group in _chunks(frames_of(bench), _CHUNK):
        missing = [(name, frame) for name, frame in group if (name, frame.ref.source) not in done]
        if missing:
            rows.append(_measured(describer, missing))
        told(len(group))
    found = summary(rows.read())
    (out / "guard.json").write_text(json.dumps(found, indent=1) + "\n")
    return found


def total_of(bench: GuardBench) -> int:
    """How many frames the bench will look at."""
    return bench.frames + len(_real_paths(bench)) if _is_index(bench) else bench.frames + _taken(bench)


def frames_of(bench: GuardBench) -> Iterator[tuple[str, Frame]]:
    """(name of the set, frame), rendered ones first; real frames that cannot be read are left out."""
    for seed in range(_SEED, _SEED + bench.frames):
        image = render(seed, "mixed", _FRAME_WH).image
        yield RENDERED, Frame(image, FrameRef(f"synth-{seed}", seed, None, _FRAME_WH, _NO_HASH))
    if bench.real is None:
        return
    if _is_index(bench):
        for i, path in enumerate(_real_paths(bench)):
            frame = as_frame(path, index=i)
            yield REAL, Frame(frame.image, _named(frame.ref, str(path.relative_to(bench.real.parent))))
        return
    every = max(1, count_frames(str(bench.real)) // bench.real_frames)
    found = (item for i, item in enumerate(iter_frames(str(bench.real))) if i % every == 0)
    for item in itertools.islice(found, bench.real_frames):
        if isinstance(item, Frame):
            yield REAL, item


def _named(ref: FrameRef, source: str) -> FrameRef:
    return FrameRef(source, ref.index, ref.time_s, ref.size_wh, ref.sha256)


def _is_index(bench: GuardBench) -> bool:
    return bench.real is not None and bench.real.suffix == ".json"


def _taken(bench: GuardBench) -> int:
    return 0 if bench.real is None else min(bench.real_frames, count_frames(str(bench.real)))


def _real_paths(bench: GuardBench) -> list[Path]:
    """Pictures of an index.json, evenly over the whole of it."""
    if bench.real is None:
        return []
    try:
        entries = json.loads(bench.real.read_text(encoding="utf-8"))
        pictures = [bench.real.parent / entry["file"] for entry in entries if entry["type"] == "image"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{bench.real}: no list of frames with `file` and `type`; give an index.json.") from error
    there = [path for path in pictures if path.is_file()]
    count = min(bench.real_frames, len(there))
    return [there[i * len(there) // count] for i in range(count)]


def _measured(describer: Describer, named: Sequence[tuple[str, Frame]]) -> list[dict[str, Any]]:
    frames = [frame for _, frame in named]
    scenes = describer.find_scenes(frames)
    texts: dict[str, list[list[tuple[int | None, Said]]]] = {}
    seconds = {}
    for guard in GUARDS:
        began = time.perf_counter()
        texts[guard] = describer.said_of(frames, scenes, guard)
        seconds[guard] = (time.perf_counter() - began) / len(frames)
    rows = []
    for i, (name, frame) in enumerate(named):
        row: dict[str, Any] = {"set": name, "frame": frame.ref.source}
        for guard in GUARDS:
            row[guard] = {**_counts(describer, texts[guard][i], scenes[i]), "seconds": round(seconds[guard], 4)}
        plain = [said.generated.text for _, said in texts["off"][i]]
        guarded = [said.generated.text for _, said in texts["strict"][i]]
        row["changed"] = [[before, after] for before, after in zip(plain, guarded) if before != after]
        rows.append(row)
    return rows


def _counts(describer: Describer, texts: Sequence[tuple[int | None, Said]], scene: Scene) -> Counts:
    total: defaultdict[str, float] = defaultdict(float)
    named: set[int] = set()
    for region_id, said in texts:
        text, sure = said.generated.text, said.generated.confidence
        told = ground(text, scene, describer.taxonomy, region_id, sure)
        named |= {i for _, _, i in told.mentions}
        total["texts"] += 1
        total["words"] += len(text.split())
        total["mentions"] += len(told.mentions) + len(told.ungrounded)
        total["hallucinated"] += len(told.ungrounded)
        total["contradicted"] += bool(contradictions(told, scene, describer.taxonomy))
        total["withheld"] += bool(said.withheld)
        if sure:
            total["tokens"] += len(said.generated.tokens)
            total["log"] += math.log(sure) * len(said.generated.tokens)
    total["regions"] = len(scene.regions)
    total["omitted"] = len({region.id for region in scene.regions} - named)
    return {key: round(value, 4) for key, value in total.items()}


def summary(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """By set and guard: rates with what they are counted on, perplexity, words a text and seconds a frame.

    "strict / off" are the ratios of perplexity and length, and the share of texts that the guard changed.
    """
    sums: dict[str, dict[str, defaultdict[str, float]]] = {}
    changed: Counter[str] = Counter()
    for row in rows:
        kept = sums.setdefault(row["set"], {guard: defaultdict(float) for guard in GUARDS})
        changed[row["set"]] += len(row["changed"])
        for guard in GUARDS:
            for key, value in {"frames": 1, **row[guard]}.items():
                kept[guard][key] += value
    out: dict[str, Any] = {}
    for name, kept in sums.items():
        found = {guard: _rates(kept[guard]) for guard in GUARDS}
        off, strict = found["off"], found["strict"]
        out[name] = {
            **found,
            "strict / off": {
                "perplexity": _ratio(strict["perplexity"], off["perplexity"]),
                "words": _ratio(strict["words"], off["words"]),
                "changed texts": round(changed[name] / kept["off"]["texts"], 4),
            },
        }
    return out


def _rates(total: Mapping[str, float]) -> dict[str, Any]:
    def rate(count: str, of: str) -> dict[str, Any]:
        return {"rate": round(total[count] / max(total[of], 1), 5), "count": int(total[count]), "of": int(total[of])}

    return {
        "frames": int(total["frames"]),
        "texts": int(total["texts"]),
        "hallucination": rate("hallucinated", "mentions"),
        "omission": rate("omitted", "regions"),
        "contradiction": rate("contradicted", "texts"),
        "withheld": rate("withheld", "texts"),
        "perplexity": round(math.exp(-total["log"] / total["tokens"]), 4) if total["tokens"] else None,
        "words": round(total["words"] / max(total["texts"], 1), 3),
        "seconds": round(total["seconds"] / max(total["frames"], 1), 3),
    }


def _ratio(value: float | None, to: float | None) -> float | None:
    return round(value / to, 4) if value and to else None


def to_text(found: Mapping[str, Any]) -> str:
    """The summary as a table for people."""
    head = ("frames", "guard", "n", "texts", "halluc.", "omission", "contrad.", "withheld", "perplexity", "words", "s")
    lines = [head]
    for name, of in found.items():
        for guard in GUARDS:
            row = of[guard]
            rates = [
                f"{row[key]['rate']:.4f} ({row[key]['count']}/{row[key]['of']})"
                for key in ("hallucination", "omission", "contradiction", "withheld")
            ]
            sizes = (row["perplexity"] or "unknown", row["words"], row["seconds"])
            lines.append((name, guard, row["frames"], row["texts"], *rates, *sizes))
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(head))]
    table = ["  ".join(str(cell).ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    for name, of in found.items():
        ratios = ", ".join(
            f"{key} {'unknown' if value is None else value}" for key, value in of["strict / off"].items()
        )
        table.append(f"{name}, strict / off: {ratios}")
    return "\n".join(table)


def _chunks(items: Iterable[tuple[str, Frame]], size: int) -> Iterator[list[tuple[str, Frame]]]:
    iterator = iter(items)
    while group := list(itertools.islice(iterator, size)):
        yield group
