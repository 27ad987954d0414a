"""Erased mouth, donor and outlines -> how the donor's colours change: a gain and a shift, smooth over the patch."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from talkface.errors import ConfigError

INPUTS = 10  # picture with a hole, donor, donor's cover, outer lips, inner lips, hole
LEAK = 0.2
MOST_GAIN = 2.0


@dataclass(frozen=True)
class MouthConfig:
    """Size of the network."""

    widths: tuple[int, int, int] = (32, 64, 112)  # channels at 1/2, 1/4 and 1/8 of the patch's side
    depth: int = 3  # residual blocks at 1/8

    def __post_init__(self) -> None:
        if len(self.widths) != 3 or min(self.widths) < 1 or self.depth < 1:
            raise ConfigError(f"model.widths={self.widths}, depth={self.depth}: expected three widths and depth from 1")


class _Residual(nn.Module):
    """Two convolutions around a skip; no normalisation, so that colours stay comparable between pictures."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.leaky_relu(self.first(F.leaky_relu(x, LEAK)), LEAK)
        return x + self.second(hidden)


class MouthInpainter(nn.Module):
    """U-Net that fits a donor's mouth into a face.

    It returns no pixels but a gain and a shift of the donor's colours, at half the patch's resolution, after the
    bilateral learning of Gharbi et al. 2017 ("Deep bilateral learning for real-time image enhancement"). So every
    detail is a photographed one: nothing can turn grainy, and the same maps serve at any size of the face.
    """

    def __init__(self, config: MouthConfig) -> None:
        super().__init__()
        self.config = config
        fine, middle, coarse = config.widths
        self.stem = nn.Conv2d(4 * INPUTS, fine, 3, padding=1)
        self.encode_fine, self.decode_fine = _Residual(fine), _Residual(fine)
        self.encode_middle, self.decode_middle = _Residual(middle), _Residual(middle)
        self.down_middle = nn.Conv2d(fine, middle, 4, 2, 1)
        self.down_coarse = nn.Conv2d(middle, coarse, 4, 2, 1)
        self.bottom = nn.Sequential(*(_Residual(coarse) for _ in range(config.depth)))
        self.up_middle, self.up_fine = nn.Conv2d(coarse, middle, 1), nn.Conv2d(middle, fine, 1)
        self.maps = nn.Conv2d(fine, 4, 3, padding=1)
        with torch.no_grad():
            self.maps.weight.mul_(0.1)
        nn.init.zeros_(self.maps.bias)  # type: ignore[arg-type]

    def forward(self, picture: Tensor, donor: Tensor, cover: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Maps for a batch of patches; sides are multiples of 8.

        Args:
            picture: `[B, 3, H, W]` the face in [-1, 1]; what lies in the hole is not seen.
            donor: `[B, 3, H, W]` in [-1, 1], as it is laid.
            cover: `[B, 1, H, W]` in [0, 1], where that is the donor's own.
            masks: `[B, 3, H, W]` in [0, 1]: outer lips, inner lips, hole.

        Returns:
            `[B, 1, H / 2, W / 2]` gain in (0, 2) and `[B, 3, H / 2, W / 2]` shift in (-1, 1), float32.
        """
        seen = torch.cat([picture * (1 - masks[:, 2:]), donor, 2 * cover - 1, 2 * masks - 1], 1)
        fine = self.encode_fine(self.stem(F.pixel_unshuffle(seen, 2)))
        middle = self.encode_middle(self.down_middle(F.leaky_relu(fine, LEAK)))
        coarse = self.bottom(self.down_coarse(F.leaky_relu(middle, LEAK)))
        middle = self.decode_middle(middle + _doubled(self.up_middle(coarse)))
        fine = self.decode_fine(fine + _doubled(self.up_fine(middle)))
        maps = self.maps(F.leaky_relu(fine, LEAK)).float()
        return MOST_GAIN * torch.sigmoid(maps[:, :1]), torch.tanh(maps[:, 1:])


def inpaint_mouth(picture: Tensor, donor: Tensor, masks: Tensor, maps: tuple[Tensor, Tensor]) -> Tensor:
    """`[B, 3, H, W]` the picture, its hole filled by the donor's colours times gain plus shift.

    Args:
        picture: `[B, 3, H, W]` in [-1, 1].
        donor: the same.
        masks: `[B, 3, H, W]` in [0, 1].
        maps: what the network returned.
    """
    size = (donor.shape[2], donor.shape[3])
    gain, shift = (F.interpolate(each, size=size, mode="bilinear") for each in maps)
    colour = (gain * (donor + 1) - 1 + shift).clamp(-1, 1)
    hole = masks[:, 2:]
    return colour * hole + picture * (1 - hole)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear")
