import pytest
import torch
from transformers.cache_utils import DynamicLayer

from describer.vlm.attention_cache import RoomyLayer, roomy_cache
from tests.vlm.tiny import tiny_llava


def states(tokens: int, seed: int, rows: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(rows, 2, tokens, 4, generator=made) for _ in range(2))


def test_holds_what_the_joining_layer_holds():
    ours, theirs = RoomyLayer(), DynamicLayer()
    for seed, tokens in enumerate([7, 1, 1, 120, 1, 3]):
        for mine, expected in zip(ours.update(*states(tokens, seed)), theirs.update(*states(tokens, seed))):
            assert torch.equal(mine, expected)
        assert ours.get_seq_length() == theirs.get_seq_length()


def test_a_token_is_written_without_a_copy():
    layer = RoomyLayer()
    first, _ = layer.update(*states(7, 0))
    second, _ = layer.update(*states(1, 1))
    assert first.data_ptr() == second.data_ptr()


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: layer.crop(-2),
        lambda layer: layer.reorder_cache(torch.tensor([2, 0, 1])),
        lambda layer: layer.batch_select_indices(torch.tensor([1, 1, 0])),
        lambda layer: layer.reset(),
    ],
    ids=["crop", "reorder", "select", "reset"],
)
def test_changes_between_tokens_are_kept(change):
    ours, theirs = RoomyLayer(), DynamicLayer()
    for layer in (ours, theirs):
        layer.update(*states(7, 0))
        change(layer)
        layer.update(*states(1, 1))
    assert torch.equal(ours.keys, theirs.keys) and torch.equal(ours.values, theirs.values)


def test_generates_the_same_tokens_and_scores():
    model, processor = tiny_llava()
    inputs = processor.tokenizer(["Is there blood? Where", "Describe region 1."], return_tensors="pt", padding=True)
    options = {"max_new_tokens": 12, "do_sample": False, "output_logits": True, "return_dict_in_generate": True}
    plain = model.generate(**inputs, **options)
    roomy = model.generate(**inputs, **roomy_cache(model), **options)
    assert isinstance(roomy.past_key_values.layers[0], RoomyLayer)
    assert torch.equal(plain.sequences, roomy.sequences)
    torch.testing.assert_close(torch.stack(plain.logits), torch.stack(roomy.logits))


def test_models_with_another_kind_of_cache_keep_it(monkeypatch):
    model, _ = tiny_llava()
    model.config.text_config.layer_types = ["sliding_attention", "full_attention"]
    model.config.text_config.sliding_window = 8
    assert roomy_cache(model) == {}
