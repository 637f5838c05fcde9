"""Tiny random checkpoints of the families people tune: their own configuration, tokenizer words and processor."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from describer.vlm.embedded import ASSISTANT, BOS, EOS, PAD, USER, train_tokenizer
from describer.vlm.shim import image_only
from tests.vlm.tiny import TEXTS, save_tiny_idefics3, save_tiny_llava, save_tiny_qwen2_vl

END = "<|im_end|>"
SHARPEN = 3
"""Random weights are so small that every token is as likely as another; larger ones tell prompts apart."""


@functools.cache
def _backend() -> str:
    return str(train_tokenizer(TEXTS, 330).backend_tokenizer.to_str())


def tokenizer_with(names: Mapping[str, str], *more: str) -> Any:
    """A tiny tokenizer whose ``names`` (as ``image_token``) are attributes and special words, ``more`` words only."""
    from tokenizers import Tokenizer

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_backend()),
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        extra_special_tokens=dict(names),
        padding_side="left",
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [USER, ASSISTANT, END, *more]})
    return tokenizer


def template(image: str) -> str:
    """Turns with an end, ``image`` written for each picture."""
    return (
        "{% for m in messages %}{{ m['role'] }}\n{% for p in m['content'] %}{% if p['type'] == 'image' %}"
        + image
        + "{% else %}{{ p['text'] }}{% endif %}{% endfor %}"
        + END
        + "\n{% endfor %}{% if add_generation_prompt %}assistant\n{% endif %}"
    )


def text_fields(tokenizer: Any, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 8192,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        **more,
    }


SIGLIP = {
    "model_type": "siglip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 7,
    "vision_use_head": False,
}


def save(folder: Path, model_class: Any, config: Any, processor: Any, end: str = END) -> Path:
    torch.manual_seed(0)
    model = model_class(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(SHARPEN)
    model.generation_config.eos_token_id = processor.tokenizer.convert_tokens_to_ids(end)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _qwen_parts(patch_px: int) -> tuple[Any, Any, dict[str, int]]:
    """(tokenizer, image processor, the configuration's token ids) of a Qwen-VL."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    names = ("image_pad", "video_pad", "vision_start", "vision_end")
    tokenizer = tokenizer_with({}, *(f"<|{name}|>" for name in names))
    side_px = 2 * patch_px
    images = Qwen2VLImageProcessorPil(
        size={"shortest_edge": side_px**2, "longest_edge": (2 * side_px) ** 2}, patch_size=patch_px, merge_size=2
    )
    keys = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    ids = {key: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for key, name in zip(keys, names)}
    return tokenizer, images, ids


_QWEN_TEMPLATE = template("<|vision_start|><|image_pad|><|vision_end|>")


def save_tiny_qwen2_5_vl(folder: Path) -> Path:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
    from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor

    tokenizer, images, ids = _qwen_parts(14)
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    config = Qwen2_5_VLConfig(
        text_config=text_fields(tokenizer, rope_parameters=rope),
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 32,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        **ids,
    )
    processor = image_only(Qwen2_5_VLProcessor)(images, tokenizer, None, chat_template=_QWEN_TEMPLATE)
    return save(folder, Qwen2_5_VLForConditionalGeneration, config, processor)


def save_tiny_qwen3_vl(folder: Path) -> Path:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
    from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor

    tokenizer, images, ids = _qwen_parts(16)
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2], "mrope_interleaved": True}
    config = Qwen3VLConfig(
        text_config=text_fields(tokenizer, head_dim=16, rope_parameters=rope),
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 32,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        **ids,
    )
    processor = image_only(Qwen3VLProcessor)(images, tokenizer, None, chat_template=_QWEN_TEMPLATE)
    return save(folder, Qwen3VLForConditionalGeneration, config, processor)


