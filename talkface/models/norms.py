"""Feature maps -> feature maps of mean 0 and deviation 1 per channel, then scaled and shifted by what is given."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class NormSettings:
    """Epsilons of the normalisations, and SPADE's width."""

    norm_eps: float = 1e-4  # added to the variance: flat areas, such as an empty sketch, keep a finite gradient
    deviation_eps: float = 1e-5  # added to the deviation where that is unbiased
    tiny_variance: float = 1e-12  # keeps the root's gradient finite there
    spade_width: int = 64  # channels between the sketch and its scale and shift


NORM = NormSettings()


@dataclass(frozen=True)
class NormStyle:
    """Formula of the instance normalisations of one network.

    Attributes:
        eps: added to the variance.
        unbiased: adaptive layers divide by the unbiased deviation plus 1e-5 instead of by sqrt(variance + eps).
        around_one: adaptive layers scale by 1 + what is given instead of by what is given.
    """

    eps: float = NORM.norm_eps
    unbiased: bool = False
    around_one: bool = True


@dataclass(frozen=True)
class Conditions:
    """Conditions of a layer besides its input.

    Attributes:
        adain_params: `[B or 1, L]`, scales and shifts of every adaptive layer, as `AdainSlots` lays them out.
        sketch: `[B, 3, H, W]` of the target, for SPADE.
    """

    adain_params: Tensor | None = None
    sketch: Tensor | None = None


NOTHING_GIVEN = Conditions()  # of an embedder or discriminator


class AdainSlots:
    """The order of every adaptive layer's scales and shifts in one long vector (FSTH's psi), and nowhere else."""

    def __init__(self) -> None:
        self.length = 0

    def take(self, channels: int) -> slice:
        """Next layer's place: `channels` scales, then as many shifts."""
        start = self.length
        self.length += 2 * channels
        return slice(start, self.length)


def normalize(x: Tensor) -> Tensor:
    """`[B, C, H, W]` with mean 0 and variance var / (var + eps) over each picture's plane.

    The root is taken of variance + eps: its gradient is finite on a constant plane, unlike that of std + eps.
    """
    centred, scale = _centred(x)
    return centred * scale.to(x.dtype)


class AdaptiveNorm(nn.Module):
    """Instance normalisation whose scale and shift come from the identity (AdaIN, Huang & Belongie 2017, equation 8).

    By default the scale is 1 + what is given: with given zeros the layer is plain instance normalisation, not a black
    picture.
    """

    def __init__(self, channels: int, slots: AdainSlots, style: NormStyle = NormStyle()) -> None:
        super().__init__()
        self.place, self.style = slots.take(channels), style

    def forward(self, x: Tensor, given: Conditions) -> Tensor:
        """`[B, C, H, W]` -> `[B, C, H, W]`."""
        assert given.adain_params is not None, "adaptive layers need adain_params"
        gain, shift = given.adain_params[:, self.place, None, None].float().chunk(2, dim=1)
        return _scaled(x, 1 + gain if self.style.around_one else gain, shift, self.style.eps, self.style.unbiased)


class InstanceNorm(nn.Module):
    """Instance normalisation with a scale and shift of its own per channel."""

    def __init__(self, channels: int, eps: float = NORM.norm_eps) -> None:
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor, given: Conditions) -> Tensor:
        """`[B, C, H, W]` -> `[B, C, H, W]`."""
        return _scaled(x, 1 + self.gain, self.shift, self.eps)


class SpadeNorm(nn.Module):
    """Instance normalisation whose scale and shift come from the sketch, pixel by pixel (SPADE, Park et al. 2019)."""

    def __init__(self, channels: int, sketch_channels: int = 3, width: int = NORM.spade_width) -> None:
        super().__init__()
        self.shared = nn.Conv2d(sketch_channels, width, 3, padding=1)
        self.to_params = nn.Conv2d(width, 2 * channels, 3, padding=1)

    def forward(self, x: Tensor, given: Conditions) -> Tensor:
        """`[B, C, H, W]` -> `[B, C, H, W]`."""
        assert given.sketch is not None, "SPADE layers need the sketch"
        sketch = F.adaptive_avg_pool2d(given.sketch, (x.shape[2], x.shape[3]))
        gain, shift = self.to_params(F.relu(self.shared(sketch))).chunk(2, dim=1)
        return normalize(x) * (1 + gain) + shift


class NoNorm(nn.Module):
    """Leaves absolute colours and contrasts alone, as the embedder and the discriminator must."""

    def forward(self, x: Tensor, given: Conditions) -> Tensor:
        """`x` itself."""
        return x


def _centred(x: Tensor, eps: float = NORM.norm_eps, unbiased: bool = False) -> tuple[Tensor, Tensor]:
    """`x` less its mean, and `[B, C, 1, 1]` 1 / sqrt(variance + eps) of each plane.

    Two means instead of `torch.var_mean`, which takes 20 times as long on a CPU; centred first, so that a large mean
    costs no digits.
    """
    centred = x - x.mean((2, 3), keepdim=True, dtype=torch.float32).to(x.dtype)
    variance = centred.square().mean((2, 3), keepdim=True, dtype=torch.float32)
    if not unbiased:
        return centred, torch.rsqrt(variance + eps)
    places = x.shape[2] * x.shape[3]
    deviation = torch.sqrt(variance * (places / max(places - 1, 1)) + NORM.tiny_variance)
    return centred, 1 / (deviation + NORM.deviation_eps)


def _scaled(x: Tensor, gain: Tensor, shift: Tensor, eps: float = NORM.norm_eps, unbiased: bool = False) -> Tensor:
    """Normalise, scale and shift."""
    centred, scale = _centred(x, eps, unbiased)
    return torch.addcmul(shift.to(x.dtype), centred, (scale * gain).to(x.dtype))
