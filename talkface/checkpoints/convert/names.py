"""Tensors under an original's names -> tensors under ours; each is taken once, in the right shape, and none is left."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from talkface.errors import CheckpointError


class Renaming:
    """One network's tensors on their way from an original's names to those of `network`."""

    def __init__(self, state: Mapping[str, Tensor], network: nn.Module, what: str) -> None:
        """Take what an original saved.

        Args:
            state: its tensors by name.
            network: ours, for names and shapes.
            what: what errors call it, such as `model.tar, the embedder of vt`.
        """
        self.what = what
        self._left = dict(state)
        self._wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        self._made: dict[str, Tensor] = {}

    def take(self, theirs: str) -> Tensor:
        """An original's tensor in float32, to be used once.

        Raises:
            CheckpointError: it has none of that name.
        """
        if theirs not in self._left:
            raise CheckpointError(f"{self.what}: {theirs} is missing, so this file holds another network")
        return self._left.pop(theirs).float()

    def has(self, theirs: str) -> bool:
        """Whether a tensor of that name is left."""
        return theirs in self._left

    def put(self, ours: str, tensor: Tensor, theirs: str) -> None:
        """Give a tensor its new name.

        Raises:
            CheckpointError: our network has it in another shape; a missing or extra dimension of one is none.
        """
        wanted = self._wanted[ours]
        if tuple(tensor.shape) != wanted:
            if _without_ones(tensor.shape) != _without_ones(wanted):
                raise CheckpointError(
                    f"{self.what}: {theirs} has shape {list(tensor.shape)}, {list(wanted)} was expected, so this file"
                    " holds a network of another size"
                )
            tensor = tensor.reshape(wanted)
        self._made[ours] = tensor

    def plain(self, ours: str, theirs: str, parts: Iterable[str] = ("weight", "bias")) -> None:
        """A layer whose parts have the same names here and there."""
        for part in parts:
            self.put(f"{ours}.{part}", self.take(f"{theirs}.{part}"), f"{theirs}.{part}")

    def norm(self, ours: str, theirs: str) -> None:
        """A batch normalisation with its running statistics."""
        self.plain(ours, theirs, ("weight", "bias", "running_mean", "running_var"))
        if f"{ours}.num_batches_tracked" in self._wanted:
            counted = self._left.pop(f"{theirs}.num_batches_tracked", torch.zeros((), dtype=torch.long))
            self._made[f"{ours}.num_batches_tracked"] = counted.long()

    def instance_norm(self, ours: str, theirs: str) -> None:
        """An instance normalisation: ours keeps its scale less 1."""
        self.put(f"{ours}.gain", self.take(f"{theirs}.weight") - 1, f"{theirs}.weight")
        self.put(f"{ours}.shift", self.take(f"{theirs}.bias"), f"{theirs}.bias")

    def spectral(self, ours: str, theirs: str, *, rows: Tensor | None = None, shift: int = 0) -> None:
        """A layer with or without spectral norm, as ours has it.

        Args:
            rows: order of the outputs, where it is another here.
            shift: how far the input channels are rolled, where their order is another here.
        """
        spectral = ".parametrizations.weight"  # what torch puts between a layer's name and what spectral norm keeps
        if f"{ours}{spectral}.original" in self._wanted:
            parts = {
                f"{spectral}.original": "weight_orig",
                f"{spectral}.0._u": "weight_u",
                f"{spectral}.0._v": "weight_v",
            }
        else:
            parts = {".weight": "weight"}
        tensors = {part: self.take(f"{theirs}.{part}") for part in parts.values()}
        weight = tensors["weight_orig" if "weight_orig" in tensors else "weight"]
        if shift and "weight_v" in tensors:
            tensors["weight_v"] = tensors["weight_v"].view(weight.shape[1:]).roll(shift, 0).flatten()
        for suffix, part in parts.items():
            tensor = tensors[part]
            if part != "weight_v":
                tensor = tensor if rows is None else tensor[rows]
                tensor = tensor.roll(shift, 1) if shift and tensor.ndim > 1 else tensor
            self.put(f"{ours}{suffix}", tensor, f"{theirs}.{part}")
        if f"{ours}.bias" in self._wanted:
            bias = self.take(f"{theirs}.bias")
            self.put(f"{ours}.bias", bias if rows is None else bias[rows], f"{theirs}.bias")

    def finish(self, unused: Sequence[str] = ()) -> dict[str, Tensor]:
        """Our network's state dict.

        Args:
            unused: names of the original that have no use here.

        Raises:
            CheckpointError: something of the original is left, or something of ours is missing.
        """
        left = [name for name in self._left if name not in unused]
        if left:
            raise CheckpointError(f"{self.what}: {left[0]} has no place in it, so this file holds another network")
        missing = sorted(self._wanted.keys() - self._made.keys())
        if missing:
            raise CheckpointError(f"{self.what}: nothing was found for {missing[0]}")
        return self._made


def _without_ones(shape: Sequence[int]) -> list[int]:
    return [side for side in shape if side != 1]
