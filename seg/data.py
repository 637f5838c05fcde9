"""Cached training frames: memory-mapped shards, a seeded mixture of several sources, and a prefetching loader.

A source is a folder of shard folders, each with .npy files of N frames:

    shard-00000/images.npy      uint8   (N, H, W, 3)  RGB
    shard-00000/labels.npy      uint8   (N, H, W)     class ids and the codes of losses.py
    shard-00000/activity.npy    int8    (N,)          activity id, -1 unknown
    shard-00000/annotated.npy   bool    (N, C)        the classes that the frame's labels speak of

and, where the source has them,

    shard-00000/depth.npy       float16 (N, H, W)     any unit, NaN unknown
    shard-00000/phase.npy       int8    (N,)          phase id, -1 unknown
    shard-00000/tool_boxes_xyxy.npy float32 (N, T, 4) boxes of the instruments' tips in pixels, NaN where none
    shard-00000/tool_labels.npy int16   (N, T, 3)     their class, verb and target ids (vocabulary.py), -1 unknown
    shard-00000/tools_known.npy bool    (N,)          whether these are all instruments of the frame
    shard-00000/parts.npy       uint8   (N, H, W)     numbers of regions whose looks are known, 0 none
    shard-00000/looks.npy       int8    (N, P, 3)     looks ids (looks.REGION_WORDS) of regions 1 to P, -1 unknown
    shard-00000/view.npy        int8    (N, 4)        looks ids (looks.VIEW_WORDS) of the view, -1 unknown
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from describer.errors import InputError
from describer.seg.augment import Augmentation, augment, random_affine, warp, warp_boxes
from describer.seg.image import TRAIN_HW
from describer.seg.looks import MAX_PARTS, REGION_WORDS, VIEW_WORDS
from describer.seg.vocabulary import MAX_TOOLS

CACHE_HW = (320, 400)
_DTYPES: dict[str, type] = {
    "images": np.uint8,
    "labels": np.uint8,
    "activity": np.int8,
    "annotated": bool,
    "depth": np.float16,
    "phase": np.int8,
    "tool_boxes_xyxy": np.float32,
    "tool_labels": np.int16,
    "tools_known": bool,
    "parts": np.uint8,
    "looks": np.int8,
    "view": np.int8,
}
REQUIRED = ("images", "labels", "activity", "annotated")
GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class Sample:
    """One cached frame, as a row of the module's table; tools are NaN boxes and -1 where the source has none."""

    image: np.ndarray
    labels: np.ndarray
    activity: int
    annotated: np.ndarray
    depth: np.ndarray | None
    phase: int = -1
    tool_boxes_xyxy: np.ndarray = field(default_factory=lambda: np.full((MAX_TOOLS, 4), np.nan, np.float32))
    tool_labels: np.ndarray = field(default_factory=lambda: np.full((MAX_TOOLS, 3), -1, np.int16))
    tools_known: bool = False
    parts: np.ndarray | None = None
    looks: np.ndarray = field(default_factory=lambda: np.full((MAX_PARTS, len(REGION_WORDS)), -1, np.int8))
    view: np.ndarray = field(default_factory=lambda: np.full(len(VIEW_WORDS), -1, np.int8))


def write_shard(folder: Path, index: int, images: np.ndarray, labels: np.ndarray, **others: np.ndarray | None) -> Path:
    """Write shard `index` of a source (arrays as in the module's table); it appears whole or not at all."""
    given = {"images": images, "labels": labels} | {k: v for k, v in others.items() if v is not None}
    unknown = sorted(set(given) - set(_DTYPES))
    if unknown:
        raise InputError(f"{folder}: a shard has no {', '.join(unknown)}; write {', '.join(_DTYPES)}.")
    arrays: dict[str, np.ndarray] = {name: np.asarray(array, _DTYPES[name]) for name, array in given.items()}
    final = Path(folder) / f"shard-{index:05d}"
    _check_shapes(final, arrays)
    partial = final.with_name(f".{final.name}.{os.getpid()}")
    partial.mkdir(parents=True)
    for name, array in arrays.items():
        np.save(partial / f"{name}.npy", array)
    if final.exists():
        shutil.rmtree(final)
    partial.rename(final)
    return final


