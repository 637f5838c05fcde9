"""How the losses of several tasks become one step: one small class a strategy, made by name with `make_balancer`.

Two families. Some weigh the losses and differentiate the sum once; others differentiate each task apart and combine the
gradients where tasks meet. A parameter that only one task reaches always gets that task's own gradient. With several
processes each balances its own part of the batch and remembers what it saw; the gradients are averaged afterwards.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from describer.errors import DescriberError
from describer.seg.losses import TASKS

_ROUNDING = 1e-10
"""Squared length, beside 1, below which what a projection left of a gradient is rounding."""


class Balancer(nn.Module, ABC):
    """Turns the tasks' losses into gradients. Its parameters are trained along, what it remembers are buffers."""

    def backward(self, losses: dict[str, Tensor], shared: Sequence[nn.Parameter]) -> Tensor:
        """Add to `.grad` in everything that the losses reach and return the total that was minimised, a 0-d tensor.

        `shared` are the parameters that tasks may meet in. A loss without a gradient or of exactly 0 belongs to a task
        without labels in this batch: the others are balanced among themselves, and nothing is learned about it.
        """
        able = {task: loss for task, loss in losses.items() if loss.requires_grad}
        if able:
            values = torch.stack([loss.detach() for loss in able.values()]).tolist()
            able = {task: loss for (task, loss), value in zip(able.items(), values, strict=True) if value != 0}
        if not able:
            return torch.stack([loss.detach() for loss in losses.values()]).sum()
        return self._backward(able, shared)

    @abstractmethod
    def _backward(self, losses: dict[str, Tensor], shared: Sequence[nn.Parameter]) -> Tensor:
        """`backward` for tasks that all have something to learn in this batch."""


class WeighingBalancer(Balancer):
    """A strategy that minimises one scalar made of the losses."""

    def _backward(self, losses: dict[str, Tensor], shared: Sequence[nn.Parameter]) -> Tensor:
        total = self.total(losses)
        total.backward()
        return total.detach()

    @abstractmethod
    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """The scalar to minimise."""


class EqualBalancer(WeighingBalancer):
    """The sum of the losses, each times a fixed weight (1 where none is given)."""

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        self.weights = dict(weights or {})

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        return torch.stack([self.weights.get(task, 1.0) * loss for task, loss in losses.items()]).sum()


class UncertaintyBalancer(WeighingBalancer):
    """Homoscedastic uncertainty (Kendall et al., arXiv 1705.07115): exp(-s) loss + s, with one learned s a task."""

    def __init__(self, tasks: Sequence[str] = TASKS) -> None:
        super().__init__()
        self.log_variance = nn.ParameterDict({task: nn.Parameter(torch.zeros(())) for task in tasks})

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        terms = [(-self.log_variance[k]).exp() * loss + self.log_variance[k] for k, loss in losses.items()]
        return torch.stack(terms).sum()


class AdversarialBalancer(WeighingBalancer):
    """Adversarial weight update of MT3DNet (arXiv 2412.03928): weights on the simplex that follow the losses.

    Each step multiplies a task's weight by exp(eta * its loss) and renormalises, so whatever is learned worst counts
    most. Missing tasks keep their weight, and the others share what is left. At the default eta a loss that stays
    larger by 1 gains a factor of e in a thousand steps.
    """

    log_weights: Tensor

    def __init__(self, tasks: Sequence[str] = TASKS, eta: float = 1e-3) -> None:
        super().__init__()
        self.tasks, self.eta = tuple(tasks), eta
        self.register_buffer("log_weights", torch.full((len(self.tasks),), -math.log(len(self.tasks))))

    @property
    def weights(self) -> dict[str, float]:
        """Every task's weight; they sum to 1."""
        return dict(zip(self.tasks, self.log_weights.softmax(0).tolist(), strict=True))

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        rows = [self.tasks.index(task) for task in losses]
        told = torch.stack(list(losses.values()))
        old = self.log_weights[rows]
        new = old + self.eta * told.detach().to(old)
        self.log_weights[rows] = new.log_softmax(0) + old.logsumexp(0)
        return (new.softmax(0) * told).sum()


