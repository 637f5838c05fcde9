"""Any vision-language model that transformers loads, on this machine."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from describer.abstention import Threshold, read_threshold
from describer.confidence import Calibration, read_calibration
from describer.errors import ModelError
from describer.messages import Chat, pictures
from describer.vlm.attention import step_in_float32
from describer.vlm.base import Check, Checked, Generated, GenerationSettings
from describer.vlm.chats import control_words, encode, render_prompt, require_template
from describer.vlm.choosing import Choice
from describer.vlm.guarded import Following, Script, decode_checked, text_of
from describer.vlm.hub import local_folder, reachable_source, resolve_source
from describer.vlm.likelihood import mean_log_likelihoods
from describer.vlm.loading import load_parts, pick_device, pick_dtype, read_prompt_options
from describer.vlm.lora import fingerprint, load_adapter
from describer.vlm.prefix import read_shared
from describer.vlm.quiet import quiet
from describer.vlm.rewind import Read, can_rewind, read_of, rewound
from describer.vlm.streaming import streamer_of

Keep = Callable[[int, Generated, Callable[[], Read]], None]
"""Is told of each answer: its chat's number, the answer, and how to get what the model has read of it."""


class TransformersVLM:
    """A model and its processor behind the `VisionLanguageModel` protocol."""

    def __init__(
        self,
        model: Any,
        processor: Any,
        name: str,
        adapter: str | None = None,
        prompt_options: Mapping[str, Any] | None = None,
        threshold: Threshold | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        require_template(processor)
        self.model, self.processor = model, processor
        self.name, self.adapter, self.prompt_options = name, adapter, prompt_options
        self.threshold, self.calibration = threshold, calibration
        self._words = control_words(processor)

    @classmethod
    def load(
        cls,
        spec: str,
        adapter: str | None = None,
        *,
        device: str = "auto",
        dtype: str = "auto",
        quantize: str | None = None,
        trust_remote_code: bool = False,
        names: tuple[str, str] | None = None,
    ) -> TransformersVLM:
        """From a local folder or a hub id, with a peft adapter (folder or hub id) merged unless quantized.

        `names` overrides what model and adapter are called in records. ModelError, in one sentence, for
        whatever does not load or does not fit.
        """
        source = resolve_source(spec)
        where = pick_device(device)
        with quiet():
            lora = local_folder(adapter, "adapter") if adapter else None
            opened = reachable_source(source)
            number = pick_dtype(dtype, where)
            # An adapter is merged before weights are rounded: its part is smaller than bfloat16's steps.
            exact = torch.float32 if lora and where.type == "cpu" and not quantize else number
            processor, model = load_parts(opened, where, exact, quantize, trust_remote_code)
            step_in_float32(model)
            name = names[0] if names else name_of(source, fingerprint(model))
            if lora:
                model = load_adapter(model, lora, name, merge=not quantize).eval()
            if exact is not number:
                model = model.to(number)
        lora_name = None
        if lora and adapter:
            weights = (lora / "adapter_model.safetensors").read_bytes()
            lora_name = names[1] if names else name_of(str(lora), hashlib.sha256(weights).hexdigest())
        # A base's calibration says nothing of the base with an adapter.
        calibration = read_calibration(lora or opened)
        options, threshold = read_prompt_options(lora, opened), read_threshold(lora, opened)
        return cls(model, processor, name, lora_name, options, threshold, calibration)

    def generate(self, chats: Sequence[Chat], settings: GenerationSettings | None = None) -> list[Generated]:
        """Answer every chat, in order; chats of like length are decoded together.

        ModelError when a chat is longer than the model can read.
        """
        return self._generate(chats, settings or GenerationSettings(), [None] * len(chats))

    def generate_checked(
        self, chats: Sequence[Chat], checks: Sequence[Check], settings: GenerationSettings | None = None
    ) -> list[Checked]:
        """Answer every chat, in order, each held against its check: see `decode_checked`."""
        kept: dict[int, Read] = {}

        def keep(row: int, answer: Generated, read: Callable[[], Read]) -> None:
            if checks[row](answer.text):
                kept[row] = read()

        def decode(rows: Sequence[int], scripts: Sequence[Script | None], how: GenerationSettings) -> list[Generated]:
            again = [script for script in scripts if script is not None]
            if not again:
                return self._generate([chats[i] for i in rows], how, scripts, keep)
            if kept.keys() >= set(rows):
                try:
                    return self._go_on([kept[i] for i in rows], again, how)
                except torch.OutOfMemoryError:
                    kept.clear()
                    torch.cuda.empty_cache()
            return self._generate([chats[i] for i in rows], how, scripts)

        return decode_checked(decode, self.processor.tokenizer, checks, settings or GenerationSettings())

    def _generate(
        self,
        chats: Sequence[Chat],
        settings: GenerationSettings,
        scripts: Sequence[Script | None],
        keep: Keep | None = None,
    ) -> list[Generated]:
        texts = [render_prompt(self.processor, chat, self._words) for chat in chats]
        answers: list[Generated | None] = [None] * len(chats)
        with quiet(), torch.inference_mode():
            for group in _batches(chats, texts, settings.batch_size):
                for index, answer in zip(group, self._answer(chats, texts, group, settings, scripts, keep)):
                    answers[index] = answer
        return [answer for answer in answers if answer is not None]

    def _answer(
        self,
        chats: Sequence[Chat],
        texts: Sequence[str],
        group: list[int],
        settings: GenerationSettings,
        scripts: Sequence[Script | None],
        keep: Keep | None,
    ) -> list[Generated]:
        try:
            inputs = self._inputs([chats[i] for i in group], [texts[i] for i in group])
            tokens = inputs["input_ids"].shape[1] + settings.max_new_tokens
            if len(group) == 1 or len(group) * tokens <= settings.batch_tokens:
                return self._decode(inputs, settings, [scripts[i] for i in group], group, keep)
        except torch.OutOfMemoryError as error:
            if len(group) == 1:
                raise ModelError(
                    "One prompt does not fit the accelerator's memory; use a smaller model or --quantize 4bit."
                ) from error
            torch.cuda.empty_cache()
        half = len(group) // 2
        first = self._answer(chats, texts, group[:half], settings, scripts, keep)
        return first + self._answer(chats, texts, group[half:], settings, scripts, keep)

    def _decode(
        self,
        inputs: Any,
        settings: GenerationSettings,
        scripts: list[Script | None],
        group: Sequence[int],
        keep: Keep | None,
    ) -> list[Generated]:
        self._check_length(inputs["input_ids"].shape[1] + settings.max_new_tokens, settings)
        following = [Following(scripts, self.processor.tokenizer, self._ends())] if any(scripts) else []
        inputs = read_shared(self.model, inputs, self.processor.tokenizer.pad_token_id)
        output, tokens, logs = self._continue(inputs, settings, following)
        answers = [self._one(row, of_row) for row, of_row in zip(tokens.tolist(), logs.tolist())]
        if keep is not None and can_rewind(self.model, inputs):
            for row, (index, answer) in enumerate(zip(group, answers)):
                keep(index, answer, partial(read_of, inputs, output, row, len(answer.tokens)))
        return answers

    def _go_on(self, reads: Sequence[Read], scripts: Sequence[Script], settings: GenerationSettings) -> list[Generated]:
        """Answers by their scripts to chats that were answered before: only what follows the prefixes is made."""
        longest = max(len(read.ids) for read in reads) + settings.max_new_tokens
        size = max(1, min(settings.batch_size, settings.batch_tokens // longest))
        answers = []
        with quiet(), torch.inference_mode():
            for start in range(0, len(reads), size):
                some = scripts[start : start + size]
                begun = [script.prefix for script in some]
                inputs = rewound(self.model, reads[start : start + size], begun, self.processor.tokenizer.pad_token_id)
                most = settings.max_new_tokens - min(map(len, begun))
                following = Following(some, self.processor.tokenizer, self._ends(), begun=True)
                _, tokens, logs = self._continue(inputs, replace(settings, max_new_tokens=most), [following])
                for script, row, of_row in zip(some, tokens.tolist(), logs.tolist()):
                    ids, all_logs = (*script.prefix, *row), (*script.logs, *of_row)
                    answers.append(self._one(ids[: settings.max_new_tokens], all_logs[: settings.max_new_tokens]))
        return answers

    def _continue(
        self, inputs: Any, settings: GenerationSettings, following: Sequence[Following]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(what ``generate`` gives, its new tokens (B, n), their log-probabilities (B, n))."""
        # Probabilities are taken before anything is closed: the model's own, whatever it was made to say.
        recorder = _Probabilities()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            output = self.model.generate(
                **inputs,
                generation_config=self._generation_config(settings),
                logits_processor=LogitsProcessorList([recorder, *following]),
                streamer=streamer_of(self.processor.tokenizer, len(inputs["input_ids"])),
            )
        # Encoder-decoder models give the answer alone, after one start token.
        start = 1 if self.model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        return output, output[:, start:], recorder.finish(output)

    def choose(self, chats: Sequence[Chat], candidates: Sequence[Sequence[str]]) -> list[Choice]:
        """The likeliest of each chat's candidates, in order; ModelError when a chat does not fit the model."""
        with quiet(), torch.inference_mode():
            return [
                Choice.of(mean_log_likelihoods(self.model, self.processor, chat, given, self._words))
                for chat, given in zip(chats, candidates, strict=True)
            ]

    def _inputs(self, chats: Sequence[Chat], texts: Sequence[str]) -> Any:
        return encode(self.processor, chats, texts, "left").to(self.model.device, dtype=self.model.dtype)

    def _check_length(self, tokens: int, settings: GenerationSettings) -> None:
        limit = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if limit and tokens > limit:
            raise ModelError(
                f"A prompt with {settings.max_new_tokens} tokens for its answer takes {tokens} tokens, but "
                f"{self.name} reads {limit}; shorten the question or lower max_new_tokens."
            )

    def _generation_config(self, settings: GenerationSettings) -> Any:
        config = copy.deepcopy(self.model.generation_config)
        sample = settings.temperature > 0
        config.update(
            do_sample=sample,
            temperature=settings.temperature if sample else None,
            top_p=None,
            top_k=None,
            num_beams=1,
            max_new_tokens=settings.max_new_tokens,
            max_length=None,
            pad_token_id=self.processor.tokenizer.pad_token_id,
        )
        if config.eos_token_id is None:
            config.eos_token_id = self.processor.tokenizer.eos_token_id
        return config

    def _ends(self) -> set[int | None]:
        """Tokens that end an answer."""
        ends = self.model.generation_config.eos_token_id
        return {self.processor.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])}

    def _one(self, ids: Sequence[int], logs: Sequence[float]) -> Generated:
        ends = self._ends()
        length = next((i + 1 for i, token in enumerate(ids) if token in ends), len(ids))
        text = text_of(self.processor.tokenizer, ids[:length])
        mean = sum(logs[:length]) / max(length, 1)
        return Generated(text, round(math.exp(mean), 4), tuple(ids[:length]), tuple(logs[:length]))


def _batches(chats: Sequence[Chat], texts: Sequence[str], size: int) -> Iterator[list[int]]:
    """Indices of like length, longest first (so that memory is short at once or never).

    Chats without a picture stay apart: not every family takes them in one batch with the others.
    """
    counts = [len(pictures(chat)) for chat in chats]
    order = sorted(range(len(chats)), key=lambda i: (-counts[i], -len(texts[i]), i))
    for group in ([i for i in order if counts[i]], [i for i in order if not counts[i]]):
        for start in range(0, len(group), size):
            yield group[start : start + size]


class _Probabilities(LogitsProcessor):
    """Remembers the log-probability of each chosen token, holding one step's scores instead of all."""

    def __init__(self) -> None:
        self._scores: Tensor | None = None
        self._chosen: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self._pick(input_ids)
        self._scores = scores.float().log_softmax(-1)
        return scores

    def _pick(self, input_ids: Tensor) -> None:
        if self._scores is not None:
            self._chosen.append(self._scores.gather(1, input_ids[:, -1:].to(self._scores.device)))

    def finish(self, sequences: Tensor) -> Tensor:
        """(B, new tokens) log-probabilities."""
        self._pick(sequences)
        return torch.cat(self._chosen, dim=1).cpu()


def name_of(source: str, digest: str) -> str:
    """A hub id as it is; a folder by its name and what it holds, since its path means nothing elsewhere."""
    folder = Path(source)
    return f"{folder.name}@{digest[:8]}" if folder.is_absolute() else source
