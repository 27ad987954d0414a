"""Feature maps -> feature maps: SPADE layers whose scale and shift come from several maps, weights given or learnt."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from talkface.models.blocks import LEAK


@dataclass(frozen=True)
class Kernel:
    """1 x 1 convolution of each example by its own weights.

    Attributes:
        weight: `[B, O, I]`.
        bias: `[B, O]`, made beside the weight; only `apply_doubling` adds it, as in the authors' code.
    """

    weight: Tensor
    bias: Tensor

    def apply(self, x: Tensor) -> Tensor:
        """`[B, I, H, W]` -> `[B, O, H, W]`, without the bias."""
        return (self.weight.to(x.dtype) @ x.flatten(2)).unflatten(2, x.shape[2:])

    def apply_doubling(self, x: Tensor) -> Tensor:
        """`[B, O, H, W]` -> `[B, I, 2 H, 2 W]` by the transposed convolution of stride 2.

        A 1 x 1 kernel fills every second pixel, the others get the bias alone; the first I of the O biases are used.
        """
        batch, inputs = self.weight.shape[0], self.weight.shape[2]
        weight = self.weight.transpose(1, 2).to(x.dtype)
        placed = x.new_zeros(batch, inputs, 2 * x.shape[2], 2 * x.shape[3])
        placed[:, :, ::2, ::2] = (weight @ x.flatten(2)).unflatten(2, x.shape[2:])
        return placed + self.bias[:, :inputs, None, None].to(x.dtype)


@dataclass(frozen=True)
class SpadeWeights:
    """Scale's and shift's kernels of one SPADE layer."""

    scale: Kernel
    shift: Kernel


@dataclass(frozen=True)
class BlockWeights:
    """Of a block's first, second and shortcut's SPADE layer."""

    first: SpadeWeights
    second: SpadeWeights
    shortcut: SpadeWeights


class SpectralConv(nn.Module):
    """Convolution with spectral norm, batch norm, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = spectral_norm(nn.Conv2d(inputs, outputs, 3, stride, 1))
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, I, H, W]` -> `[B, O, H / stride, W / stride]`."""
        return F.leaky_relu(self.norm(self.conv(x)), LEAK)


class Spade(nn.Module):
    """Batch norm, then a scale and shift by each map in turn (SPADE, Park et al. 2019), by 1 x 1 convolutions."""

    def __init__(self, channels: int, maps: Sequence[int], given_first: bool = False) -> None:
        """Build the layer.

        Args:
            channels: of the features.
            maps: channels of every map.
            given_first: the first map's kernels are given with each call.
        """
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        own = [(str(place), count) for place, count in enumerate(maps) if place or not given_first]
        self.scales = nn.ModuleDict({place: nn.Conv2d(count, channels, 1) for place, count in own})
        self.shifts = nn.ModuleDict({place: nn.Conv2d(count, channels, 1) for place, count in own})

    def forward(self, x: Tensor, maps: Sequence[Tensor | None], given: SpadeWeights | None = None) -> Tensor:
        """`[B, C, H, W]` and maps `[B, M, h, w]`, None for one that is missing -> `[B, C, H, W]`."""
        out = self.norm(x)
        for place, values in enumerate(maps):
            if values is None:
                continue
            if values.shape[2:] != x.shape[2:]:
                values = F.interpolate(values, size=x.shape[2:], mode="bilinear")
            if given is not None and not place:
                scale, shift = given.scale.apply(values), given.shift.apply(values)
            else:
                scale, shift = self.scales[str(place)](values), self.shifts[str(place)](values)
            out = out * (1 + scale) + shift
        return out


class SpadeBlock(nn.Module):
    """Two convolutions, each after SPADE by all maps in turn and leaky ReLU, around a skip."""

    def __init__(self, inputs: int, outputs: int, maps: Sequence[int], given_first: bool = False) -> None:
        super().__init__()
        hidden = min(inputs, outputs)
        self.norm1, self.norm2 = Spade(inputs, maps, given_first), Spade(hidden, maps, given_first)
        self.conv1 = spectral_norm(nn.Conv2d(inputs, hidden, 3, padding=1))
        self.conv2 = spectral_norm(nn.Conv2d(hidden, outputs, 3, padding=1))
        self.shortcut = _Shortcut(inputs, outputs, maps, given_first) if inputs != outputs else None

    def forward(self, x: Tensor, maps: Sequence[Tensor | None], given: BlockWeights | None = None) -> Tensor:
        """`[B, I, H, W]` -> `[B, O, H, W]`."""
        hidden = self.norm1(x, maps, given.first if given else None)
        hidden = self.norm2(self.conv1(F.leaky_relu(hidden, LEAK)), maps, given.second if given else None)
        skip = x if self.shortcut is None else self.shortcut(x, maps, given.shortcut if given else None)
        return skip + self.conv2(F.leaky_relu(hidden, LEAK))


class CompositionBlock(nn.Module):
    """Each source normalises and activates the features by itself; their mean is convolved, twice, around a skip.

    Chen et al. 2020, section 3.3 (non-linear composition). The first map is the target's label.
    """

    def __init__(self, inputs: int, outputs: int, maps: Sequence[int], given_first: bool = False) -> None:
        super().__init__()
        hidden = min(inputs, outputs)
        first = [given_first and not place for place in range(len(maps))]
        self.norms1 = nn.ModuleList(Spade(inputs, [count], own) for count, own in zip(maps, first, strict=True))
        self.norms2 = nn.ModuleList(Spade(hidden, [count], own) for count, own in zip(maps, first, strict=True))
        self.conv1 = spectral_norm(nn.Conv2d(inputs, hidden, 3, padding=1))
        self.conv2 = spectral_norm(nn.Conv2d(hidden, outputs, 3, padding=1))
        self.shortcut = _Shortcut(inputs, outputs, maps, given_first) if inputs != outputs else None

    def forward(self, x: Tensor, maps: Sequence[Tensor | None], given: BlockWeights | None = None) -> Tensor:
        """`[B, I, H, W]` -> `[B, O, H, W]`; a source whose map is None takes no part."""
        hidden = self.conv1(_mean(self.norms1, x, maps, given.first if given else None))
        out = self.conv2(_mean(self.norms2, hidden, maps, given.second if given else None))
        skip = x if self.shortcut is None else self.shortcut(x, maps, given.shortcut if given else None)
        return skip + out


class _Shortcut(nn.Module):
    """1 x 1 convolution after SPADE, where a block changes the number of channels."""

    def __init__(self, inputs: int, outputs: int, maps: Sequence[int], given_first: bool) -> None:
        super().__init__()
        self.norm = Spade(inputs, maps, given_first)
        self.conv = spectral_norm(nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor, maps: Sequence[Tensor | None], given: SpadeWeights | None) -> Tensor:
        return self.conv(self.norm(x, maps, given))


class PlainBlock(nn.Module):
    """The same block with plain batch norm, as flow and fusion have it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        hidden = min(inputs, outputs)
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(hidden)
        self.conv1 = spectral_norm(nn.Conv2d(inputs, hidden, 3, padding=1))
        self.conv2 = spectral_norm(nn.Conv2d(hidden, outputs, 3, padding=1))
        self.skip_norm = nn.BatchNorm2d(inputs) if inputs != outputs else None
        self.skip_conv = spectral_norm(nn.Conv2d(inputs, outputs, 1, bias=False)) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """`[B, I, H, W]` -> `[B, O, H, W]`."""
        hidden = self.conv1(F.leaky_relu(self.norm1(x), LEAK))
        hidden = self.conv2(F.leaky_relu(self.norm2(hidden), LEAK))
        if self.skip_norm is None or self.skip_conv is None:
            return x + hidden
        return self.skip_conv(self.skip_norm(x)) + hidden


def _mean(norms: nn.ModuleList, x: Tensor, maps: Sequence[Tensor | None], given: SpadeWeights | None) -> Tensor:
    """Mean over the sources of the features that each has modulated and activated."""
    parts = [
        F.leaky_relu(norm(x, [values], None if place else given), LEAK)
        for place, (norm, values) in enumerate(zip(norms, maps, strict=False))
        if values is not None
    ]
    return sum(parts[1:], parts[0]) / len(parts)
