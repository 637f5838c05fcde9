"""The fast path for the embedded layout: samples tokenised once, pictures kept small and once each, on disk.

`CacheWriter` takes samples as they are made (several writers can fill several folders at the same time);
`SampleCache` maps the folders and gives batches equal to the processor's.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from describer.errors import ModelError
from describer.messages import Picture, pictures
from describer.vlm.chats import adds_special_tokens, control_words, render_sample
from describer.vlm.samples import IGNORED, Batch, Sample, answer_length

_RECENT = 64


class FastEncoder:
    """Encodes samples as a LLaVA processor with a fixed square image size does, without tensors."""

    def __init__(self, processor: Any) -> None:
        images = processor.image_processor
        size = dict(getattr(images, "size", None) or {})
        fixed = size.get("height") and size.get("height") == size.get("width")
        plain = not getattr(images, "do_center_crop", False) and not getattr(images, "do_pad", False)
        if type(processor).__name__ != "LlavaProcessor" or not (fixed and plain):
            raise ModelError("The fast path is for the embedded layout; use ProcessorData for other processors.")
        self.processor = processor
        self.image_px = int(size["height"])
        self.mean, self.std = tuple(images.image_mean), tuple(images.image_std)
        self.pad_id = int(processor.tokenizer.pad_token_id)
        self._resample = Image.Resampling(int(images.resample))
        self._words = control_words(processor)
        extra = processor.num_additional_image_tokens
        extra -= processor.vision_feature_select_strategy == "default"
        self._image_tokens = processor.image_token * ((self.image_px // processor.patch_size) ** 2 + extra)

    def tokens(self, sample: Sample) -> tuple[NDArray[np.int32], int]:
        """(ids with every picture's placeholders, index of the first answer token)."""
        prompt, target = render_sample(self.processor, sample.chat, sample.answer, self._words)
        tokenizer = self.processor.tokenizer
        text = (prompt + target).replace(self.processor.image_token, self._image_tokens)
        ids = tokenizer(text, add_special_tokens=adds_special_tokens(self.processor, prompt))["input_ids"]
        return np.asarray(ids, dtype=np.int32), len(ids) - answer_length(tokenizer, prompt, target)

    def shrink(self, image: np.ndarray) -> NDArray[np.uint8]:
        """RGB uint8 (H, W, 3) -> (px, px, 3), as the image processor resizes."""
        size = (self.image_px, self.image_px)
        if image.shape[:2] == size:
            return np.ascontiguousarray(image)
        return np.asarray(Image.fromarray(image).resize(size, self._resample))

    def fingerprint(self) -> str:
        """Changes when cached samples would no longer equal the processor's."""
        parts = [self.image_px, self.mean, self.std, self._image_tokens, self.processor.chat_template]
        parts.append(sorted(self.processor.tokenizer.get_vocab().items()))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class CacheWriter:
    """Appends samples to a new folder; complete only once closed (use it in a ``with``)."""

    def __init__(self, folder: str | Path, encoder: FastEncoder) -> None:
        self._folder, self._encoder = Path(folder), encoder
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "index.npz").unlink(missing_ok=True)
        self._tokens = (self._folder / "tokens.bin").open("wb")
        self._pixels = (self._folder / "pictures.bin").open("wb")
        self._seen: dict[bytes, int] = {}
        self._recent: OrderedDict[int, tuple[np.ndarray, int]] = OrderedDict()
        self._ends: list[int] = []
        self._starts: list[int] = []
        self._pictures: list[tuple[int, ...]] = []

    def add(self, sample: Sample) -> None:
        """Tokenise and append one sample; a picture seen before is not stored again."""
        ids, start = self._encoder.tokens(sample)
        self._tokens.write(ids.tobytes())
        self._ends.append((self._ends[-1] if self._ends else 0) + len(ids))
        self._starts.append(start)
        self._pictures.append(tuple(self._picture(p) for p in pictures(sample.chat)))

    def _picture(self, picture: Picture) -> int:
        # Many samples share one frame object, and knowing it again is cheaper than resizing it again. The
        # array is kept beside its id, so that the id cannot pass to another array meanwhile.
        known = self._recent.get(id(picture.image))
        if known is not None:
            return known[1]
        small = self._encoder.shrink(picture.image)
        digest = hashlib.blake2b(small.tobytes(), digest_size=16).digest()
        if digest not in self._seen:
            self._seen[digest] = len(self._seen)
            self._pixels.write(small.tobytes())
        self._recent[id(picture.image)] = (picture.image, self._seen[digest])
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        return self._seen[digest]

    def close(self) -> None:
        """Write the index; the folder can be opened from now on."""
        self._tokens.close()
        self._pixels.close()
        counts = [len(ids) for ids in self._pictures]
        with (self._folder / "index.npz").open("wb") as file:
            np.savez(
                file,
                token_ends=np.asarray(self._ends, dtype=np.int64),
                answer_starts=np.asarray(self._starts, dtype=np.int32),
                picture_ends=np.cumsum(np.asarray(counts, dtype=np.int64)),
                picture_ids=np.asarray([i for ids in self._pictures for i in ids], dtype=np.int64),
                fingerprint=np.asarray(self._encoder.fingerprint()),
            )

    def __enter__(self) -> CacheWriter:
        return self

    def __exit__(self, kind: Any, error: Any, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._tokens.close()
            self._pixels.close()


class _Shard:
    """One folder, mapped."""

    def __init__(self, folder: Path, encoder: FastEncoder) -> None:
        if not (folder / "index.npz").is_file():
            raise ModelError(f"{folder}: no finished sample cache there; write it again with CacheWriter.")
        with np.load(folder / "index.npz") as index:
            if str(index["fingerprint"]) != encoder.fingerprint():
                raise ModelError(f"{folder}: the samples were cached for another processor; write them anew.")
            self.token_ends, self.answer_starts = index["token_ends"], index["answer_starts"]
            self.picture_ends, self.picture_ids = index["picture_ends"], index["picture_ids"]
        # Only the pictures are mapped: each map holds a file open, and shards can be many.
        self.tokens = np.fromfile(folder / "tokens.bin", dtype=np.int32)
        px, path = encoder.image_px, folder / "pictures.bin"
        empty = path.stat().st_size == 0  # which cannot be mapped
        pixels = np.zeros(0, dtype=np.uint8) if empty else np.memmap(path, dtype=np.uint8, mode="r")
        self.pixels = pixels.reshape(-1, px, px, 3)
        self.lengths = np.diff(self.token_ends, prepend=0)

    def sample(self, index: int) -> tuple[np.ndarray, int, np.ndarray]:
        """(ids, first answer token, pictures (n, px, px, 3) uint8)."""
        ids = self.tokens[self.token_ends[index] - self.lengths[index] : self.token_ends[index]]
        first = self.picture_ends[index - 1] if index else 0
        seen = self.picture_ids[first : self.picture_ends[index]]
        return ids, int(self.answer_starts[index]), self.pixels[seen]


class SampleCache:
    """Cached samples of one or several folders as training data.

    Batches carry ``input_ids`` (B, T) padded on the right and ``pixel_values`` (pictures, 3, px, px) float32.
    There is no attention mask: attention is causal, so padding after the end changes no token before it.
    """

    def __init__(self, folders: str | Path | Sequence[str | Path], encoder: FastEncoder) -> None:
        many = [folders] if isinstance(folders, str | Path) else list(folders)
        self._encoder = encoder
        self._shards = [_Shard(Path(folder), encoder) for folder in many]
        self._firsts = np.cumsum([0] + [len(shard.lengths) for shard in self._shards])
        self._mean = torch.tensor(encoder.mean).view(1, 3, 1, 1)
        self._std = torch.tensor(encoder.std).view(1, 3, 1, 1)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each sample."""
        return np.concatenate([shard.lengths for shard in self._shards])

    def batch(self, indices: Sequence[int] | np.ndarray) -> Batch:
        samples = [self._sample(int(i)) for i in indices]
        longest = max(len(ids) for ids, _, _ in samples)
        input_ids = torch.full((len(samples), longest), self._encoder.pad_id, dtype=torch.long)
        labels = torch.full_like(input_ids, IGNORED)
        for row, (ids, start, _) in enumerate(samples):
            tokens = torch.from_numpy(ids.astype(np.int64))
            input_ids[row, : len(ids)] = tokens
            labels[row, start : len(ids)] = tokens[start:]
        inputs: dict[str, Any] = {"input_ids": input_ids}
        images = np.concatenate([images for _, _, images in samples])
        if len(images):
            inputs["pixel_values"] = self._normalised(images)
        return Batch(inputs, labels)

    def _sample(self, index: int) -> tuple[np.ndarray, int, np.ndarray]:
        shard = int(np.searchsorted(self._firsts, index, side="right")) - 1
        return self._shards[shard].sample(index - int(self._firsts[shard]))

    def _normalised(self, images: np.ndarray) -> torch.Tensor:
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        return (pixels - self._mean) / self._std
