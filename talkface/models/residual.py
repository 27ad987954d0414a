"""Feature maps -> feature maps: residual block and self-attention of embedder, generator and discriminator.

Halving and doubling are folded into the convolution beside them, which is exact: the mean of 2 x 2 after a k x k
convolution is one (k + 1) x (k + 1) convolution of stride 2, nearest doubling before it one transposed convolution.
Both take 0.31 (k = 9) to 0.44 (k = 3) of the products. The 1 x 1 convolution of the skip runs on the smaller side.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from talkface.models.norms import AdainSlots, AdaptiveNorm, Conditions, InstanceNorm, NoNorm, NormStyle, SpadeNorm

SPECTRAL_EPS = 1e-4
PADDINGS = ("zeros", "reflect")


@dataclass(frozen=True)
class BlockStyle:
    """Settings shared by the blocks of one network.

    Attributes:
        spectral: spectral norm of every convolution.
        padding: beyond the border of what a convolution sees, one of `PADDINGS`.
        slope: of the activation below 0; 0 is a ReLU.
        bias: convolutions beside a normalisation have a bias.
        rectified_skip: the skip of a block without normalisation sees its input after the activation.
        reuse_adain: the second normalisation of a `JohnsonBlock` takes the scale and shift of the first.
        norm: formula of the normalisations.
    """

    spectral: bool = True
    padding: str = "zeros"
    slope: float = 0.0
    bias: bool = True
    rectified_skip: bool = False
    reuse_adain: bool = False
    norm: NormStyle = field(default_factory=NormStyle)

    def activate(self, x: Tensor, inplace: bool = False) -> Tensor:
        """ReLU, or leaky ReLU of the style's slope."""
        return F.leaky_relu(x, self.slope, inplace) if self.slope else F.relu(x, inplace)


PLAIN = BlockStyle()


