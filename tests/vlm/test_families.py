"""Every family of tests/vlm/families.py through the same loader, prompts, decoding and training batches."""

from __future__ import annotations

import pytest
import torch

from describer.messages import pictures
from describer.vlm import load_vlm
from describer.vlm.loading import load_parts
from describer.vlm.samples import IGNORED, ProcessorData, Sample
from tests.vlm.contract import BackendContract, chat
from tests.vlm.families import FAMILIES, checkpoint


class TestFamilies(BackendContract):
    @pytest.fixture(scope="class", params=FAMILIES)
    def vlm(self, request):
        return load_vlm(str(checkpoint(request.param)), device="cpu", dtype="float32")


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_training_batches_hold_what_generation_is_given_and_hide_what_comes_later(family):
    processor, model = load_parts(str(checkpoint(family)), torch.device("cpu"), torch.float32, None, False)
    sample = Sample(chat("What is this?", 2, 1), "The hook is here.")
    batch = ProcessorData([sample], processor).batch([0])
    answer = batch.labels[0] != IGNORED
    spoken = processor.tokenizer.decode(batch.labels[0][answer], skip_special_tokens=True)
    assert spoken.strip() == sample.answer
    vlm = load_vlm(str(checkpoint(family)), device="cpu", dtype="float32")
    asked = vlm._inputs([sample.chat], [_prompt(vlm, sample.chat)])
    start = int(answer.nonzero()[0])
    assert torch.equal(asked["input_ids"][0], batch.inputs["input_ids"][0, :start])
    assert len(pictures(sample.chat)) == 2

    inputs = dict(batch.inputs)
    before = model(**inputs).logits
    last = int(answer.nonzero()[-1])
    inputs["input_ids"] = inputs["input_ids"].clone()
    inputs["input_ids"][0, last] = processor.tokenizer.convert_tokens_to_ids("a")
    after = model(**inputs).logits
    assert torch.allclose(before[0, :last], after[0, :last], atol=1e-4), "an answer must not see its own end"
    assert not torch.allclose(before[0, last], after[0, last], atol=1e-4)


def _prompt(vlm, one):
    from describer.vlm.chats import control_words, render_prompt

    return render_prompt(vlm.processor, one, control_words(vlm.processor))
