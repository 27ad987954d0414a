"""Features of several references -> one map: by likeness of the sketches, and by slots."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from talkface.models.blocks import ResBlock


class SketchSimilarity(nn.Module):
    """Similarity of the target's sketch to each reference's, pixel by pixel (after Chen et al. 2020, section 3.3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, sketch: Tensor, own_sketches: Tensor) -> Tensor:
        """`[B, 3, S, S]` target, `[B, K, 3, S, S]` references -> `[B, K, 1, S / 2, S / 2]` logits."""
        batch, shots = own_sketches.shape[:2]
        query = self.layers(sketch)[:, None].float()
        keys = self.layers(own_sketches.flatten(0, 1)).float().unflatten(0, (batch, shots))
        return (query * keys).sum(2, keepdim=True) * query.shape[2] ** -0.5


class SlotMix(nn.Module):
    """Attended features plus all references' features mixed by a convolution, refined around a skip.

    The convolution has one slot per reference, up to the number trained for. Fewer references take turns in filling
    the slots, so that any number fits, equal ones count as one, and no slot ever sees an empty picture. The mean over
    the slots is taken, not their sum: all slots of a single reference move as one, and a sum would move too far.
    """

    def __init__(self, channels: int, slots: int) -> None:
        super().__init__()
        self.slots = slots
        self.mix = nn.Conv2d(slots * channels, channels, 1)
        self.refine = ResBlock(channels)

    def forward(self, features: Tensor, share: Tensor) -> Tensor:
        """`[B, K, C, h, w]` features, `[B, K, 1, h, w]` shares that sum to 1 -> `[B, C, h, w]`."""
        shots, channels = features.shape[1:3]
        assert shots <= self.slots, (shots, self.slots)
        weight = self.mix.weight.view(-1, self.slots, channels)
        turns = torch.arange(self.slots, device=weight.device) % shots
        folded = weight.new_zeros(len(weight), shots, channels).index_add(1, turns, weight) / self.slots
        own = F.conv2d(features.flatten(1, 2), folded.flatten(1)[..., None, None], self.mix.bias)
        return self.refine((share.to(features.dtype) * features).sum(1) + own)


def shares(logits: Tensor, size: int) -> Tensor:
    """`[B, K, 1, H, W]` logits -> `[B, K, 1, size, size]` shares, summing to 1 over K."""
    batch, shots = logits.shape[:2]
    small = F.avg_pool2d(logits.flatten(0, 1), logits.shape[-1] // size)
    return small.unflatten(0, (batch, shots)).softmax(1)


def mix(features: Tensor, logits: Tensor) -> Tensor:
    """Mean over shots weighted by attention: `[B * K, C, h, w]`, `[B, K, 1, H, W]` -> `[B, C, h, w]`."""
    batch, shots = logits.shape[:2]
    if shots == 1:
        return features
    share = shares(logits, features.shape[-1])
    return (share.to(features.dtype) * features.unflatten(0, (batch, shots))).sum(1)
