"""Balancing strategies: what each promises, on tasks that meet in shared weights and have a head each."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from describer.errors import DescriberError
from describer.seg.balancing import BALANCERS, Balancer, gradient_cosines, make_balancer, projections

TASKS = ("segmentation", "activity", "depth")
NAMES = sorted(BALANCERS)
SURGERY = ("db-mtl", "pcgrad", "bloop")


class Toy:
    """Two shared parameters and one head a task; a task's loss is positive and has a gradient everywhere."""

    def __init__(self, seed: int = 0) -> None:
        g = torch.Generator().manual_seed(seed)

        def make(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, generator=g, dtype=torch.float64))

        self.shared = [make(3, 2), make(3)]
        self.heads = {task: make(3) for task in TASKS}
        self.targets = {task: torch.randn(3, generator=g, dtype=torch.float64) for task in TASKS}
        self.x = torch.randn(2, generator=g, dtype=torch.float64)

    def losses(self, *tasks: str, scale: dict[str, float] | None = None) -> dict[str, Tensor]:
        features = (self.shared[0] @ self.x + self.shared[1]).tanh()
        return {
            task: (scale or {}).get(task, 1.0)
            * ((features * self.heads[task] - self.targets[task]).square().sum() + 0.1)
            for task in (tasks or TASKS)
        }

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [*self.shared, *self.heads.values()]

    def take(self) -> list[Tensor | None]:
        """The gradients, which are cleared."""
        grads = [p.grad for p in self.parameters]
        for p in self.parameters:
            p.grad = None
        return grads

    def step(self, balancer: Balancer, *tasks: str, scale: dict[str, float] | None = None) -> list[Tensor | None]:
        balancer.backward(self.losses(*tasks, scale=scale), self.parameters)
        return self.take()


def flat(grads: list[Tensor | None]) -> Tensor:
    return torch.cat([g.flatten() for g in grads if g is not None])


def made(name: str) -> Balancer:
    return make_balancer(name, None, TASKS)


@pytest.mark.parametrize("name", NAMES)
def test_one_task_alone_gets_its_plain_gradient(name: str) -> None:
    toy = Toy()
    losses = toy.losses("depth")
    losses["depth"].backward()
    plain = toy.take()
    found = toy.step(made(name), "depth")
    assert [g is None for g in found] == [g is None for g in plain]
    # Strategies on log losses divide by the loss itself; the direction is the same.
    by = float(losses["depth"].detach()) if name in ("db-mtl", "smooth-tchebycheff") else 1.0
    assert torch.allclose(flat(found) * by, flat(plain))


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_added_to_what_is_there(name: str) -> None:
    toy = Toy()
    first = toy.step(made(name))
    for p in toy.parameters:
        p.grad = torch.full_like(p, 2.0)
    again = toy.step(made(name))
    assert all(a is not None and b is not None and torch.allclose(a, b + 2) for a, b in zip(again, first))


@pytest.mark.parametrize("name", NAMES)
def test_missing_tasks_change_nothing(name: str) -> None:
    toy, tasks = Toy(), ("segmentation", "depth")
    alone = toy.step(made(name), *tasks)
    for absent in (torch.zeros((), dtype=torch.float64), toy.heads["activity"].sum() * 0):
        balancer = made(name)
        balancer.backward({"activity": absent, **toy.losses(*tasks)}, toy.parameters)
        found = toy.take()
        assert all((a is None and b is None) or torch.equal(a, b) for a, b in zip(found, alone))  # type: ignore[arg-type]
        nothing = balancer.backward({"activity": absent}, toy.parameters)
        assert float(nothing) == 0 and all(g is None for g in toy.take())


@pytest.mark.parametrize("name", NAMES)
def test_heads_get_their_own_gradient(name: str) -> None:
    """Whether the head is among the parameters that are given or not."""
    toy = Toy()
    losses, balancer = toy.losses(), made(name)
    own = {task: torch.autograd.grad(losses[task], toy.heads[task], retain_graph=True)[0] for task in TASKS}
    total = sum(losses.values())
    expected = {  # d total / d loss of each
        "db-mtl": {task: 1 / losses[task] for task in TASKS},
        "smooth-tchebycheff": {task: 1 / losses[task] for task in TASKS},  # level is the first loss: equal lags
        "adversarial": {task: torch.tensor(math.exp(1e-3 * float(losses[task].detach()))) for task in TASKS},
    }.get(name, {task: torch.ones(()) for task in TASKS})
    if name == "adversarial":
        expected = {task: value / sum(expected.values()) for task, value in expected.items()}
    assert float(total.detach()) > 0
    for told in (toy.parameters, toy.shared):
        balancer.backward(toy.losses(), told)
        toy_grads = {task: toy.heads[task].grad for task in TASKS}
        for task, grad in toy_grads.items():
            assert grad is not None
            assert torch.allclose(grad, expected[task].detach() * own[task], rtol=1e-6)
        toy.take()
        balancer = made(name)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_remembered_goes_on_after_a_round_trip(name: str) -> None:
    toy, one = Toy(), made(name)
    for tasks in ((), ("depth", "segmentation"), ("activity", "depth")):
        toy.step(one, *tasks)
    two = made(name)
    two.load_state_dict({k: v.clone() for k, v in one.state_dict().items()})
    for tasks in ((), ("segmentation",), ()):
        assert torch.equal(flat(toy.step(one, *tasks)), flat(toy.step(two, *tasks)))
    assert all(torch.equal(v, two.state_dict()[k]) for k, v in one.state_dict().items())
    made(name).load_state_dict(made(name).state_dict())


