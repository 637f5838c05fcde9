"""Tiny random checkpoints of real families, saved as whole folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from describer.vlm.embedded import build_embedded, save_embedded, train_tokenizer

TEXTS = (
    "The grasper at upper left touches the gallbladder. What is this? Where is the hook?",
    '{"id":1,"label":"grasper","place":"upper left","size":"small","touches":["liver 2"]}',
    "Is there blood? Describe region 1. Describe the scene. You describe frames.",
)
TINY_VISION = {
    "hidden_size": 64,  # the least that 4-bit blocks take
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "mlp_ratio": 2,
    "patch_size": 14,
    "use_mask_token": False,
}


def tiny_llava(hidden_size: int = 64, seed: int = 0) -> tuple[Any, Any]:
    """(model, processor) of the embedded layout at 28 px."""
    tokenizer = train_tokenizer(TEXTS, 330)
    return build_embedded(
        tokenizer,
        TINY_VISION,
        image_px=28,
        hidden_size=hidden_size,
        layers=2,
        heads=2,
        intermediate_size=128,
        max_positions=256,
        seed=seed,
    )


def save_tiny_llava(folder: Path, hidden_size: int = 64, seed: int = 0) -> Path:
    save_embedded(*tiny_llava(hidden_size, seed), folder)
    return folder


def _tokenizer(special: list[str]) -> Any:
    tokenizer = train_tokenizer(TEXTS, 330)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>", *special]})
    return tokenizer


def save_tiny_idefics3(folder: Path) -> Path:
    """Idefics3, the layout of SmolVLM: pictures in tiles, a perceiver-free connector, turns with an end."""
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    end = "<end_of_utterance>"
    tokenizer = _tokenizer(["<fake_token_around_image>", "<global-img>", end])
    images = Idefics3ImageProcessorPil(
        size={"longest_edge": 28}, max_image_size={"longest_edge": 28}, do_image_splitting=False
    )
    template = (
        "{% for m in messages %}{{ m['role'] | capitalize }}:{% for p in m['content'] %}"
        "{% if p['type'] == 'image' %}<image>{% else %} {{ p['text'] }}{% endif %}{% endfor %}"
        + end
        + "\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
    )
    processor = Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=template)
    text = _text_fields(tokenizer)
    config = Idefics3Config(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 7,
        },
        text_config={"model_type": "llama", **text},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
        scale_factor=2,
    )
    torch.manual_seed(0)
    model = Idefics3ForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(end)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_tiny_qwen2_vl(folder: Path) -> Path:
    """Qwen2-VL with its image processor alone: what is loaded must not need torchvision."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
    from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor

    from describer.vlm.shim import image_only

    tokenizer = _tokenizer(["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|im_end|>"])
    images = Qwen2VLImageProcessorPil(
        size={"shortest_edge": 28 * 28, "longest_edge": 56 * 56}, patch_size=14, merge_size=2
    )
    template = (
        "{% for m in messages %}{{ m['role'] }}\n{% for p in m['content'] %}{% if p['type'] == 'image' %}"
        "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ p['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}assistant\n{% endif %}"
    )
    processor = image_only(Qwen2VLProcessor)(images, tokenizer, None, chat_template=template)
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad")}
    config = Qwen2VLConfig(
        text_config=_text_fields(tokenizer)
        | {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}},
        vision_config={"depth": 2, "embed_dim": 32, "num_heads": 2, "hidden_size": 32, "mlp_ratio": 2},
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    )
    torch.manual_seed(0)
    model = Qwen2VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _text_fields(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 512,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
