"""Video numbers -> their embeddings (FSTH's W), in one table of which a step touches the batch's rows only."""

import torch
from torch import Tensor, nn

from talkface.errors import ConfigError


class VideoTable(nn.Module):
    """W and its own Adam, row by row, without a first moment (FSTH trains with betas 0 and .999).

    An ordinary Adam over the table would move rows that are not in the batch and read 145,000 rows a step; torch's
    `SparseAdam` counts steps for the table as a whole, so that a row met late would start with a leap of 1 / sqrt(1 -
    beta) = 32 rates. Here every row counts its own steps. No spectral norm: it would tie a row's length to all others'.

    Attributes:
        weight: `[V, D]`.
        squares: `[V, D]` running mean of squared gradients.
        steps: `[V]` how often each row was updated.
    """

    weight: Tensor
    squares: Tensor
    steps: Tensor

    def __init__(self, videos: int, embedding: int, beta: float = 0.999, eps: float = 1e-8) -> None:
        super().__init__()
        self.beta, self.eps = beta, eps
        start_std = 0.02
        self.register_buffer("weight", torch.randn(videos, embedding) * start_std)
        self.register_buffer("squares", torch.zeros(videos, embedding))
        self.register_buffer("steps", torch.zeros(videos, dtype=torch.int32))

    def take_over(self, rows: Tensor) -> None:
        """Start from another table's rows `[V, D]`.

        Raises:
            ConfigError: not as many videos, or of another length.
        """
        if rows.shape != self.weight.shape:
            wanted, given = list(self.weight.shape), list(rows.shape)
            raise ConfigError(f"invalid start_table of {given}: expected {wanted}, a row per training video")
        self.weight.copy_(rows)

    def rows(self, videos: Tensor) -> Tensor:
        """`[B]` numbers -> `[B, D]`, a copy that knows nothing of the table: give it `requires_grad_` to learn."""
        return self.weight[videos]

    @torch.no_grad()
    def step(self, videos: Tensor, gradient: Tensor, rate: float) -> None:
        """Update the rows of `videos` `[B]` by `gradient` `[B, D]`; those of a video met twice are summed."""
        unique, place = videos.unique(return_inverse=True)
        gradient = gradient.new_zeros(len(unique), gradient.shape[1]).index_add_(0, place, gradient)
        steps = self.steps[unique] + 1
        squares = self.beta * self.squares[unique] + (1 - self.beta) * gradient.square()
        corrected = squares / (1 - self.beta ** steps.double()).to(squares.dtype)[:, None]
        self.weight[unique] -= rate * gradient / (corrected.sqrt() + self.eps)
        self.squares[unique], self.steps[unique] = squares, steps
