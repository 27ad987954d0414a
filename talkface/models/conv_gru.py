"""Feature maps over time + what is remembered -> feature maps that know the past, and the memory to go on with."""

import torch
from torch import Tensor, nn


class ConvGru(nn.Module):
    """Gated recurrent unit (Cho et al. 2014, in the form of cuDNN) whose products are convolutions.

    The gates that look at the input are worked out for all frames at once; only those that look at the memory go
    frame by frame.
    """

    def __init__(self, inputs: int, hidden: int, kernel: int = 3, dilation: int = 1) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.hidden = hidden
        self.from_input = nn.Conv2d(inputs, 3 * hidden, kernel, padding=padding, dilation=dilation)
        self.from_memory = nn.Conv2d(hidden, 3 * hidden, kernel, padding=padding, dilation=dilation)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Go through the frames in order.

        Args:
            x: `[B, T, C, H, W]`.
            memory: `[B, D, H, W]` that an earlier call returned; None before the first frame.

        Returns:
            `[B, T, D, H, W]`, and the memory after the last frame: T frames in any number of calls give what one gives.
        """
        batch, frames = x.shape[:2]
        seen = self.from_input(x.flatten(0, 1)).unflatten(0, (batch, frames))
        if memory is None:
            memory = seen.new_zeros((batch, self.hidden, *seen.shape[-2:]))
        states = []
        for frame in seen.unbind(1):
            reset_in, update_in, new_in = frame.chunk(3, dim=1)
            reset_kept, update_kept, new_kept = self.from_memory(memory).chunk(3, dim=1)
            update = torch.sigmoid(update_in + update_kept)
            new = torch.tanh(new_in + torch.sigmoid(reset_in + reset_kept) * new_kept)
            memory = new + update * (memory - new)
            states.append(memory)
        return torch.stack(states, 1), memory
