"""Frames of several sequences -> what a network makes of them, all at once or frame number by frame number."""

import torch
from torch import Tensor, nn


def each_frame(network: nn.Module, x: Tensor, frames: int, apart: bool) -> Tensor:
    """`[B T, ...]` -> `[B T, ...]`, the frames of one sequence behind each other.

    Args:
        frames: T.
        apart: in training, give the network frame 0 of all sequences, then frame 1 and so on, so that a batch
            normalisation takes its statistics over the sequences alone and averages them T times.
    """
    if not (apart and network.training):
        seen: Tensor = network(x)
        return seen
    steps = x.unflatten(0, (-1, frames)).unbind(1)
    return torch.stack([network(step) for step in steps], 1).flatten(0, 1)