class SmoothTchebycheffBalancer(WeighingBalancer):
    """Smooth Tchebycheff scalarisation (Lin et al., arXiv 2402.19078) of the log losses: a soft maximum.

    mu * log sum exp(log(loss / level) / mu), times the number of tasks. A task's level is its mean loss over its first
    `warmup` steps, so the maximum looks for the task that has come down least. mu 1 is a fixed weight 1/level each; mu
    towards 0 is the worst task alone.
    """

    level: Tensor
    seen: Tensor

    def __init__(self, tasks: Sequence[str] = TASKS, mu: float = 0.5, warmup: int = 100) -> None:
        super().__init__()
        self.tasks, self.mu, self.warmup = tuple(tasks), mu, warmup
        self.register_buffer("level", torch.zeros(len(self.tasks)))
        self.register_buffer("seen", torch.zeros(len(self.tasks)))

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        rows = [self.tasks.index(task) for task in losses]
        told = torch.stack(list(losses.values()))
        young = (self.seen[rows] < self.warmup).to(self.seen)
        self.seen[rows] += young
        self.level[rows] += young * (told.detach().to(self.level) - self.level[rows]) / self.seen[rows]
        lag = told.log() - self.level[rows].log()
        return self.mu * len(rows) * (lag / self.mu).logsumexp(0)


class GradientBalancer(Balancer):
    """A strategy that combines the tasks' gradients where at least two of them meet.

    Each task is differentiated once. `combine` sees the gradients in `shared` as rows and the places where tasks meet;
    elsewhere, and in parameters outside of `shared`, the tasks' gradients are added as they are.
    """

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        self.weights = dict(weights or {})

    def objective(self, task: str, loss: Tensor) -> Tensor:
        """What is differentiated for a task: its loss times its fixed weight."""
        return self.weights.get(task, 1.0) * loss

    @abstractmethod
    def combine(self, tasks: Sequence[str], gradients: Tensor, meet: Tensor) -> Tensor:
        """gradients (K, P) of the K tasks, meet (P,) bool -> the combined gradient (P,), read only where they meet."""

    def _backward(self, losses: dict[str, Tensor], shared: Sequence[nn.Parameter]) -> Tensor:
        objectives = {task: self.objective(task, loss) for task, loss in losses.items()}
        rows, reached = _differentiate(list(objectives.values()), shared)
        meet = torch.cat([torch.full((p.numel(),), n > 1, device=p.device) for p, n in zip(shared, reached)])
        combined = torch.where(meet, self.combine(list(losses), rows, meet), rows.sum(0))
        for parameter, n, part in zip(shared, reached, combined.split([p.numel() for p in shared])):
            if n:
                grad = part.view_as(parameter)
                parameter.grad = grad.clone() if parameter.grad is None else parameter.grad + grad
        return torch.stack([objective.detach() for objective in objectives.values()]).sum()


def _differentiate(objectives: Sequence[Tensor], shared: Sequence[nn.Parameter]) -> tuple[Tensor, list[int]]:
    """Each objective's gradient in `shared`, (K, P), and how many of them reach each parameter.

    Parameters outside of `shared` get their gradients added; `shared` keep theirs as they were.
    """
    before = [parameter.grad for parameter in shared]
    rows, reached = [], [0] * len(shared)
    for k, objective in enumerate(objectives):
        for parameter in shared:
            parameter.grad = None
        objective.backward(retain_graph=k + 1 < len(objectives))
        reached = [n + (parameter.grad is not None) for n, parameter in zip(reached, shared)]
        rows.append(torch.cat([(p.grad if p.grad is not None else torch.zeros_like(p)).flatten() for p in shared]))
    for parameter, grad in zip(shared, before):
        parameter.grad = grad
    return torch.stack(rows), reached


