"""One batch over several processes -> the gradients, statistics and scores that one process would have.

Every process draws the same batch, works on its own rows and receives the others' answers, so that a loss over the
whole batch is the same everywhere; each one's gradient is the part that its rows have in it.
"""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, TypeVar

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn
from torch.distributed import nn as distributed
from torch.nn.modules.batchnorm import _BatchNorm

from talkface.errors import ConfigError

Batch = TypeVar("Batch")  # a dataclass of tensors


def own_rows(accelerator: Accelerator, count: int, parts: int) -> list[tuple[slice, slice]]:
    """Rows of each part of a batch of `count`, and which of them are this process' own.

    Raises:
        ConfigError: the batch cannot be shared out evenly.
    """
    processes = accelerator.num_processes
    size, rest = divmod(count, parts * processes)
    if rest or size == 0:
        each = f" in {parts} parts each (optim.accumulate)" if parts > 1 else ""
        raise ConfigError(
            f"run.batch_size {count} cannot be shared by {processes} processes{each}:"
            f" give a multiple of {parts * processes}"
        )
    starts = range(0, count, size * processes)
    mine = accelerator.process_index * size
    return [(slice(at, at + size * processes), slice(at + mine, at + mine + size)) for at in starts]


def own_part(accelerator: Accelerator, batch: Batch) -> Batch:
    """A batch of tensors `[B, ...]` that every process has -> this process' rows of it.

    Raises:
        ConfigError: the batch cannot be shared out evenly.
    """
    names = fields(batch)  # type: ignore[arg-type]
    ((_, rows),) = own_rows(accelerator, len(getattr(batch, names[0].name)), 1)
    return type(batch)(**{each.name: getattr(batch, each.name)[rows] for each in names})


def chunks(batch: Batch, size: int) -> Iterator[Batch]:
    """A batch of tensors `[B, ...]` -> batches of `size` rows at most, in order."""
    names = [each.name for each in fields(batch)]  # type: ignore[arg-type]
    for start in range(0, len(getattr(batch, names[0])), size):
        yield type(batch)(**{name: getattr(batch, name)[start : start + size] for name in names})


def whole_answer(accelerator: Accelerator, own: Batch) -> Batch:
    """Network's output for the own rows -> for all rows in order; gradients go to the own rows only.

    A loss over it is the loss of the whole batch, times the number of processes where gradients are averaged later.
    """
    made = {each.name: getattr(own, each.name) for each in fields(own)}  # type: ignore[arg-type]
    return type(own)(**{name: None if each is None else from_all(accelerator, each) for name, each in made.items()})


def from_all(accelerator: Accelerator, own: Tensor) -> Tensor:
    """`[b, ...]` of each process -> `[B, ...]` of all in order; gradients go to the own rows only."""
    if accelerator.num_processes == 1:
        return own
    gathered: Tensor = accelerator.gather(own.detach().contiguous())
    parts = list(gathered.chunk(accelerator.num_processes))
    parts[accelerator.process_index] = own
    return torch.cat(parts)


def average_gradients(accelerator: Accelerator, network: nn.Module) -> None:
    """Give every process the mean of all gradients."""
    if accelerator.num_processes == 1:
        return
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(flat)
    flat /= accelerator.num_processes
    for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def agreed(scores: dict[str, float]) -> dict[str, float]:
    """The first process' scores, for all: whether to stop must not depend on rounding."""
    if PartialState().num_processes == 1:
        return scores
    shared: list[Any] = [scores]
    broadcast_object_list(shared, 0)
    return dict(shared[0])


class GlobalBatchNorm(_BatchNorm):
    """Batch norm whose mean and variance are those of all processes' rows; torch's own needs GPUs for that."""

    def _check_input_dim(self, input: Tensor) -> None:
        assert input.dim() >= 2, input.shape

    def forward(self, input: Tensor) -> Tensor:
        """`[B, C, ...]` -> the same shape."""
        if not self.training:
            return super().forward(input)
        x, axes = input.float(), [0, *range(2, input.dim())]
        shape = [1, -1] + [1] * (input.dim() - 2)
        processes = torch.distributed.get_world_size()
        mean = distributed.functional.all_reduce(x.mean(axes)) / processes
        centred = x - mean.view(shape)
        variance = distributed.functional.all_reduce(centred.square().mean(axes)) / processes
        with torch.no_grad():
            running_mean, running_var, tracked = self.running_mean, self.running_var, self.num_batches_tracked
            if running_mean is not None and running_var is not None and tracked is not None:
                assert self.momentum is not None
                count = processes * x.numel() / x.shape[1]
                tracked += 1
                running_mean.lerp_(mean, self.momentum)
                running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        y: Tensor = centred / (variance + self.eps).sqrt().view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(input.dtype)


def share_norms(network: nn.Module) -> None:
    """Replace every batch norm inside `network` by one over all processes; names and values stay."""
    for name, child in network.named_children():
        if isinstance(child, _BatchNorm):
            kept = child.affine, child.track_running_stats
            shared = GlobalBatchNorm(child.num_features, child.eps, child.momentum, *kept)
            shared.load_state_dict(child.state_dict())
            setattr(network, name, shared)
        else:
            share_norms(child)
