import pytest
import torch

from describer.vlm.attention import step_in_float32, steps_in_float32
from describer.vlm.attention_cache import roomy_cache
from tests.vlm.tiny import tiny_llava

_OPTIONS = {"max_new_tokens": 12, "do_sample": False, "output_logits": True, "return_dict_in_generate": True}


def generated(dtype: torch.dtype, wide: bool):
    model, processor = tiny_llava()
    model.to(dtype)
    if wide:
        step_in_float32(model)
    inputs = processor.tokenizer(["Is there blood? Where", "Describe region 1."], return_tensors="pt", padding=True)
    return model.generate(**inputs, **roomy_cache(model), **_OPTIONS)


def test_float32_models_answer_the_same_to_the_bit():
    plain, wide = generated(torch.float32, wide=False), generated(torch.float32, wide=True)
    assert torch.equal(plain.sequences, wide.sequences)
    assert torch.equal(torch.stack(plain.logits), torch.stack(wide.logits))


def test_bfloat16_models_attend_in_float32_to_the_same_keys():
    plain, wide = generated(torch.bfloat16, wide=False), generated(torch.bfloat16, wide=True)
    # The prompt is read as before, so the first token's scores are the same numbers.
    assert torch.equal(plain.logits[0], wide.logits[0])
    torch.testing.assert_close(plain.logits[1], wide.logits[1], atol=0.05, rtol=0.05)
    ours, theirs = wide.past_key_values.layers[0], plain.past_key_values.layers[0]
    assert ours.keys.dtype == torch.float32 and theirs.keys.dtype == torch.bfloat16
    prompt = wide.sequences.shape[1] - _OPTIONS["max_new_tokens"]
    assert torch.equal(ours.keys[:, :, :prompt], theirs.keys[:, :, :prompt].float())


@pytest.mark.parametrize("implementation", ["eager"])
def test_another_attention_stays(implementation):
    model, _ = tiny_llava()
    model.set_attn_implementation(implementation)
    step_in_float32(model)
    assert not steps_in_float32(model)
    assert model.config.text_config._attn_implementation == implementation
