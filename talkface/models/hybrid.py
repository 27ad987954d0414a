"""Warped mouth patches, the photo's own and sketches -> colour, mask and their blend over the warp."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from talkface.models.blocks import AdaptiveResBlock, PatchEmbedder, ResBlock

RIM = 0.09  # width of the patch's border, as a share of its side, in which the mask is faded to nothing


@dataclass(frozen=True)
class HybridConfig:
    """Size of the network; travels in the checkpoint."""

    patch: int = 80  # side in pixels of the mouth patch, a multiple of 8
    scale: float = 1.0  # side of the mouth patch in outer-eye distances
    channels: tuple[int, int, int] = (32, 64, 128)  # at 1/2, 1/4 and 1/8 of the patch's side
    depth: int = 3  # residual blocks at 1/8
    embedding: int = 128


@dataclass(frozen=True)
class Enrolled:
    """What enrolling computes once per person; K photos.

    Attributes:
        patches: `[K, 6, S, S]` each photo's own mouth patch and sketch, in [-1, 1].
        embedding: `[D]`.
    """

    patches: Tensor
    embedding: Tensor


@dataclass(frozen=True)
class Painted:
    """One rendered batch.

    Attributes:
        image: `[B, 3, S, S]` mask * colour + (1 - mask) * warped.
        colour: `[B, 3, S, S]` what the network painted.
        mask: `[B, 1, S, S]` where, 0 at the patch's border.
        warped: `[B, 3, S, S]` the shots' warps mixed by attention.
        attention: `[B, K, S, S]` share of each shot, summing to 1.
    """

    image: Tensor
    colour: Tensor
    mask: Tensor
    warped: Tensor
    attention: Tensor


class Hybrid(nn.Module):
    """U-Net that paints in the mouth patch what a warp cannot show: teeth, tongue, lips that part.

    Each shot passes the same encoder; attention over the shots mixes features and warps pixel by pixel (Rhythmic Head,
    Chen et al. 2020, section 3.3); the decoder is told who it is by AdaIN; colour and mask blend over the warp
    (ATVGnet, Chen et al. 2019, equation 5). The mask's logit starts at 0: a mask that starts closed never opens.
    """

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        self.config = config
        fine, middle, coarse = config.channels
        self.embedder = PatchEmbedder(6, (fine, middle, coarse), config.embedding)
        self.stem = nn.Conv2d(4 * 12, fine, 3, padding=1)
        self.encode_fine = ResBlock(fine)
        self.down_middle = nn.Conv2d(fine, middle, 3, stride=2, padding=1)
        self.encode_middle = ResBlock(middle)
        self.down_coarse = nn.Conv2d(middle, coarse, 3, stride=2, padding=1)
        self.attend = nn.Conv2d(fine, 1, 3, padding=1)
        self.bottom = nn.ModuleList(AdaptiveResBlock(coarse, config.embedding) for _ in range(config.depth))
        self.up_middle = nn.Conv2d(coarse + middle, middle, 3, padding=1)
        self.decode_middle = AdaptiveResBlock(middle, config.embedding)
        self.up_fine = nn.Conv2d(middle + fine, fine, 3, padding=1)
        self.decode_fine = AdaptiveResBlock(fine, config.embedding)
        self.paint = nn.Conv2d(fine, 4 * 4, 3, padding=1)  # colour and mask of 2 x 2 pixels
        nn.init.zeros_(self.attend.weight)
        with torch.no_grad():
            self.paint.weight[12:] *= 0.1
            self.paint.bias[12:] = 0.0  # type: ignore[index]

    def enroll(self, patches: Tensor) -> Enrolled:
        """`[K, 6, S, S]` photos' own mouth patches and sketches -> what `paint_frames` needs of them."""
        return Enrolled(patches, self.embed(patches[None])[0])

    def embed(self, patches: Tensor) -> Tensor:
        """`[B, K, 6, S, S]` -> `[B, D]`, the mean over shots."""
        batch, shots = patches.shape[:2]
        return self.embedder(patches.flatten(0, 1)).unflatten(0, (batch, shots)).mean(1)

    def paint_frames(self, shots: Enrolled, warped: Tensor, sketch: Tensor) -> Painted:
        """Frames of an enrolled person: `[T, K, 3, S, S]` warps, `[T, 3, S, S]` target sketches."""
        frames = len(warped)
        patches = shots.patches[None].expand(frames, *shots.patches.shape)
        return self(warped, patches, sketch, shots.embedding[None].expand(frames, -1))

    def forward(self, warped: Tensor, patches: Tensor, sketch: Tensor, embedding: Tensor | None = None) -> Painted:
        """Paint a batch.

        Args:
            warped: `[B, K, 3, S, S]` every shot warped to the target.
            patches: `[B, K, 6, S, S]` every shot's own mouth patch and sketch.
            sketch: `[B, 3, S, S]` target's sketch.
            embedding: `[B, D]`, computed from `patches` when not given.
        """
        if embedding is None:
            embedding = self.embed(patches)
        batch, count = warped.shape[:2]
        seen = torch.cat([warped, patches, sketch[:, None].expand(-1, count, -1, -1, -1)], 2).flatten(0, 1)
        if seen.device.type == "cpu":
            seen = seen.contiguous(memory_format=torch.channels_last)
        fine = self.encode_fine(self.stem(F.pixel_unshuffle(seen, 2)))
        middle = self.encode_middle(self.down_middle(fine))
        coarse = self.down_coarse(middle)
        logits = self.attend(fine).float().unflatten(0, (batch, count))  # [B, K, 1, S/2, S/2]
        fine, middle, coarse = (_mix(features, logits) for features in (fine, middle, coarse))
        attention = F.interpolate(logits[:, :, 0], scale_factor=2, mode="bilinear").softmax(1)  # [B, K, S, S]
        mixed = (attention[:, :, None] * warped).sum(1)
        colour, mask = self._decode(fine, middle, coarse, embedding)
        return Painted(mixed + mask * (colour - mixed), colour, mask, mixed, attention)

    def _decode(self, fine: Tensor, middle: Tensor, coarse: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        for block in self.bottom:
            coarse = block(coarse, embedding)
        middle = self.up_middle(torch.cat([F.interpolate(coarse, scale_factor=2), middle], 1))
        middle = self.decode_middle(middle, embedding)
        fine = self.up_fine(torch.cat([F.interpolate(middle, scale_factor=2), fine], 1))
        fine = self.decode_fine(fine, embedding)
        painted = F.pixel_shuffle(self.paint(F.relu(fine)).float(), 2)
        colour = torch.tanh(painted[:, :3])
        return colour, torch.sigmoid(painted[:, 3:]) * border_window(self.config.patch, painted)


def border_window(size: int, like: Tensor) -> Tensor:
    """`[1, 1, S, S]` 1 inside, falling smoothly to 0 on the border: the mask's own seamless edge."""
    place = torch.arange(size, device=like.device, dtype=like.dtype) / (size - 1)
    edge = (torch.minimum(place, 1 - place) / RIM).clamp(0, 1)
    edge = edge * edge * (3 - 2 * edge)
    return (edge[:, None] * edge[None])[None, None]


def _mix(features: Tensor, logits: Tensor) -> Tensor:
    """Mean over shots weighted by attention: `[B * K, C, h, w]`, `[B, K, 1, H, W]` -> `[B, C, h, w]`."""
    batch, shots = logits.shape[:2]
    if shots == 1:
        return features
    shrink = logits.shape[-1] // features.shape[-1]
    small = F.avg_pool2d(logits.flatten(0, 1), shrink).unflatten(0, (batch, shots)).softmax(1)
    return (small.to(features.dtype) * features.unflatten(0, (batch, shots))).sum(1)