@pytest.mark.parametrize("name", SURGERY)
def test_other_parameters_start_anew(name: str) -> None:
    """A training phase that moves other parameters cannot use what was remembered of the former ones."""
    toy, balancer = Toy(), made(name)
    toy.step(balancer)
    balancer.backward(toy.losses(), toy.shared[:1])
    found = toy.shared[0].grad
    toy.take()
    made(name).backward(toy.losses(), toy.shared[:1])
    assert found is not None and toy.shared[0].grad is not None and torch.allclose(found, toy.shared[0].grad)


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_brings_the_losses_down(name: str) -> None:
    toy, balancer = Toy(3), made(name)
    optimizer = torch.optim.Adam([*toy.parameters, *balancer.parameters()], lr=0.03)
    before = {task: float(loss.detach()) for task, loss in toy.losses().items()}
    for _ in range(80):
        optimizer.zero_grad()
        balancer.backward(toy.losses(), toy.parameters)
        optimizer.step()
    assert all(float(loss.detach()) < 0.7 * before[task] for task, loss in toy.losses().items())


def test_equal_is_the_weighted_sum() -> None:
    toy = Toy()
    sum(toy.losses().values()).backward()  # type: ignore[union-attr]
    plain = flat(toy.take())
    assert torch.allclose(flat(toy.step(made("equal"))), plain)
    total = make_balancer("equal", {"depth": 2.0}).backward(toy.losses(), [])
    losses = toy.losses()
    assert float(total) == pytest.approx(float((sum(losses.values()) + losses["depth"]).detach()))  # type: ignore


def test_uncertainty_moves_towards_the_losses() -> None:
    x = torch.ones((), requires_grad=True)
    balancer = make_balancer("uncertainty", None, ("far", "near", "absent"))
    total = balancer.backward({"far": 3 * x, "near": 0.5 * x, "absent": x * 0}, [])
    slopes = {name.split(".")[1]: p.grad for name, p in balancer.named_parameters()}
    assert float(total) == 3.5 and float(slopes["far"]) == -2 and float(slopes["near"]) == 0.5  # type: ignore[arg-type]
    assert slopes["absent"] is None


