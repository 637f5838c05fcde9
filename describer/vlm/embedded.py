"""The small vision-language model that ships: LLaVA layout, a DINOv2 tower at 112 px and a tiny Llama.

LLaVA with a text model of this size follows "Visual Instruction Tuning" (arXiv 2304.08485). The family is
chosen because its processor holds no video processor: a saved folder loads with and without torchvision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional as F
from transformers import (
    Dinov2Config,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from describer.errors import ModelError

NAME = "describer-embedded-vlm"
"""What adapters of the embedded model name as their base."""

PAD, BOS, EOS, IMAGE, USER, ASSISTANT = "<pad>", "<s>", "</s>", "<image>", "<user>", "<assistant>"
SPECIAL_TOKENS = (PAD, BOS, EOS, IMAGE, USER, ASSISTANT)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# System messages are left out: this model does one job, and the same words in every prompt would cost time.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages if message['role'] != 'system' %}"
    "{{ '<assistant>' if message['role'] == 'assistant' else '<user>' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def train_tokenizer(texts: Iterable[str], vocab_size: int = 2048) -> PreTrainedTokenizerFast:
    """Byte-level BPE learned from `texts`; every digit is a token of its own, so numbers are spelled alike.

    Any text can be encoded and decoded back exactly. The vocabulary is smaller than `vocab_size` when the
    texts hold too few pairs to merge.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            # JSON punctuation is cut off the words it touches, so that facts and sentences share tokens.
            pre_tokenizers.Split(Regex(r"\d| ?[\p{L}\p{M}]+| ?[^\s\p{L}\p{M}\d]+|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        additional_special_tokens=[IMAGE, USER, ASSISTANT],
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def build_embedded(
    tokenizer: PreTrainedTokenizerFast,
    vision_config: Mapping[str, Any],
    vision_state: Mapping[str, Tensor] | None = None,
    *,
    image_px: int = 112,
    hidden_size: int = 256,
    layers: int = 4,
    heads: int = 4,
    intermediate_size: int = 1024,
    max_positions: int = 1024,
    seed: int = 0,
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """A new model and its processor.

    `vision_config` are fields of a Dinov2Config, those of the scene model's backbone; `vision_state` is the state
    dict of a Dinov2Model of that layout, trained at any image size: its position embeddings are interpolated
    to `image_px`. Raises ModelError when size and patch, or state and layout, do not fit.
    """
    fields = dict(vision_config) | {"image_size": image_px}
    vision: Any = Dinov2Config(**fields)
    if image_px % vision.patch_size:
        raise ModelError(f"image_px must be a multiple of the patch ({vision.patch_size}), got {image_px}.")
    ids: dict[str, Any] = {name: tokenizer.convert_tokens_to_ids(token) for name, token in _SPECIAL_IDS.items()}
    image_id: Any = tokenizer.convert_tokens_to_ids(IMAGE)
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        intermediate_size=intermediate_size,
        max_position_embeddings=max_positions,
        tie_word_embeddings=True,
        **ids,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=image_id,
        image_seq_length=(image_px // vision.patch_size) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
        **ids,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlavaForConditionalGeneration(config)
    if vision_state is not None:
        _copy_tower(model, vision_state)
    model.generation_config.update(**ids, do_sample=False)
    return model, _processor(tokenizer, image_px, vision.patch_size)


_SPECIAL_IDS = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS}


def _processor(tokenizer: PreTrainedTokenizerFast, image_px: int, patch_px: int) -> LlavaProcessor:
    # The PIL variant by its own module: importing the default one needs torchvision.
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    images = ViTImageProcessorPil(
        do_resize=True,
        size={"height": image_px, "width": image_px},
        resample=2,
        do_rescale=True,
        do_normalize=True,
        image_mean=list(IMAGENET_MEAN),
        image_std=list(IMAGENET_STD),
    )
    return LlavaProcessor(
        images,
        tokenizer,
        patch_size=patch_px,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE,
        image_token=IMAGE,
        num_additional_image_tokens=1,
    )


def _copy_tower(model: LlavaForConditionalGeneration, state: Mapping[str, Tensor]) -> None:
    tower = model.model.vision_tower
    weights = {key: value.float() for key, value in state.items() if not key.endswith("mask_token")}
    key = "embeddings.position_embeddings"
    if key in weights:
        weights[key] = _resize_positions(weights[key], tower.state_dict()[key].shape[1] - 1)
    try:
        missing, unexpected = tower.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise ModelError("The backbone weights do not fit the vision layout; give its own config.") from error
    missing = [name for name in missing if not name.endswith("mask_token")]
    if missing or unexpected:
        raise ModelError(
            f"The backbone weights do not fit the vision layout: {len(missing)} missing, "
            f"{len(unexpected)} unknown; give the state dict of the Dinov2Model itself."
        )


def _resize_positions(positions: Tensor, patches: int) -> Tensor:
    """(1, 1 + n*n, C) -> (1, 1 + patches, C), bicubic as DINOv2 does for other image sizes."""
    old, new = round((positions.shape[1] - 1) ** 0.5), round(patches**0.5)
    if old == new:
        return positions
    grid = positions[:, 1:].unflatten(1, (old, old)).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


def save_embedded(model: LlavaForConditionalGeneration, processor: Any, folder: str | Path) -> None:
    """Write the folder that ships: bfloat16 safetensors, configuration and processor, readable by all."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    state = {key: value.to(torch.bfloat16) for key, value in model.state_dict().items()}
    model.save_pretrained(target, state_dict=state)
    processor.save_pretrained(target)
    readable(target)


def readable(folder: Path) -> None:
    """Give every file of `folder` mode 0644; safetensors writes files only their owner can read."""
    for path in folder.iterdir():
        if path.is_file():
            path.chmod(0o644)