class PCGradBalancer(GradientBalancer):
    """Gradient surgery (PCGrad, Yu et al., arXiv 2001.06782), mended so that no number of tasks is left in conflict.

    PCGrad projects a task's gradient off the gradient of every task it conflicts with, one after the other. For two
    tasks that removes the conflict. For more, a later projection may bring an earlier conflict back, and only the last
    one is sure to be gone. Here each gradient goes to the nearest point that conflicts with none of the originals: for
    two tasks exactly PCGrad's; for more, onto the cone that its projections aim at (as Quinton and Rey do, arXiv
    2406.16232). Then every projected gradient has a cosine of at least 0 with every original and with every other
    projected one, and so has their sum. What two opposite gradients leave of each other is nothing.
    """

    def combine(self, tasks: Sequence[str], gradients: Tensor, meet: Tensor) -> Tensor:
        there = gradients * meet
        gram = (there @ there.T).double().cpu().numpy()
        weights = torch.as_tensor(projections(gram).sum(0), dtype=gradients.dtype, device=gradients.device)
        return weights @ gradients


def projections(gram: np.ndarray) -> np.ndarray:
    """The matrix M (K, K) whose row i makes task i's projected gradient, M[i] @ gradients, of the originals.

    gram (K, K) holds the inner products of the gradients. Row i solves: the nearest point to gradient i whose inner
    product with every gradient is not negative. It is gradient i plus a non-negative share of the others.
    """
    from scipy.optimize import nnls

    if not np.isfinite(gram).all():
        raise DescriberError("The tasks' gradients are not finite; lower the learning rate.")
    lengths = np.sqrt(np.diag(gram).clip(min=0))
    unit = np.where(lengths > 0, lengths, 1.0)
    values, vectors = np.linalg.eigh(gram / np.outer(unit, unit))
    # Columns with the same inner products as the unit gradients, in as many dimensions as there are tasks.
    columns = np.sqrt(values.clip(min=0))[:, None] * vectors.T
    out = np.zeros_like(gram)
    for i in np.flatnonzero(lengths):
        shares, left = nnls(columns, -columns[:, i])
        if left**2 > _ROUNDING:
            out[i] = lengths[i] * (shares + (np.arange(len(gram)) == i)) / unit
    return out


class TrendBalancer(GradientBalancer):
    """A strategy that remembers a moving average of some tasks' gradients; another set of parameters starts it anew."""

    trend: Tensor
    seen: Tensor

    def __init__(self, followed: Sequence[str], weights: Mapping[str, float] | None = None) -> None:
        super().__init__(weights)
        self.followed = tuple(followed)
        self.register_buffer("trend", torch.zeros(len(self.followed), 0))
        self.register_buffer("seen", torch.zeros(len(self.followed)))

    def follow(self, task: str, gradient: Tensor, keep: Callable[[float], float]) -> Tensor:
        """Move the average of `task` to `gradient` (P,), keeping the share keep(n) of the old one at the nth time."""
        if self.trend.shape[1] != len(gradient):
            self.trend = gradient.new_zeros(len(self.followed), len(gradient))
            self.seen.zero_()
        row = self.followed.index(task)
        self.seen[row] += 1
        n = float(self.seen[row])
        self.trend[row].lerp_(gradient, 1.0 if n == 1 else 1 - keep(n))
        return self.trend[row]

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        stored = state_dict.get(f"{prefix}trend")
        if stored is not None:  # its size is known once a gradient was seen
            self.trend = self.trend.new_zeros(stored.shape, dtype=stored.dtype)
        super()._load_from_state_dict(state_dict, prefix, *args)


class DBMTLBalancer(TrendBalancer):
    """Dual balancing (DB-MTL, Lin et al., arXiv 2308.12029): log losses, then gradients of one length.

    The loss of every task goes through a logarithm, which takes out its scale everywhere, heads included. Where tasks
    meet, a moving average of each one's gradient (keeping beta / sqrt(step)) is stretched to the longest one's length.
    """

    def __init__(self, tasks: Sequence[str] = TASKS, beta: float = 0.9) -> None:
        super().__init__(tasks)
        self.beta = beta

    def objective(self, task: str, loss: Tensor) -> Tensor:
        return loss.log()

    def combine(self, tasks: Sequence[str], gradients: Tensor, meet: Tensor) -> Tensor:
        trends = [
            self.follow(task, gradient, lambda n: self.beta / math.sqrt(n)) for task, gradient in zip(tasks, gradients)
        ]
        lengths = torch.stack([(trend * meet).norm() for trend in trends])
        stretch = lengths.max() / lengths.clamp_min(torch.finfo(lengths.dtype).tiny)
        return stretch @ torch.stack(trends)


