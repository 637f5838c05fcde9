"""Cached training frames: memory-mapped shards, a seeded mixture of several sources, and a prefetching loader.

A source is a folder of shard folders, each with .npy files of N frames:

    shard-00000/images.npy      uint8   (N, H, W, 3)  RGB
    shard-00000/labels.npy      uint8   (N, H, W)     class ids and the codes of losses.py
    shard-00000/activity.npy    int8    (N,)          activity id, -1 unknown
    shard-00000/annotated.npy   bool    (N, C)        the classes that the frame's labels speak of
    shard-00000/depth.npy       float16 (N, H, W)     any unit, NaN unknown; optional
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from describer.errors import InputError
from describer.seg.augment import Augmentation, augment
from describer.seg.image import TRAIN_HW

CACHE_HW = (256, 320)
REQUIRED = ("images", "labels", "activity", "annotated")
GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class Sample:
    """One cached frame: image (H, W, 3) uint8, labels (H, W) uint8, activity, annotated (C,), depth or None."""

    image: np.ndarray
    labels: np.ndarray
    activity: int
    annotated: np.ndarray
    depth: np.ndarray | None


def write_shard(
    folder: Path,
    index: int,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    activity: np.ndarray,
    annotated: np.ndarray,
    depth: np.ndarray | None = None,
) -> Path:
    """Write shard `index` of a source (arrays as in the module's table); it appears whole or not at all."""
    arrays = {
        "images": np.asarray(images, np.uint8),
        "labels": np.asarray(labels, np.uint8),
        "activity": np.asarray(activity, np.int8),
        "annotated": np.asarray(annotated, bool),
    }
    if depth is not None:
        arrays["depth"] = np.asarray(depth, np.float16)
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
    wanted = {"images": (n, h, w, 3), "labels": (n, h, w), "activity": (n,), "depth": (n, h, w)}
    wanted["annotated"] = (n, arrays["annotated"].shape[-1])
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
        names = [*REQUIRED, *(["depth"] if (path / "depth.npy").is_file() else [])]
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
        return Sample(
            image=np.asarray(shard["images"][row]),
            labels=np.asarray(shard["labels"][row]),
            activity=int(shard["activity"][row]),
            annotated=np.asarray(shard["annotated"][row]),
            depth=None if depth is None else np.asarray(depth[row], np.float32),
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

    Yields dicts: images (B, H, W, 3) uint8, labels (B, H, W) uint8, depth (B, H, W) float32 with NaN where
    unknown, activity (B,) int64, annotated (B, C) bool. The randomness of batch k depends on seed and k only.
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
    ) -> None:
        self._sources = list(sources)
        self._plan = Mixture(self._sources, batch_size, seed).batches(first_step)
        self._seed, self._step, self._hw = seed, first_step, hw
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
        rng = np.random.default_rng([self._seed, step, 1])
        samples = [self._sources[source].dataset[frame] for source, frame in picks]
        return collate([self._augmented(sample, rng) for sample in samples])

    def _augmented(self, sample: Sample, rng: np.random.Generator) -> Sample:
        image, labels, depth = augment(sample.image, sample.labels, sample.depth, rng, how=self._how, to_hw=self._hw)
        return Sample(image, labels, sample.activity, sample.annotated, depth)


def collate(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """Stack frames of one size into the batch that `BatchLoader` describes."""
    unknown = np.full(samples[0].labels.shape, np.nan, np.float32)
    depth = [unknown if sample.depth is None else sample.depth for sample in samples]
    return {
        "images": torch.from_numpy(np.stack([sample.image for sample in samples])),
        "labels": torch.from_numpy(np.stack([sample.labels for sample in samples])),
        "depth": torch.from_numpy(np.stack(depth)),
        "activity": torch.tensor([sample.activity for sample in samples]),
        "annotated": torch.from_numpy(np.stack([sample.annotated for sample in samples])),
    }
