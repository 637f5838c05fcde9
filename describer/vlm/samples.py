"""Training samples as batches of tensors, through any processor; see `sample_cache` for the fast path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from describer.errors import ModelError
from describer.messages import Chat
from describer.vlm.chats import control_words, encode, render_sample
from describer.vlm.paligemma import mark_answers

IGNORED = -100
"""Label of tokens that carry no loss."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A chat and what the model should answer."""

    chat: Chat
    answer: str

    def __post_init__(self) -> None:
        if not self.answer.strip():
            raise ModelError("A training sample has an empty answer; leave such samples out.")


@dataclass(frozen=True, slots=True)
class Batch:
    """Model inputs and `labels` (B, T): token ids on answers and their end, IGNORED elsewhere."""

    inputs: dict[str, Any]
    labels: Tensor

    def to(self, device: torch.device) -> Batch:
        moved = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in self.inputs.items()}
        return Batch(moved, self.labels.to(device))


class TrainingData(Protocol):
    """What the training loop needs: how long each sample is, and batches by index."""

    @property
    def lengths(self) -> np.ndarray: ...

    def batch(self, indices: Sequence[int] | np.ndarray) -> Batch: ...


class LazySamples(Sequence[Sample]):
    """`count` samples made when asked for, by index."""

    def __init__(self, make: Callable[[int], Sample], count: int) -> None:
        self._make, self._count = make, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._make(index)


class ProcessorData:
    """Samples through ``processor(text, images)``: right for every family, as slow as its image processor.

    ``sizes`` (n) grow with the samples' lengths, so that those of like length are batched together; a lazy sample's
    length is known only when it is made, so without them all count as equal.
    """

    def __init__(self, samples: Sequence[Sample], processor: Any, sizes: Sequence[int] | None = None) -> None:
        self._samples, self._processor = samples, processor
        self._sizes = np.ones(len(samples), np.int64) if sizes is None else np.asarray(sizes, np.int64)
        self._words = control_words(processor)

    @property
    def lengths(self) -> np.ndarray:
        return self._sizes

    def batch(self, indices: Sequence[int] | np.ndarray) -> Batch:
        """Pad on the right, whatever the tokenizer does for generation."""
        samples = [self._samples[int(i)] for i in indices]
        rendered = [render_sample(self._processor, s.chat, s.answer, self._words) for s in samples]
        texts = [prompt + target for prompt, target in rendered]
        inputs = encode(self._processor, [s.chat for s in samples], texts, "right")
        labels = torch.full_like(inputs["input_ids"], IGNORED)
        for row, (prompt, target) in enumerate(rendered):
            end = int(inputs["attention_mask"][row].sum())
            start = end - answer_length(self._processor.tokenizer, prompt, target)
            labels[row, start:end] = inputs["input_ids"][row, start:end]
        mark_answers(self._processor, inputs, labels != IGNORED)
        return Batch(dict(inputs), labels)


def answer_length(tokenizer: Any, prompt: str, target: str) -> int:
    """Tokens of `target` where it follows `prompt` (a merge across the border counts to the target)."""
    whole = tokenizer(prompt + target, add_special_tokens=False)["input_ids"]
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    common = 0
    while common < min(len(whole), len(before)) and whole[common] == before[common]:
        common += 1
    return len(whole) - common


class BatchOrder:
    """Which samples form step `n`: a pure function of seed and step, so that a resumed run sees the same.

    Each epoch is shuffled, then sorted by length within stretches of 32 batches: little padding, and still a
    random mix.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int) -> None:
        if len(lengths) == 0:
            raise ModelError("There are no training samples; give at least one.")
        self._lengths, self._size, self._seed = lengths, min(batch_size, len(lengths)), seed
        self._epoch, self._batches = -1, [np.zeros(0, dtype=np.int64)]

    @property
    def steps_per_epoch(self) -> int:
        return len(self._lengths) // self._size

    def at(self, step: int) -> np.ndarray:
        """The sample indices of a step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._batches, self._epoch = self._shuffled(epoch), epoch
        return self._batches[place]

    def _shuffled(self, epoch: int) -> list[np.ndarray]:
        rng = np.random.default_rng((self._seed, epoch))
        order = rng.permutation(len(self._lengths))[: self.steps_per_epoch * self._size]
        stretch = 32 * self._size
        batches: list[np.ndarray] = []
        for start in range(0, len(order), stretch):
            part = order[start : start + stretch]
            part = part[np.argsort(self._lengths[part], kind="stable")]
            batches += np.split(part, len(part) // self._size)
        return [batches[i] for i in rng.permutation(len(batches))]