class BloopBalancer(TrendBalancer):
    """Bloop (Hsieh et al., arXiv 2402.02998): auxiliary tasks move only where the main one does not care.

    The auxiliary tasks' summed gradient is made orthogonal to a moving average of the main task's (rate `rho`), less
    noisy than one batch's, and added to the main gradient. The average moves after it was used.
    """

    def __init__(
        self, weights: Mapping[str, float] | None = None, main: str = "segmentation", rho: float = 0.01
    ) -> None:
        super().__init__([main], weights)
        self.rho = rho

    def combine(self, tasks: Sequence[str], gradients: Tensor, meet: Tensor) -> Tensor:
        (main,) = self.followed
        auxiliary = gradients[[k for k, task in enumerate(tasks) if task != main]].sum(0)
        known = self.trend.shape[1] == len(auxiliary)
        if main not in tasks:
            return _orthogonal(auxiliary, self.trend[0] * meet) if known else auxiliary
        gradient = gradients[list(tasks).index(main)]
        step = gradient + _orthogonal(auxiliary, (self.trend[0] if known else gradient) * meet)
        self.follow(main, gradient, lambda _: 1 - self.rho)
        return step


def _orthogonal(vector: Tensor, to: Tensor) -> Tensor:
    """`vector` without its part along `to`."""
    return vector - (vector @ to) / (to @ to).clamp_min(torch.finfo(to.dtype).tiny) * to


BALANCERS: dict[str, Callable[[Mapping[str, float] | None, Sequence[str]], Balancer]] = {
    "equal": lambda weights, tasks: EqualBalancer(weights),
    "uncertainty": lambda weights, tasks: UncertaintyBalancer(tasks),
    "db-mtl": lambda weights, tasks: DBMTLBalancer(tasks),
    "smooth-tchebycheff": lambda weights, tasks: SmoothTchebycheffBalancer(tasks),
    "pcgrad": lambda weights, tasks: PCGradBalancer(weights),
    "bloop": lambda weights, tasks: BloopBalancer(weights),
    "adversarial": lambda weights, tasks: AdversarialBalancer(tasks),
}


def make_balancer(name: str, weights: Mapping[str, float] | None = None, tasks: Sequence[str] = TASKS) -> Balancer:
    """The strategy called `name` for `tasks`.

    `weights` are fixed weights of the losses (1 where none is given), used by the strategies that find none themselves:
    equal, pcgrad and bloop. DescriberError for an unknown name.
    """
    if name not in BALANCERS:
        raise DescriberError(f"balance '{name}' is unknown; choose one of {', '.join(BALANCERS)}.")
    return BALANCERS[name](weights, tasks)


def gradient_cosines(losses: dict[str, Tensor], shared: Sequence[nn.Parameter]) -> dict[str, float]:
    """The cosine between every two tasks' gradients, by "one/other", over the parameters of `shared` that both reach.

    Below 0 two tasks pull apart: the conflict that surgery removes. Pairs that do not meet, or of which one has no
    gradient in this batch, are left out. No `.grad` is touched; the losses' graph is used up.
    """
    able = {task: loss for task, loss in losses.items() if loss.requires_grad}
    gradients = {
        task: torch.autograd.grad(loss, list(shared), retain_graph=k + 1 < len(able), allow_unused=True)
        for k, (task, loss) in enumerate(able.items())
    }
    cosines = {}
    for one, other in combinations(able, 2):
        met = [(a, b) for a, b in zip(gradients[one], gradients[other]) if a is not None and b is not None]
        parts = [torch.stack(((a * b).sum(), a.square().sum(), b.square().sum())) for a, b in met]
        dot, a, b = torch.stack(parts).sum(0).tolist() if parts else (0.0, 0.0, 0.0)
        if a > 0 and b > 0:
            cosines[f"{one}/{other}"] = dot / math.sqrt(a * b)
    return cosines
