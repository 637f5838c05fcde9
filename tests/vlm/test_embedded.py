import stat

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForImageTextToText, AutoProcessor, Dinov2Config, Dinov2Model

from describer.errors import ModelError
from describer.vlm.embedded import build_embedded, save_embedded, train_tokenizer
from tests.vlm.tiny import TEXTS, TINY_VISION, tiny_llava


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 330)


@pytest.mark.parametrize(
    "text",
    ["", " ", "the hook", "12.5 %", '{"a":[1,2]}', "\u00e9\u00df \u2014 \U0001f600\n\ttab  two", "Gallenblase 3456"],
)
def test_any_text_survives_the_tokenizer(tokenizer, text):
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_digits_are_tokens_of_their_own(tokenizer):
    assert tokenizer.tokenize("1234") == ["1", "2", "3", "4"]


def test_the_vocabulary_is_bounded_and_repeatable():
    one, other = train_tokenizer(TEXTS * 3, 300), train_tokenizer(TEXTS * 3, 300)
    assert len(one) == 300
    assert one.get_vocab() == other.get_vocab()


def test_special_tokens_are_not_added_behind_the_templates_back(tokenizer):
    assert tokenizer("hook")["input_ids"] == tokenizer("hook", add_special_tokens=False)["input_ids"]


def test_the_saved_folder_is_plain_transformers(tmp_path):
    model, processor = tiny_llava()
    save_embedded(model, processor, tmp_path)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in tmp_path.iterdir())
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=torch.float32, use_safetensors=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value.to(torch.bfloat16).float(), loaded.state_dict()[name]), name
    assert loaded.lm_head.weight is loaded.model.language_model.embed_tokens.weight
    again = AutoProcessor.from_pretrained(tmp_path)
    assert again.chat_template == processor.chat_template
    with safe_open(tmp_path / "model.safetensors", framework="pt") as weights:
        assert {weights.get_tensor(key).dtype for key in weights.keys()} == {torch.bfloat16}  # noqa: SIM118


def test_a_trained_backbone_is_copied_with_its_positions_resized(tokenizer):
    torch.manual_seed(0)
    backbone = Dinov2Model(Dinov2Config(**TINY_VISION, image_size=56))
    model, _ = build_embedded(tokenizer, TINY_VISION, backbone.state_dict(), image_px=28, hidden_size=32, heads=2)
    tower = model.model.vision_tower
    assert torch.equal(tower.encoder.layer[0].norm1.weight, backbone.encoder.layer[0].norm1.weight)
    pixels = torch.rand(1, 3, 28, 28)
    with torch.no_grad():
        # DINOv2 itself interpolates its positions for other sizes: both must see the same.
        assert torch.allclose(
            tower.eval()(pixels).last_hidden_state, backbone.eval()(pixels).last_hidden_state, atol=1e-4
        )


def test_a_backbone_of_another_layout_is_refused(tokenizer):
    other = Dinov2Model(Dinov2Config(**(TINY_VISION | {"hidden_size": 32}), image_size=28))
    with pytest.raises(ModelError, match="do not fit the vision layout"):
        build_embedded(tokenizer, TINY_VISION, other.state_dict(), image_px=28, hidden_size=32, heads=2)


def test_the_side_must_be_whole_patches(tokenizer):
    with pytest.raises(ModelError, match="multiple of the patch"):
        build_embedded(tokenizer, TINY_VISION, image_px=30)


def test_the_seed_decides_the_weights():
    one, same, other = tiny_llava(seed=0)[0], tiny_llava(seed=0)[0], tiny_llava(seed=1)[0]
    assert torch.equal(one.lm_head.weight, same.lm_head.weight)
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)
