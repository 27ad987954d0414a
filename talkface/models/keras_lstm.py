"""Frames -> states by the LSTM of Keras 2, whose gates are piecewise linear."""

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]


class KerasLstm(nn.Module):
    """LSTM as Keras 2.2 computes it with `activation='sigmoid'`: hard sigmoid gates, and no tanh anywhere.

    The gates are clip(0.2 x + 0.5, 0, 1); what is written to the cell and read from it passes a sigmoid, so that every
    output lies between 0 and 1. The order of the four parts is Keras's: input, forget, cell, output.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.from_input = nn.Linear(inputs, 4 * hidden)
        self.from_state = nn.Linear(hidden, 4 * hidden, bias=False)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """`[B, T, C]` and what an earlier call returned -> `[B, T, D]`, and the state after the last frame."""
        seen = self.from_input(x)
        output, cell = state if state is not None else (x.new_zeros(len(x), self.hidden),) * 2
        outputs = []
        for frame in seen.unbind(1):
            gate_in, gate_kept, written, gate_out = (frame + self.from_state(output)).chunk(4, -1)
            cell = _hard_sigmoid(gate_kept) * cell + _hard_sigmoid(gate_in) * torch.sigmoid(written)
            output = _hard_sigmoid(gate_out) * torch.sigmoid(cell)
            outputs.append(output)
        return torch.stack(outputs, 1), (output, cell)


def _hard_sigmoid(x: Tensor) -> Tensor:
    return (0.2 * x + 0.5).clamp(0, 1)