def save_tiny_smolvlm(folder: Path) -> Path:
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
    from transformers.models.smolvlm.processing_smolvlm import SmolVLMProcessor

    tokenizer = tokenizer_with(
        {
            "image_token": "<image>",
            "fake_image_token": "<fake_token_around_image>",
            "global_image_token": "<global-img>",
        }
    )
    images = SmolVLMImageProcessorPil(
        size={"longest_edge": 28}, max_image_size={"longest_edge": 28}, do_image_splitting=False
    )
    processor = image_only(SmolVLMProcessor)(
        images, tokenizer, None, image_seq_len=4, chat_template=template("<image>")
    )
    vision = {key: value for key, value in SIGLIP.items() if key not in ("model_type", "vision_use_head")}
    config = SmolVLMConfig(
        vision_config=vision,
        text_config={"model_type": "llama", **text_fields(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
        scale_factor=2,
    )
    return save(folder, SmolVLMForConditionalGeneration, config, processor)


def save_tiny_llava_onevision(folder: Path) -> Path:
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
        LlavaOnevisionImageProcessorPil,
    )
    from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor

    tokenizer = tokenizer_with({"image_token": "<image>", "video_token": "<video>"})
    grids = [[28, 28], [28, 56], [56, 28]]
    images = LlavaOnevisionImageProcessorPil(size={"height": 28, "width": 28}, image_grid_pinpoints=grids)
    processor = image_only(LlavaOnevisionProcessor)(
        images,
        tokenizer,
        None,
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=template("<image>"),
    )
    config = LlavaOnevisionConfig(
        vision_config=SIGLIP,
        text_config={"model_type": "qwen2", **text_fields(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=grids,
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
    )
    return save(folder, LlavaOnevisionForConditionalGeneration, config, processor)


def save_tiny_internvl(folder: Path) -> Path:
    from transformers import InternVLConfig, InternVLForConditionalGeneration
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
    from transformers.models.internvl.processing_internvl import InternVLProcessor

    tokenizer = tokenizer_with(
        {
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        }
    )
    images = GotOcr2ImageProcessorPil(size={"height": 28, "width": 28}, crop_to_patches=False)
    processor = image_only(InternVLProcessor)(
        images, tokenizer, None, image_seq_length=4, chat_template=template("<IMG_CONTEXT>")
    )
    config = InternVLConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": [28, 28],
            "patch_size": [7, 7],
        },
        text_config={"model_type": "qwen2", **text_fields(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    return save(folder, InternVLForConditionalGeneration, config, processor)


def save_tiny_gemma3(folder: Path) -> Path:
    """Gemma 3, and so MedGemma: the same architecture."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    tokenizer = tokenizer_with(
        {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    )
    images = Gemma3ImageProcessorPil(size={"height": 28, "width": 28})
    processor = Gemma3Processor(images, tokenizer, chat_template=template("<start_of_image>"), image_seq_length=4)
    config = Gemma3Config(
        vision_config=SIGLIP,
        text_config=text_fields(
            tokenizer, head_dim=16, sliding_window=64, layer_types=["sliding_attention", "full_attention"]
        ),
        mm_tokens_per_image=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image_soft_token>"),
        boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
    )
    return save(folder, Gemma3ForConditionalGeneration, config, processor)


def save_tiny_paligemma(folder: Path) -> Path:
    """PaliGemma 2, without a chat template as its real checkpoints are."""
    from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration, PaliGemmaProcessor
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    tokenizer = tokenizer_with({"image_token": "<image>"})
    images = SiglipImageProcessorPil(size={"height": 28, "width": 28})
    images.image_seq_length = 16
    processor = PaliGemmaProcessor(images, tokenizer)
    config = PaliGemmaConfig(
        vision_config={**SIGLIP, "projection_dim": 32},
        text_config={"model_type": "gemma2", **text_fields(tokenizer, head_dim=16, sliding_window=64)},
        image_token_index=tokenizer.image_token_id,
        projection_dim=32,
        hidden_size=32,
    )
    config.text_config.vocab_size = len(processor.tokenizer)
    return save(folder, PaliGemmaForConditionalGeneration, config, processor, EOS)


FAMILIES: dict[str, Callable[[Path], Path]] = {
    "llava": save_tiny_llava,
    "llava_onevision": save_tiny_llava_onevision,
    "idefics3": save_tiny_idefics3,
    "smolvlm": save_tiny_smolvlm,
    "qwen2_vl": save_tiny_qwen2_vl,
    "qwen2_5_vl": save_tiny_qwen2_5_vl,
    "qwen3_vl": save_tiny_qwen3_vl,
    "internvl": save_tiny_internvl,
    "gemma3": save_tiny_gemma3,
    "paligemma": save_tiny_paligemma,
}


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="families-")


@functools.cache
def checkpoint(family: str) -> Path:
    """The family's checkpoint, made once a session; not to be written into."""
    return FAMILIES[family](Path(_folder().name) / family)
