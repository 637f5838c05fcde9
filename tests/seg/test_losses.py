"""Losses against brute force: what partial labels mean, pixel by pixel."""

from __future__ import annotations

import math

import pytest
import torch

from describer.seg import losses
from describer.seg.codes import IGNORE, REST, SOME_INSTRUMENT

C, INSTRUMENTS = 5, [1, 2]


def case(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    codes = torch.tensor([0, 1, 2, 3, 4, IGNORE, REST, SOME_INSTRUMENT])
    logits = torch.randn(3, C, 4, 5, generator=g)
    labels = codes[torch.randint(0, len(codes), (3, 4, 5), generator=g)]
    annotated = torch.tensor([[False, True, True, False, False], [True] * C, [False, True, True, True, False]])
    return logits, labels, annotated


def allowed(code: int, annotated: list[bool]) -> list[int]:
    if code == REST:
        return [c for c in range(C) if not annotated[c]]
    return INSTRUMENTS if code == SOME_INSTRUMENT else [code]


@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_is_brute_force(weighted: bool) -> None:
    logits, labels, annotated = case()
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0]) if weighted else None
    p, total, mass = logits.softmax(1), 0.0, 0.0
    for b, y, x in torch.cartesian_prod(*(torch.arange(n) for n in labels.shape)).tolist():
        code = int(labels[b, y, x])
        classes = [] if code == IGNORE else allowed(code, annotated[b].tolist())
        if classes:
            w = float(weights[code]) if weights is not None and code < C else 1.0
            total -= w * math.log(sum(float(p[b, c, y, x]) for c in classes))
            mass += w
    result = losses.partial_cross_entropy(logits, labels, annotated, INSTRUMENTS, weights)
    assert float(result) == pytest.approx(total / mass, rel=1e-5)


def test_cross_entropy_is_the_usual_one_on_full_labels() -> None:
    logits, _, annotated = case()
    labels = torch.randint(0, C, (3, 4, 5))
    result = losses.partial_cross_entropy(logits, labels, annotated, INSTRUMENTS)
    assert torch.allclose(result, torch.nn.functional.cross_entropy(logits, labels))


def test_dice_is_brute_force() -> None:
    logits, labels, annotated = case(3)
    p, terms = logits.softmax(1), []
    for c in range(C):
        overlap = total = hits = 0.0
        for b, y, x in torch.cartesian_prod(*(torch.arange(n) for n in labels.shape)).tolist():
            code, q = int(labels[b, y, x]), float(p[b, c, y, x])
            possible = [] if code == IGNORE else allowed(code, annotated[b].tolist())
            if code == IGNORE or (code >= C and c in possible):
                continue  # it is not known whether the pixel is of class c
            if code == REST and not annotated[b, c]:
                continue
            hit = float(code == c)
            overlap, total, hits = overlap + q * hit, total + q + hit, hits + hit
        if hits:
            terms.append(1 - (2 * overlap + 1) / (total + 1))
    result = losses.partial_dice(logits, labels, annotated, INSTRUMENTS)
    assert float(result) == pytest.approx(sum(terms) / len(terms), rel=1e-5)


@pytest.mark.parametrize("loss", [losses.partial_cross_entropy, losses.partial_dice])
def test_nothing_known_gives_zero_and_finite_gradients(loss) -> None:  # type: ignore[no-untyped-def]
    logits = torch.randn(1, C, 2, 2, requires_grad=True)
    everything = torch.ones(1, C, dtype=torch.bool)
    labels = torch.tensor([[[IGNORE, REST], [REST, IGNORE]]])
    value = loss(logits, labels, everything, INSTRUMENTS)
    value.backward()
    assert float(value.detach()) == 0 and logits.grad is not None and logits.grad.isfinite().all()


def test_partial_gradients_are_finite_and_point_the_right_way() -> None:
    logits = torch.zeros(1, C, 1, 2, requires_grad=True)
    annotated = torch.tensor([[False, True, True, False, False]])
    labels = torch.tensor([[[SOME_INSTRUMENT, REST]]])
    losses.partial_cross_entropy(logits, labels, annotated, INSTRUMENTS).backward()
    assert logits.grad is not None
    assert (logits.grad[0, INSTRUMENTS, 0, 0] < 0).all() and (logits.grad[0, INSTRUMENTS, 0, 1] > 0).all()
    assert logits.grad.isfinite().all()


def test_depth_ignores_scale_and_unknown() -> None:
    target = torch.rand(2, 6, 6) + 0.5
    target[0, 0, 0] = float("nan")
    prediction = (3 * target).nan_to_num(1.0).requires_grad_()
    value = losses.scale_invariant_log(prediction, target)
    value.backward()
    assert float(value.detach()) == pytest.approx(0, abs=1e-6)
    assert prediction.grad is not None and prediction.grad.isfinite().all()
    wrong = losses.scale_invariant_log(torch.rand(2, 6, 6) + 0.5, target)
    assert float(wrong) > 0.01
    assert float(losses.scale_invariant_log(torch.ones(1, 2, 2), torch.full((1, 2, 2), float("nan")))) == 0


def test_depth_gradients_match_at_any_scale_and_tell_edges_that_are_not_there() -> None:
    target = torch.rand(2, 12, 12) + 0.5
    target[0, :3, 0] = float("nan")
    same = (3 * target).nan_to_num(1.0).requires_grad_()
    value = losses.gradient_matching(same, target)
    value.backward()
    assert float(value.detach()) == pytest.approx(0, abs=1e-6)
    assert same.grad is not None and same.grad.isfinite().all()
    step = torch.ones(1, 12, 12)
    step[:, :, 6:] = 2.0
    flat = torch.ones(1, 12, 12)
    assert float(losses.gradient_matching(step, flat)) > 0.01
    assert float(losses.gradient_matching(step, step.flip(2))) > float(losses.gradient_matching(step, flat))


def test_a_few_wrong_pixels_do_not_move_the_scale_of_depth() -> None:
    target = torch.ones(1, 10, 10)
    prediction = 2 * target
    prediction[0, 0, :4] = 200.0
    assert float(losses.scale_invariant_log(prediction, target)) == pytest.approx(0.04 * math.log(100), rel=1e-5)


def test_activity_ignores_unknown() -> None:
    logits = torch.randn(3, 4, requires_grad=True)
    target = torch.tensor([-1, 2, -1])
    expected = torch.nn.functional.cross_entropy(logits[1:2], target[1:2])
    assert torch.allclose(losses.activity_loss(logits, target), expected)
    assert float(losses.activity_loss(logits, torch.full((3,), -1)).detach()) == 0


def test_labels_are_sampled_at_cell_centres() -> None:
    labels = torch.arange(8).repeat(8, 1)[None].byte()
    assert losses.labels_at(labels, (2, 2)).tolist() == [[[2, 6], [2, 6]]]
