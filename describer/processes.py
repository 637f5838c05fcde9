"""The processes that train together, as accelerate starts them, and what they tell each other.

Gradients are averaged once a step instead of by a wrapper's hooks: balancing strategies differentiate each task apart,
which such hooks do not see. Each process balances the tasks on its own part of the batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env, reduce
from torch import Tensor, nn

from describer.errors import DescriberError


def processes() -> PartialState:
    """This process among those that `accelerate launch` or `torchrun` started; alone without them."""
    wanted = int(os.environ.get("WORLD_SIZE", "1"))
    # accelerate takes several processes without a GPU for one process each unless it is told of the CPU.
    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or (wanted > 1 and not torch.cuda.is_available())
    state = PartialState(cpu=on_cpu)
    if state.num_processes != wanted:
        raise DescriberError(
            f"{wanted} processes were started but each is on its own; start them with torchrun, "
            "or with `accelerate launch` on a machine with GPUs."
        )
    return state


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace every gradient by its mean over all processes; one message, whatever the number of parameters."""
    if processes().num_processes == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:  # a task missing in this part of the batch is a zero, not an absence
            parameter.grad = torch.zeros_like(parameter)
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = reduce(torch.cat([grad.flatten().float() for grad in grads]), "mean")
    for grad, mean in zip(grads, flat.split([grad.numel() for grad in grads]), strict=True):
        grad.copy_(mean.view_as(grad))


def mean_over_processes(values: Tensor) -> Tensor:
    """A small tensor's mean over all processes."""
    mean: Tensor = reduce(values, "mean") if processes().num_processes > 1 else values
    return mean


def told_by_main(progress: Callable[[str], None] | None) -> Callable[[str], None]:
    """``progress`` in the main process; the others, and all without one, say nothing."""
    return progress if progress is not None and processes().is_main_process else lambda text: None