@given(st.lists(st.tuples(*[st.just(0.0) | st.floats(0.01, 50)] * 3), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_adversarial_weights_stay_on_the_simplex_and_follow_the_losses(steps: list[tuple[float, ...]]) -> None:
    balancer = made("adversarial")
    for values in steps:
        before = balancer.weights
        losses = {task: torch.tensor(v, requires_grad=True) for task, v in zip(TASKS, values)}
        balancer.backward(losses, [])
        after = balancer.weights
        assert sum(after.values()) == pytest.approx(1, abs=1e-5) and min(after.values()) >= 0
        seen = [task for task, v in zip(TASKS, values) if v != 0]
        assert all(after[task] == pytest.approx(before[task], abs=1e-6) for task in TASKS if task not in seen)
        for one in seen:
            for other in seen:
                grown = math.exp(1e-3 * float(losses[one].detach() - losses[other].detach()))
                expected = before[one] / before[other] * grown
                assert after[one] / after[other] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_db_mtl_knows_no_scale_of_a_loss(scale: float) -> None:
    toy, plain, scaled = Toy(), made("db-mtl"), made("db-mtl")
    for _ in range(3):
        expected = toy.step(plain)
        assert torch.allclose(flat(toy.step(scaled, scale={"depth": scale})), flat(expected))


def test_db_mtl_gives_tasks_equal_lengths() -> None:
    toy = Toy()
    rows = [flat(toy.step(made("db-mtl"), task)[:2]) for task in TASKS]
    longest = max(float(row.norm()) for row in rows)
    expected = torch.stack([row / row.norm() * longest for row in rows]).sum(0)
    assert torch.allclose(flat(toy.step(made("db-mtl"))[:2]), expected)


def test_smooth_tchebycheff_looks_for_the_task_left_behind() -> None:
    x = torch.ones((), requires_grad=True)
    balancer = made("smooth-tchebycheff")
    balancer.backward({"segmentation": 4 * x, "depth": 1 * x}, [])
    weight = {}
    for task in ("segmentation", "depth"):
        y = {t: torch.ones((), requires_grad=True) for t in ("segmentation", "depth")}
        # Beside its level (4 and 1) the segmentation is at a tenth, depth where it was.
        balancer.backward({"segmentation": 0.4 * y["segmentation"], "depth": y["depth"]}, [])
        weight[task] = float(y[task].grad)  # type: ignore[arg-type]
    assert weight["depth"] > 10 * weight["segmentation"] > 0


def cosines(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    lengths = np.outer(np.linalg.norm(rows, axis=1), np.linalg.norm(others, axis=1))
    return np.divide(rows @ others.T, lengths, out=np.zeros_like(lengths), where=lengths > 0)


@given(
    arrays(np.int8, st.tuples(st.integers(2, 6), st.integers(1, 8)), elements=st.integers(-3, 3)),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=100, deadline=None)
def test_projected_gradients_never_conflict(directions: np.ndarray, seed: int) -> None:
    """Of whole numbers, often parallel, opposite or zero, and a million times as long as another; some bent."""
    rng = np.random.default_rng(seed)
    gradients = directions * 10.0 ** rng.uniform(-3, 3, len(directions))[:, None]
    gradients = gradients + (seed % 2) * rng.normal(0, 1, gradients.shape)
    projected = projections(gradients @ gradients.T) @ gradients
    assert (cosines(projected, gradients) >= -1e-6).all()
    assert (cosines(projected, projected) >= -1e-6).all()
    assert (cosines(projected.sum(0)[None], gradients) >= -1e-6).all()
    assert (np.linalg.norm(projected, axis=1) <= np.linalg.norm(gradients, axis=1) * (1 + 1e-6)).all()
    free = (cosines(gradients, gradients) >= 0).all(1)
    assert projected[free] == pytest.approx(gradients[free], rel=1e-6, abs=1e-9)


@given(arrays(np.float64, (2, 4), elements=st.floats(-1, 1)))
@settings(max_examples=30, deadline=None)
def test_for_two_tasks_projection_is_pcgrads(gradients: np.ndarray) -> None:
    lengths = np.linalg.norm(gradients, axis=1)
    assume((lengths > 1e-2).all() and abs(cosines(gradients, gradients)[0, 1]) < 0.999)
    one, other = gradients
    projected = projections(gradients @ gradients.T) @ gradients
    assert projected[0] == pytest.approx(one - min(one @ other, 0) / (other @ other) * other, abs=1e-6)
    assert projected[1] == pytest.approx(other - min(one @ other, 0) / (one @ one) * one, abs=1e-6)


def test_pcgrad_moves_the_weights_without_conflict() -> None:
    conflicts = 0
    for seed in range(20):
        toy = Toy(seed)
        plain = [flat(toy.step(made("equal"), task)[:2]) for task in TASKS]
        conflicts += any(float(a @ b) < 0 for a in plain for b in plain)
        update = flat(toy.step(made("pcgrad"))[:2])
        assert all(float(update @ g) >= -1e-9 for g in plain)
    assert conflicts > 5
    with pytest.raises(DescriberError, match="not finite"):
        projections(np.full((2, 2), np.nan))


def test_bloop_keeps_auxiliaries_off_the_main_gradients_average() -> None:
    toy, balancer = Toy(), made("bloop")
    main = flat(toy.step(made("equal"), "segmentation")[:2])
    both = flat(toy.step(balancer)[:2])  # the first average is this gradient itself
    assert float((both - main) @ main) == pytest.approx(0, abs=1e-9) and not torch.allclose(both, main)
    trend = balancer.state_dict()["trend"][0][: len(main)].clone()
    with torch.no_grad():
        toy.shared[1].add_(0.3)
    main = flat(toy.step(made("equal"), "segmentation")[:2])
    both = flat(toy.step(balancer)[:2])
    assert float((both - main) @ trend) == pytest.approx(0, abs=1e-9)
    moved = balancer.state_dict()["trend"][0][: len(main)]
    assert torch.allclose(moved, 0.99 * trend + 0.01 * main)
    auxiliary = flat(toy.step(balancer, "activity", "depth")[:2])
    assert float(auxiliary @ moved) == pytest.approx(0, abs=1e-9)


def test_unknown_strategies_are_refused() -> None:
    with pytest.raises(DescriberError, match=r"fair.*pcgrad"):
        make_balancer("fair")


def test_gradient_cosines() -> None:
    toy = Toy()
    a, b, c = (flat(toy.step(made("equal"), task)[:2]) for task in TASKS)
    kept = torch.ones_like(toy.shared[0])
    toy.shared[0].grad = kept
    found = gradient_cosines(toy.losses(), toy.parameters)
    assert toy.shared[0].grad is kept and toy.heads["depth"].grad is None
    expected = {
        "segmentation/activity": torch.cosine_similarity(a, b, 0),
        "segmentation/depth": torch.cosine_similarity(a, c, 0),
        "activity/depth": torch.cosine_similarity(b, c, 0),
    }
    assert found == pytest.approx({pair: float(value) for pair, value in expected.items()})
    losses = toy.losses()
    losses["depth"] = losses["depth"].detach()
    losses["activity"] = losses["activity"] * 0
    assert gradient_cosines(losses, toy.parameters) == {}
    assert gradient_cosines(toy.losses(), [*toy.heads.values()]) == {}
