"""Answers taken back to their middle: the same rest as with everything read anew, and nothing read twice."""

import numpy as np
import pytest
import torch

from describer.messages import Message, Picture, Text
from describer.types import Fault
from describer.vlm.base import GenerationSettings
from describer.vlm.local import TransformersVLM
from tests.vlm.tiny import tiny_llava

SETTINGS = GenerationSettings(max_new_tokens=14)
LONG = "Is there blood? Where is the hook? " * 3


def chats(count: int, start: str = ""):
    noise = np.random.default_rng(0).integers(0, 255, (count, 28, 28, 3), dtype=np.uint8)
    return [
        (
            Message(
                "user", (Picture(noise[0 if start else k], "frame"), Text(f"{start}Describe region {k}." * (1 + k % 3)))
            ),
        )
        for k in range(count)
    ]


def never(word: str, hard: bool):
    """A check that finds a fault at every place where a text holds ``word``."""

    def check(text: str, *, hard_only: bool = False) -> tuple[Fault, ...]:
        if hard_only and not hard:
            return ()
        places = [i for i in range(len(text)) if text.startswith(word, i)]
        return tuple(Fault(word, (i, max(0, i - 4)), hard) for i in places)

    return check


@pytest.fixture(scope="module")
def vlm():
    """A model of no sense that has much to say, each time something else."""
    model, processor = tiny_llava()
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "language_model" in name and weight.ndim == 2:
                weight.copy_(0.15 * torch.randn(weight.shape, generator=noise))
    return TransformersVLM(model.eval(), processor, "tiny")


def late_letter(text: str) -> str:
    return next(c for c in text[len(text) // 2 :] + text if c.isascii() and c.isalnum())


@pytest.mark.parametrize("start", ["", LONG], ids=["apart", "one beginning"])
@pytest.mark.parametrize("hard", [True, False], ids=["hard", "soft"])
def test_the_rest_is_what_it_is_with_everything_read_anew(vlm, monkeypatch, start, hard):
    asked = chats(6, start)
    free = vlm.generate(asked, SETTINGS)
    # Every second answer may not hold a letter from its middle.
    checks = [never(late_letter(said.text) if k % 2 else "nothing", hard) for k, said in enumerate(free)]
    pictures = []
    handle = vlm.model.model.vision_tower.register_forward_pre_hook(lambda *_: pictures.append(1))
    ours = vlm.generate_checked(asked, checks, SETTINGS)
    handle.remove()
    monkeypatch.setattr("describer.vlm.local.can_rewind", lambda *_: False)
    anew = vlm.generate_checked(asked, checks, SETTINGS)
    assert [o.generated.text for o in ours] == [a.generated.text for a in anew]
    assert [o.withheld for o in ours] == [a.withheld for a in anew]
    assert any(o.withheld for o in ours), "nothing was taken back"
    assert [o.generated.confidence for o in ours] == pytest.approx([a.generated.confidence for a in anew], abs=2e-4)
    assert len(pictures) == 1, "pictures are seen once, whatever is taken back"
    for o, a in zip(ours, anew):
        assert len(o.generated.logs) == len(o.generated.tokens)
        torch.testing.assert_close(torch.tensor(o.generated.logs), torch.tensor(a.generated.logs), atol=1e-3, rtol=1e-3)
