"""Step -> loss terms; state -> scores, preview, snapshot: what the loop asks of one network's training."""

from typing import Any, Protocol

from talkface.checkpoints.format import Checkpoint
from talkface.types import Image


class Job(Protocol):
    """Training of one kind of network under `fit`; it owns its networks, optimisers and data."""

    def train_step(self, step: int) -> dict[str, float]:
        """Draw the batch of `step` from (seed, step), update the weights, return the loss terms by name."""
        ...

    def evaluate(self) -> dict[str, float]:
        """Score held-out clips; `score` is the one that picks the best snapshot, lower is better."""
        ...

    def preview(self) -> Image | None:
        """A picture that shows the present state, or None."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that resuming needs: tensors, numbers, strings, lists and dicts only."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""
        ...

    def snapshot(self) -> Checkpoint:
        """Weights for users."""
        ...
