"""Decoded features and what is warped -> one picture: blended by masks, or modulated by every source's own SPADE."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from talkface.models.blocks import LEAK
from talkface.models.norms import Conditions, SpadeNorm, normalize

SKETCH_WIDTH = 16  # channels of the sketch whose weights come from the identity


@dataclass(frozen=True)
class Sources:
    """Pictures that the output may be taken from.

    Attributes:
        ref: `[B, 3, S, S]` the references, warped and mixed.
        ani: `[B, 4, S, S]` drawn 3-D face, colour in [-1, 1] and coverage in [0, 1]; None where the network has none.
        prev: `[B, 4, S, S]` frame before, warped, and coverage; None as above, all coverage 0 for a first frame.
    """

    ref: Tensor
    ani: Tensor | None = None
    prev: Tensor | None = None

    def extra(self) -> list[Tensor]:
        """Inputs besides the references."""
        return [source for source in (self.ani, self.prev) if source is not None]


class IdentitySpade(nn.Module):
    """SPADE by the target's sketch whose last convolution comes from the identity (few-shot vid2vid, section 3.2)."""

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.shared = nn.Conv2d(3, SKETCH_WIDTH, 3, padding=1)
        self.to_kernel = nn.Linear(embedding, 2 * channels * SKETCH_WIDTH)
        self.to_bias = nn.Linear(embedding, 2 * channels)
        for layer in (self.to_kernel, self.to_bias):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.normal_(layer.bias, std=0.01)

    def forward(self, x: Tensor, embedding: Tensor, sketch: Tensor) -> Tensor:
        """`[B, C, H, W]`, `[B, D]`, `[B, 3, S, S]` -> `[B, C, H, W]`."""
        small = F.adaptive_avg_pool2d(sketch, (x.shape[2], x.shape[3]))
        shapes = F.relu(self.shared(small)).flatten(2)
        kernel = self.to_kernel(embedding).unflatten(1, (-1, SKETCH_WIDTH))
        params = torch.bmm(kernel, shapes) + self.to_bias(embedding)[..., None]
        gain, shift = params.unflatten(2, (x.shape[2], x.shape[3])).chunk(2, dim=1)
        return normalize(x) * (1 + gain) + shift


class IdentitySpadeBlock(nn.Module):
    """Two convolutions, each after adaptive SPADE and ReLU, around a skip."""

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = IdentitySpade(channels, embedding), IdentitySpade(channels, embedding)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, embedding: Tensor, sketch: Tensor) -> Tensor:
        """`[B, C, H, W]`, `[B, D]`, `[B, 3, S, S]` -> `[B, C, H, W]`."""
        hidden = self.conv1(F.relu(self.norm1(x, embedding, sketch)))
        return x + self.conv2(F.relu(self.norm2(hidden, embedding, sketch)))


class ModulatedBlock(nn.Module):
    """Every source normalises the features by its own SPADE; the mean of them all is convolved.

    After the non-linear composition of Chen et al. 2020, which averages behind the activation (`models.spade_blocks`).

    The decoded features themselves are the first source, the pictures follow at the features' size, their pixels in
    channels. Leaky ReLU as in SPADE's generator: no mask leads around the generated colour, so where plain ReLU falls
    silent while the mean colour is learnt, nothing wakes it again.
    """

    def __init__(self, channels: int, pictures: tuple[int, ...]) -> None:
        """Take the features' channels and those of every picture."""
        super().__init__()
        inputs = (channels, *(4 * picture for picture in pictures))
        width = max(8, channels // 2)
        self.norms1 = nn.ModuleList(SpadeNorm(channels, count, width) for count in inputs)
        self.norms2 = nn.ModuleList(SpadeNorm(channels, count, width) for count in inputs)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, sources: Sources) -> Tensor:
        """`[B, C, S / 2, S / 2]` -> the same shape, activated."""
        given = [x, *(F.pixel_unshuffle(each.to(x.dtype), 2) for each in (sources.ref, *sources.extra()))]
        hidden = self.conv1(F.leaky_relu(_modulated(x, self.norms1, given), LEAK))
        return F.leaky_relu(x + self.conv2(F.leaky_relu(_modulated(hidden, self.norms2, given), LEAK)), LEAK)


def _modulated(x: Tensor, norms: nn.ModuleList, given: list[Tensor]) -> Tensor:
    """Mean over the sources of `x` modulated by each."""
    each = [norm(x, Conditions(sketch=source)) for norm, source in zip(norms, given, strict=True)]
    return sum(each[1:], each[0]) / len(each)


def blend_linear(colour: Tensor, opened: Tensor, sources: Sources, window: Tensor) -> tuple[Tensor, Tensor]:
    """Blend by masks in the order ani, ref, prev: `mask * so far + (1 - mask) * source` (Chen et al. 2020).

    Args:
        colour: `[B, 3, S, S]` generated.
        opened: `[B, 1 to 3, S, S]` masks in [0, 1] over ref, then ani, then prev, as far as there are any.
        sources: what to blend over.
        window: `[1, 1, S, S]` 0 on the border, where the references' warp shall show.

    Returns:
        `[B, 3, S, S]` picture and `[B, 1, S, S]` how much of it is not the references' warp.
    """
    masks = list(opened.split(1, 1))
    mask = masks.pop(0) * window
    if sources.ani is not None:
        drawn = (1 - masks.pop(0)) * sources.ani[:, 3:]
        colour = colour + drawn * (sources.ani[:, :3] - colour)
    image = sources.ref + mask * (colour - sources.ref)
    if sources.prev is not None:
        kept = (1 - masks.pop(0)) * sources.prev[:, 3:] * window
        image = image + kept * (sources.prev[:, :3] - image)
        mask = mask + kept - mask * kept
    return image, mask
