"""Losses -> one checked step of an optimiser; seed -> torch's random numbers of one step or of first weights."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import is_initialized
from torch import Tensor, nn

from talkface.errors import DivergedError
from talkface.training.engine.processes import average_gradients


def check_finite(values: Mapping[str, Tensor | float], step: int, advice: str = "") -> dict[str, float]:
    """Loss terms, or gradients' norms, as numbers.

    Args:
        values: scalars by name.
        step: number of the step, from 0.
        advice: what to do next; "": what helps a run of `talkface train`.

    Raises:
        DivergedError: a value is infinite or NaN; the message names the first.
    """
    numbers = {name: value.item() if isinstance(value, Tensor) else value for name, value in values.items()}
    advice = advice or "lower optim.rate, or set run.grad_clip, in a new run.out"
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise DivergedError(f"{name} is {number} at step {step + 1}: {advice}")
    return numbers


def step_on(
    losses: Iterable[Tensor],
    optimizer: torch.optim.Optimizer,
    network: nn.Module,
    step: int,
    grad_clip: float = 0.0,
    accelerator: Accelerator | None = None,
    advice: str = "",
) -> float:
    """Take one step of `optimizer` on the sum of `losses`.

    Args:
        losses: scalars. Made one by one, as by a generator, the graph of each is freed before the next is made: a batch
            in parts then needs the memory of one part.
        network: the one whose parameters `optimizer` has; other networks' gradients are neither averaged nor clipped.
        step: number of the step, from 0, for the message.
        grad_clip: largest norm of the gradient; 0 leaves it as it is.
        accelerator: of a run whose processes train together, over which gradients are averaged; None: this process
            trains for itself.
        advice: as of `check_finite`.

    Returns:
        Norm of the gradient before it was clipped.

    Raises:
        DivergedError: a gradient is infinite or NaN, and its parameter named; the weights stay as they are.
    """
    optimizer.zero_grad(set_to_none=True)
    for loss in losses:
        loss.backward()  # bfloat16 needs no scaling of the loss
    if accelerator is not None:
        average_gradients(accelerator, network)
    gradients = {name: each.grad for name, each in network.named_parameters() if each.grad is not None}
    total = torch.nn.utils.get_total_norm(list(gradients.values()))
    norms = {"the gradient": total}
    if not total.isfinite():  # which parameter's it is, is looked up only then
        norms = {f"the gradient of {name}": gradient.abs().max() for name, gradient in gradients.items()} | norms
    norm = check_finite(norms, step, advice)["the gradient"]
    if grad_clip > 0:
        torch.nn.utils.clip_grads_with_norm_(network.parameters(), grad_clip, total)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)  # their memory serves the next batch
    return norm


@contextlib.contextmanager
def seeded(seed: int, step: int | None = None) -> Iterator[None]:
    """Inside, torch's own random numbers follow from the seed; outside they are left as they were.

    A generator cannot be passed instead: layers draw their first weights in `reset_parameters`, which hands none on to
    `nn.init`, and dropout and spectral norms take none. All of them read torch's global generators, which are forked
    here.

    Args:
        seed: of the run.
        step: for the random numbers of this step (dropout), of which every process of several has its own; None for
            the first weights of new networks, the same in all.
    """
    if step is not None:
        process = PartialState().process_index if is_initialized() else 0
        entropy = (seed, step, 1, process) if process else (seed, step, 1)
        seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint32)[0])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
