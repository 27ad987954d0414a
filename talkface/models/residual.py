"""Feature maps -> feature maps: residual block and self-attention of embedder, generator and discriminator.

Halving and doubling are folded into the convolution beside them, which is exact: the mean of 2 x 2 after a k x k
convolution is one (k + 1) x (k + 1) convolution of stride 2, nearest doubling before it one transposed convolution.
Both take 0.31 (k = 9) to 0.44 (k = 3) of the products. The 1 x 1 convolution of the skip runs on the smaller side.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from talkface.models.norms import AdainSlots, AdaptiveNorm, Conditions, InstanceNorm, NoNorm, SpadeNorm

SPECTRAL_EPS = 1e-4
RESAMPLINGS = ("same", "down", "nearest", "bilinear")
NORMS = ("none", "instance", "adain", "spade")


class FoldedConv(nn.Module):
    """Convolution with the halving after it or the doubling before it folded in.

    Attributes:
        weight: `[O, I, k, k]` of the plain convolution; what is trained and saved.
    """

    _ready: Tensor | None

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, resample: str = "same", spectral: bool = True
    ) -> None:
        super().__init__()
        assert resample in RESAMPLINGS, resample
        assert kernel % 2 == 1, kernel
        plain = nn.Conv2d(inputs, outputs, kernel)
        self.weight, self.bias = plain.weight, plain.bias
        self.kernel, self.resample = kernel, resample
        self.register_buffer("_ready", None, persistent=False)  # folded kernel of a network that is trained no more
        if spectral:
            spectral_norm(self, eps=SPECTRAL_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, I, H, W]` -> `[B, O, H', W']`; H' is H, H / 2 or 2 H."""
        weight = self.folded_weight() if self._ready is None else self._ready
        padding = self.kernel // 2
        if self.resample == "down":
            return F.conv2d(x, weight, self.bias, stride=2, padding=padding)
        if self.resample == "nearest":
            return F.conv_transpose2d(x, weight, self.bias, stride=2, padding=padding)
        if self.resample == "bilinear":
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
        return F.conv2d(x, weight, self.bias, padding=padding)

    def folded_weight(self) -> Tensor:
        """Kernel that does convolution and resampling at once."""
        weight = self.weight
        if self.resample == "down":
            return 0.25 * _spread(weight)
        if self.resample == "nearest":
            return _spread(weight.flip(2, 3).transpose(0, 1))
        return weight

    def freeze(self) -> None:
        """Settle spectral norm and folding for good; the output stays the same."""
        if parametrize.is_parametrized(self):
            parametrize.remove_parametrizations(self, "weight")
        memory_format = torch.channels_last if self.kernel > 1 else torch.contiguous_format
        self._ready = self.folded_weight().detach().contiguous(memory_format=memory_format)


class ConvResBlock(nn.Module):
    """norm, ReLU, convolution, norm, ReLU, convolution, around a skip (BigGAN, Brock et al. 2019, figures 15 and 16).

    No activation works in place on the block's input: the skip and the stored features see it as it came.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernels: tuple[int, int] = (3, 3),
        norm: str = "none",
        resample: str = "same",
        spectral: bool = True,
        slots: AdainSlots | None = None,
        activate_input: bool = True,
    ) -> None:
        """Build the block.

        Args:
            norm: one of `NORMS`.
            resample: one of `RESAMPLINGS`.
            slots: where adaptive layers take their place; needed by `adain`.
            activate_input: False for a network's first block, so that the dark half of a picture is not cut off.
        """
        super().__init__()
        make = _norm_maker(norm, slots)
        up = resample in ("nearest", "bilinear")
        self.resample, self.activate_input = resample, activate_input
        self.norm1, self.norm2 = make(inputs), make(outputs)
        self.conv1 = FoldedConv(inputs, outputs, kernels[0], resample if up else "same", spectral)
        self.conv2 = FoldedConv(outputs, outputs, kernels[1], "same" if up else resample, spectral)
        learned = inputs != outputs or resample != "same"
        self.skip = FoldedConv(inputs, outputs, 1, "same", spectral) if learned else None

    def forward(self, x: Tensor, given: Conditions) -> Tensor:
        """`[B, I, H, W]` -> `[B, O, H', W']`."""
        hidden = self.norm1(x, given)
        if self.activate_input:
            hidden = F.relu(hidden, inplace=hidden is not x)
        hidden = self.norm2(self.conv1(hidden), given)
        return self.conv2(F.relu(hidden, inplace=True)) + self._shortcut(x)

    def _shortcut(self, x: Tensor) -> Tensor:
        """The skip; a 1 x 1 convolution and a mean or an interpolation may change places."""
        if self.resample == "down":
            x = F.avg_pool2d(x, 2)
        if self.skip is not None:
            x = self.skip(x)
        if self.resample == "nearest":
            return F.interpolate(x, scale_factor=2)
        if self.resample == "bilinear":
            return F.interpolate(x, scale_factor=2, mode="bilinear")
        return x


class SelfAttention(nn.Module):
    """Every place looks at all others (SAGAN, Zhang et al. 2019, equations 1 to 3); starts as the identity.

    Keys and values are pooled by 2, as in SAGAN's published code: a quarter of the products and of the memory.
    """

    def __init__(self, channels: int, spectral: bool = True) -> None:
        super().__init__()
        narrow, half = max(channels // 8, 1), max(channels // 2, 1)
        self.query = FoldedConv(channels, narrow, 1, spectral=spectral)
        self.key = FoldedConv(channels, narrow, 1, spectral=spectral)
        self.value = FoldedConv(channels, half, 1, spectral=spectral)
        self.out = FoldedConv(half, channels, 1, spectral=spectral)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, given: Conditions) -> Tensor:
        """`[B, C, H, W]` -> `[B, C, H, W]`."""
        height, width = x.shape[2:]
        query = self.query(x).flatten(2)  # [B, C / 8, HW]
        key = _pooled(self.key(x)).flatten(2)  # [B, C / 8, HW / 4]
        value = _pooled(self.value(x)).flatten(2)  # [B, C / 2, HW / 4]
        share = torch.bmm(query.transpose(1, 2), key).float().softmax(-1).to(value.dtype)  # [B, HW, HW / 4]
        seen = torch.bmm(value, share.transpose(1, 2)).unflatten(2, (height, width))
        return x + self.gain.to(x.dtype) * self.out(seen)


def freeze(network: nn.Module) -> nn.Module:
    """Settle every convolution of a network that is trained no more, in place; returns it."""
    for module in network.modules():
        if isinstance(module, FoldedConv):
            module.freeze()
    return network.eval().requires_grad_(False)


def _spread(weight: Tensor) -> Tensor:
    """`[.., .., k, k]` -> `[.., .., k + 1, k + 1]`: sum of the four kernels shifted by 0 or 1 down and across."""
    rows = F.pad(weight, (0, 0, 0, 1)) + F.pad(weight, (0, 0, 1, 0))
    return F.pad(rows, (0, 1)) + F.pad(rows, (1, 0))


def _pooled(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2) if min(x.shape[2:]) > 1 else x


def _norm_maker(norm: str, slots: AdainSlots | None) -> Callable[[int], nn.Module]:
    assert norm in NORMS, norm
    if norm == "adain":
        assert slots is not None, "adaptive layers need slots"
        return lambda channels: AdaptiveNorm(channels, slots)
    if norm == "none":
        return lambda channels: NoNorm()
    return InstanceNorm if norm == "instance" else SpadeNorm
