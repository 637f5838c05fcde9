"""Beginnings read once: the same tokens and scores as with every row read whole, and pictures seen once each."""

import numpy as np
import pytest
import torch

from describer.vlm.prefix import read_shared
from tests.vlm.tiny import tiny_llava

LONG = "Describe region 1. Is there blood? " * 6
NOISE = np.random.default_rng(0).integers(0, 255, (4, 28, 28, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def tiny():
    model, processor = tiny_llava()
    return model.eval(), processor


def read_rows(processor, rows):
    """Rows of (text, numbers of their pictures)."""
    texts, images = zip(*[(text, [NOISE[k] for k in numbers]) for text, numbers in rows])
    return processor(text=list(texts), images=list(images), padding=True, padding_side="left", return_tensors="pt")


def shared(model, processor, rows):
    seen = []
    handle = model.model.vision_tower.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(len(kwargs.get("pixel_values", args[0] if args else None))),
        with_kwargs=True,
    )
    inputs = read_rows(processor, rows)
    options = {"max_new_tokens": 8, "do_sample": False, "output_logits": True, "return_dict_in_generate": True}
    with torch.inference_mode():
        plain = model.generate(**inputs, **options)
        seen.clear()
        given = read_shared(model, inputs, processor.tokenizer.pad_token_id)
        ours = model.generate(**given, **options)
    handle.remove()
    new = [out.sequences[:, start.shape[1] :] for out, start in ((plain, inputs.input_ids), (ours, given["input_ids"]))]
    assert torch.equal(*new)
    torch.testing.assert_close(torch.stack(plain.logits), torch.stack(ours.logits), atol=1e-4, rtol=1e-4)
    return given, sum(seen)


def test_questions_on_one_frame_read_it_once(tiny):
    rows = [(f"<image>{LONG}{end}", [0]) for end in ("Where?", "What colour is the region?", "How many are there")]
    given, seen = shared(*tiny, rows)
    assert seen == 1 and "pixel_values" not in given
    assert given["past_key_values"].get_seq_length() > 32


def test_frames_may_be_mixed(tiny):
    rows = [(f"<image>{LONG}{end}", [k]) for end in ("Where is it?", "Why", "How many") for k in (0, 1)]
    assert shared(*tiny, rows)[1] == 2


def test_crops_after_a_shared_frame_are_read_apart(tiny):
    rows = [(f"{LONG}<image><image>{LONG}region {k}", [0, k]) for k in (1, 2, 3)]
    given, seen = shared(*tiny, rows)
    assert seen == 4 and len(given["pixel_values"]) == 3


@pytest.mark.parametrize(
    "rows",
    [
        [(f"<image>{LONG}", [0])],
        [(f"<image>{LONG}a", [0]), (f"<image>{LONG}b", [1])],
        [("<image>a", [0]), ("<image>b", [0]), ("<image>c", [0])],
    ],
    ids=["one row", "no two of a frame", "too little in common"],
)
def test_where_nothing_is_won_all_is_read(tiny, rows):
    given, seen = shared(*tiny, rows)
    assert seen == len(rows) == len(given["pixel_values"])


def test_texts_without_pictures_pass(tiny):
    model, processor = tiny
    inputs = processor.tokenizer([LONG, LONG + "a"], return_tensors="pt", padding=True)
    assert torch.equal(read_shared(model, inputs, 0)["input_ids"], inputs["input_ids"])