class FoldedConv(nn.Module):
    """Convolution with the halving after it or the doubling before it folded in.

    Attributes:
        weight: `[O, I, k, k]` of the plain convolution; what is trained and saved.
    """

    _ready: Tensor | None

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        resample: str = "same",
        *,
        spectral: bool = True,
        padding: str = "zeros",
        bias: bool = True,
        side: int | None = None,
    ) -> None:
        """Build the layer.

        Args:
            resample: one of `RESAMPLINGS`.
            padding: one of `PADDINGS`.
            side: what doubling resizes to instead, in pixels.
        """
        super().__init__()
        assert resample in ("same", "down", "nearest", "bilinear"), resample
        assert padding in PADDINGS, padding
        assert kernel % 2 == 1, kernel
        plain = nn.Conv2d(inputs, outputs, kernel, bias=bias)
        self.weight, self.bias = plain.weight, plain.bias
        self.kernel, self.resample, self.padding, self.side = kernel, resample, padding, side
        self.doubles = resample == "nearest" and padding == "zeros" and side is None  # folded into the kernel
        self.register_buffer("_ready", None, persistent=False)  # folded kernel of a network that is trained no more
        if spectral:
            spectral_norm(self, eps=SPECTRAL_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, I, H, W]` -> `[B, O, H', W']`; H' is H, H / 2, 2 H, or the given side."""
        weight = self.folded_weight() if self._ready is None else self._ready
        padding = self.kernel // 2
        if self.doubles:
            return F.conv_transpose2d(x, weight, self.bias, stride=2, padding=padding)
        x = enlarged(x, self.resample, self.side)
        if self.padding == "reflect" and padding:
            x, padding = F.pad(x, (padding,) * 4, "reflect"), 0
        return F.conv2d(x, weight, self.bias, stride=2 if self.resample == "down" else 1, padding=padding)

    def folded_weight(self) -> Tensor:
        """Kernel that does convolution and resampling at once."""
        weight = self.weight
        if self.resample == "down":
            return 0.25 * _spread(weight)
        if self.doubles:
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
        slots: AdainSlots | None = None,
        activate_input: bool = True,
        style: BlockStyle = PLAIN,
        side: int | None = None,
    ) -> None:
        """Build the block.

        Args:
            norm: one of `NORMS`.
            resample: one of `RESAMPLINGS`.
            slots: where adaptive layers take their place; needed by `adain`.
            activate_input: False for a network's first block, so that the dark half of a picture is not cut off.
            side: what doubling resizes to instead, in pixels.
        """
        super().__init__()
        make = _norm_maker(norm, slots, style.norm)
        up = resample in ("nearest", "bilinear")
        self.resample, self.activate_input, self.style, self.side = resample, activate_input, style, side
        self.rectified_skip = style.rectified_skip and norm == "none"
        self.norm1, self.norm2 = make(inputs), make(outputs)
        bias = style.bias or norm == "none"
        before, after = (resample, "same") if up else ("same", resample)
        self.conv1 = _conv(inputs, outputs, kernels[0], before, style, bias, side)
        self.conv2 = _conv(outputs, outputs, kernels[1], after, style, bias)
        learned = inputs != outputs or resample != "same"
        self.skip = _conv(inputs, outputs, 1, "same", style) if learned else None

    def forward(self, x: Tensor, given: Conditions) -> Tensor:
        """`[B, I, H, W]` -> `[B, O, H', W']`."""
        hidden = self.norm1(x, given)
        if self.activate_input:
            hidden = self.style.activate(hidden, inplace=hidden is not x)
        skipped = hidden if self.rectified_skip else x
        hidden = self.norm2(self.conv1(hidden), given)
        return self.conv2(self.style.activate(hidden, inplace=True)) + self._shortcut(skipped)

    def _shortcut(self, x: Tensor) -> Tensor:
        """The skip; a 1 x 1 convolution and a mean or an interpolation may change places."""
        if self.resample == "down":
            x = F.avg_pool2d(x, 2)
        if self.skip is not None:
            x = self.skip(x)
        return enlarged(x, self.resample, self.side)


class JohnsonBlock(nn.Module):
    """convolution, norm, ReLU, convolution, norm, plus the input as it came (Johnson et al. 2016, supplement)."""

    def __init__(
        self,
        channels: int,
        *,
        kernels: tuple[int, int] = (3, 3),
        norm: str = "instance",
        slots: AdainSlots | None = None,
        style: BlockStyle = PLAIN,
    ) -> None:
        """Build the block; `norm` and `slots` as of `ConvResBlock`."""
        super().__init__()
        make = _norm_maker(norm, slots, style.norm)
        self.style = style
        self.conv1 = _conv(channels, channels, kernels[0], "same", style)
        self.conv2 = _conv(channels, channels, kernels[1], "same", style)
        self.norm1, self.norm2 = make(channels), make(channels)
        self.reuses = style.reuse_adain and norm == "adain"

    def forward(self, x: Tensor, given: Conditions) -> Tensor:
        """`[B, C, H, W]` -> `[B, C, H, W]`."""
        hidden = self.style.activate(self.norm1(self.conv1(x), given))
        last = self.norm1 if self.reuses else self.norm2
        return last(self.conv2(hidden), given) + x


class SelfAttention(nn.Module):
    """Every place looks at all others (SAGAN, Zhang et al. 2019, equations 1 to 3); starts as the identity.

    `pooled`: keys and values are pooled by 2 and values have half the channels, which a last convolution undoes, as in
    SAGAN's published code: a quarter of the products and of the memory. Otherwise neither, as in the paper's text.
    """

    def __init__(self, channels: int, spectral: bool = True, pooled: bool = True) -> None:
        super().__init__()
        narrow, seen = max(channels // 8, 1), max(channels // 2, 1) if pooled else channels
        self.pooled = pooled
        self.query = FoldedConv(channels, narrow, 1, spectral=spectral)
        self.key = FoldedConv(channels, narrow, 1, spectral=spectral)
        self.value = FoldedConv(channels, seen, 1, spectral=spectral)
        self.out = FoldedConv(seen, channels, 1, spectral=spectral) if pooled else None
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, given: Conditions) -> Tensor:
        """`[B, C, H, W]` -> `[B, C, H, W]`."""
        height, width = x.shape[2:]
        query, key, value = self.query(x).flatten(2), self.key(x), self.value(x)  # [B, C / 8, HW] each query
        if self.pooled:
            key, value = _pooled(key), _pooled(value)
        key, value = key.flatten(2), value.flatten(2)  # [B, C / 8, HW / 4], [B, C / 2, HW / 4] where pooled
        share = torch.bmm(query.transpose(1, 2), key).float().softmax(-1).to(value.dtype)  # [B, HW, HW / 4]
        seen = torch.bmm(value, share.transpose(1, 2)).unflatten(2, (height, width))
        return x + self.gain.to(x.dtype) * (seen if self.out is None else self.out(seen))


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


def enlarged(x: Tensor, resample: str, side: int | None = None) -> Tensor:
    """`[B, C, H, W]` -> twice the height and width, or `side` both, where `resample` is `nearest` or `bilinear`."""
    if resample not in ("nearest", "bilinear"):
        return x
    size = (side, side) if side is not None else (2 * x.shape[2], 2 * x.shape[3])
    return F.interpolate(x, size=size, mode=resample)


def _conv(
    inputs: int,
    outputs: int,
    kernel: int,
    resample: str,
    style: BlockStyle,
    bias: bool = True,
    side: int | None = None,
) -> FoldedConv:
    return FoldedConv(
        inputs, outputs, kernel, resample, spectral=style.spectral, padding=style.padding, bias=bias, side=side
    )


def _norm_maker(norm: str, slots: AdainSlots | None, style: NormStyle) -> Callable[[int], nn.Module]:
    assert norm in ("none", "instance", "adain", "spade"), norm
    if norm == "adain":
        assert slots is not None, "adaptive layers need slots"
        return lambda channels: AdaptiveNorm(channels, slots, style)
    if norm == "none":
        return lambda channels: NoNorm()
    return (lambda channels: InstanceNorm(channels, style.eps)) if norm == "instance" else SpadeNorm