def _check_shapes(shard: Path, arrays: dict[str, np.ndarray]) -> None:
    n, h, w = arrays["images"].shape[:3]
    wanted = {"images": (n, h, w, 3), "labels": (n, h, w), "depth": (n, h, w), "parts": (n, h, w)}
    wanted |= dict.fromkeys(("activity", "phase", "tools_known"), (n,))
    wanted["annotated"] = (n, arrays["annotated"].shape[-1])
    wanted |= {"tool_boxes_xyxy": (n, MAX_TOOLS, 4), "tool_labels": (n, MAX_TOOLS, 3)}
    wanted |= {"looks": (n, MAX_PARTS, len(REGION_WORDS)), "view": (n, len(VIEW_WORDS))}
    for name, array in arrays.items():
        if array.shape != wanted[name]:
            raise InputError(f"{shard}: {name} has shape {array.shape}, expected {wanted[name]}; write it again.")


class CachedDataset:
    """The frames of one source, read through memory maps."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._shards = [self._open(path) for path in sorted(self.folder.glob("shard-*"))]
        if not self._shards:
            raise InputError(f"{self.folder}: no shard-* folder in it; write one with data.write_shard.")
        self._ends = np.cumsum([len(shard["images"]) for shard in self._shards])
        widths = {shard["annotated"].shape[1] for shard in self._shards}
        if len(widths) > 1:
            raise InputError(f"{self.folder}: shards differ in their number of classes; write the source again.")
        self.classes: int = widths.pop()

    @staticmethod
    def _open(path: Path) -> dict[str, np.ndarray]:
        missing = [name for name in REQUIRED if not (path / f"{name}.npy").is_file()]
        if missing:
            raise InputError(f"{path}: {', '.join(missing)}.npy missing; write the shard again.")
        names = [name for name in _DTYPES if name in REQUIRED or (path / f"{name}.npy").is_file()]
        arrays = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in names}
        _check_shapes(path, arrays)
        return arrays

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        k = int(np.searchsorted(self._ends, index, side="right"))
        shard, row = self._shards[k], index - (int(self._ends[k - 1]) if k else 0)
        depth = shard.get("depth")
        extra: dict[str, Any] = {}
        if "phase" in shard:
            extra["phase"] = int(shard["phase"][row])
        if "tool_labels" in shard:
            extra["tool_boxes_xyxy"] = np.asarray(shard["tool_boxes_xyxy"][row])
            extra["tool_labels"] = np.asarray(shard["tool_labels"][row])
            extra["tools_known"] = bool(shard["tools_known"][row])
        extra |= {name: np.asarray(shard[name][row]) for name in ("parts", "looks", "view") if name in shard}
        return Sample(
            image=np.asarray(shard["images"][row]),
            labels=np.asarray(shard["labels"][row]),
            activity=int(shard["activity"][row]),
            annotated=np.asarray(shard["annotated"][row]),
            depth=None if depth is None else np.asarray(depth[row], np.float32),
            **extra,
        )


@dataclass(frozen=True, slots=True)
class Source:
    """A data set and its share of every batch (shares need not sum to 1)."""

    dataset: CachedDataset
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise InputError(f"{self.dataset.folder}: weight must be positive, got {self.weight}; leave it out.")


class Mixture:
    """Which frames make up batch k: a function of the seed and k alone, so a run can resume anywhere.

    Slots go to sources by a golden-ratio sequence (shares are exact to one frame in any stretch), and every
    source is walked in a new random order each time round, so no frame is seen twice before all are seen once.
    """

    def __init__(self, sources: Sequence[Source], batch_size: int, seed: int) -> None:
        if not sources:
            raise InputError("Training needs at least one source of frames; give a folder of shards.")
        self._sizes = [len(source.dataset) for source in sources]
        weights = np.array([source.weight for source in sources])
        self._bounds = np.cumsum(weights / weights.sum())[:-1]
        self._batch_size, self._seed = batch_size, seed
        self._order: dict[tuple[int, int], np.ndarray] = {}

    def _slots(self, start: int, stop: int) -> np.ndarray:
        return np.searchsorted(self._bounds, (np.arange(start, stop) * GOLDEN) % 1.0, side="right")

    def _frame(self, source: int, draw: int) -> int:
        lap, place = divmod(draw, self._sizes[source])
        if (source, lap) not in self._order:
            order = np.random.default_rng([self._seed, source, lap]).permutation(self._sizes[source])
            self._order.pop((source, lap - 2), None)
            self._order[source, lap] = order
        return int(self._order[source, lap][place])

    def batches(self, first_step: int = 0) -> Iterator[list[tuple[int, int]]]:
        """(source, frame) pairs of batch `first_step` and all later ones."""
        start = first_step * self._batch_size
        draws = np.bincount(self._slots(0, start), minlength=len(self._sizes))
        while True:
            batch = []
            for source in self._slots(start, start + self._batch_size):
                batch.append((int(source), self._frame(int(source), int(draws[source]))))
                draws[source] += 1
            start += self._batch_size
            yield batch


class BatchLoader:
    """Augmented batches in order, made ahead by background threads (OpenCV releases the interpreter lock).

    Yields what `collate` describes. The randomness of a frame depends on the seed, its batch and its place there
    only: `part` (rank, world) takes every world-th frame of each batch, and all ranks together see the same batch.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        batch_size: int,
        seed: int = 0,
        *,
        first_step: int = 0,
        hw: tuple[int, int] = TRAIN_HW,
        how: Augmentation | None = None,
        threads: int = 1,
        ahead: int = 4,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        self._sources = list(sources)
        self._plan = Mixture(self._sources, batch_size, seed).batches(first_step)
        self._seed, self._step, self._hw = seed, first_step, hw
        self._part = part
        self._how = how or Augmentation()
        cv2.setNumThreads(1)  # frames are small: OpenCV's own threads would only take cores from the model
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="frames")
        self._waiting: deque[Future[dict[str, Tensor]]] = deque()
        self._ahead = ahead

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return self

    def __next__(self) -> dict[str, Tensor]:
        while len(self._waiting) <= self._ahead:
            self._waiting.append(self._pool.submit(self._make, self._step, next(self._plan)))
            self._step += 1
        return self._waiting.popleft().result()

    def close(self) -> None:
        """Stop the threads; batches made ahead are dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _make(self, step: int, picks: list[tuple[int, int]]) -> dict[str, Tensor]:
        rank, world = self._part
        places = range(rank, len(picks), world)
        return collate([self._augmented(picks[k], np.random.default_rng([self._seed, step, 1 + k])) for k in places])

    def _augmented(self, pick: tuple[int, int], rng: np.random.Generator) -> Sample:
        source, frame = pick
        sample = self._sources[source].dataset[frame]
        matrix = random_affine(rng, self._how, sample.image.shape[:2], self._hw)
        image, labels, depth = augment(
            sample.image, sample.labels, sample.depth, rng, how=self._how, to_hw=self._hw, matrix=matrix
        )
        boxes = warp_boxes(sample.tool_boxes_xyxy, matrix, self._hw)
        parts = None if sample.parts is None else warp(sample.parts, matrix, self._hw, smooth=False)
        return replace(sample, image=image, labels=labels, depth=depth, tool_boxes_xyxy=boxes, parts=parts)


def collate(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """Stack frames of one size into a batch.

    images (B, H, W, 3) uint8, labels (B, H, W) uint8, depth (B, H, W) float32 with NaN where unknown, activity and
    phase (B,) int64, annotated (B, C) bool, tool_boxes_xyxy (B, T, 4) float32 as shares of width and height,
    tool_labels (B, T, 3) int64, tools_known (B,) bool, parts (B, H, W) uint8, looks (B, P, 3) and view (B, 4) int64.
    """
    h, w = samples[0].labels.shape
    unknown, none = np.full((h, w), np.nan, np.float32), np.zeros((h, w), np.uint8)
    depth = [unknown if sample.depth is None else sample.depth for sample in samples]
    boxes = np.stack([sample.tool_boxes_xyxy for sample in samples]) / np.array([w, h, w, h], np.float32)
    return {
        "images": torch.from_numpy(np.stack([sample.image for sample in samples])),
        "labels": torch.from_numpy(np.stack([sample.labels for sample in samples])),
        "depth": torch.from_numpy(np.stack(depth)),
        "activity": torch.tensor([sample.activity for sample in samples]),
        "phase": torch.tensor([sample.phase for sample in samples]),
        "annotated": torch.from_numpy(np.stack([sample.annotated for sample in samples])),
        "tool_boxes_xyxy": torch.from_numpy(boxes),
        "tool_labels": torch.from_numpy(np.stack([sample.tool_labels for sample in samples]).astype(np.int64)),
        "tools_known": torch.tensor([sample.tools_known for sample in samples]),
        "parts": torch.from_numpy(np.stack([none if sample.parts is None else sample.parts for sample in samples])),
        "looks": torch.from_numpy(np.stack([sample.looks for sample in samples]).astype(np.int64)),
        "view": torch.from_numpy(np.stack([sample.view for sample in samples]).astype(np.int64)),
    }
