"""Erased mouth, donor and outlines -> its likely colours, smooth over the patch, and how much of the donor's detail."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from talkface.errors import ConfigError

INPUTS = 11  # picture with a hole, donor, donor's cover, outer lips, inner lips, hole, whether the donor is the person


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
        hidden = F.leaky_relu(self.first(F.leaky_relu(x, 0.2)), 0.2)
        return x + self.second(hidden)


class MouthInpainter(nn.Module):
    """U-Net that fits a donor's mouth into a face.

    It predicts the mouth's colours at half the patch's resolution, which an L1 loss makes the most likely ones, and how
    much of the donor's fine detail is added to them. So light and place of teeth are as likely as they can be, every
    edge is a photographed one, nothing can turn grainy, and the same maps serve at any size of the face.
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

    def forward(
        self, picture: Tensor, donor: Tensor, cover: Tensor, masks: Tensor, own: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Maps for a batch of patches; sides are multiples of 8.

        Args:
            picture: `[B, 3, H, W]` the face in [-1, 1]; what lies in the hole is not seen.
            donor: `[B, 3, H, W]` in [-1, 1], as it is laid.
            cover: `[B, 1, H, W]` in [0, 1], where that is the donor's own.
            masks: `[B, 3, H, W]` in [0, 1]: outer lips, inner lips, hole.
            own: `[B]` 1 where the donor is the same person, in another picture or this one, 0 where it is a stranger's.

        Returns:
            `[B, 3, H / 2, W / 2]` colours in (-1, 1) and `[B, 1, H / 2, W / 2]` share of the detail in (0, 2), float32.
        """
        whose = 2 * own[:, None, None, None].expand_as(cover) - 1
        parts = [picture * (1 - masks[:, 2:]), donor, 2 * cover - 1, 2 * masks - 1, whose]
        seen = torch.cat(parts, 1).contiguous(memory_format=torch.channels_last)
        fine = self.encode_fine(_halved(seen, self.stem))
        middle = self.encode_middle(self.down_middle(F.leaky_relu(fine, 0.2)))
        coarse = self.bottom(self.down_coarse(F.leaky_relu(middle, 0.2)))
        middle = self.decode_middle(middle + _doubled(self.up_middle(coarse)))
        fine = self.decode_fine(fine + _doubled(self.up_fine(middle)))
        maps = self.maps(F.leaky_relu(fine, 0.2)).float()
        most = 2.0  # of the detail
        return torch.tanh(maps[:, :3]), most * torch.sigmoid(maps[:, 3:])


def fill_hole(picture: Tensor, inside: Tensor, masks: Tensor) -> Tensor:
    """`[B, 3, H, W]` the picture with `inside` in its hole; masks `[B, 3, H, W]` in [0, 1]."""
    hole = masks[:, 2:]
    return inside * hole + picture * (1 - hole)


def to_size(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps at (height, width) of a patch."""
    return F.interpolate(maps, size=size, mode="bilinear")


def donor_detail(donor: Tensor, sigma: float) -> Tensor:
    """`[B, 3, H, W]` a donor less its Gaussian blur of `sigma` pixels."""
    reach = round(3 * sigma)
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=donor.device, dtype=donor.dtype) / sigma) ** 2)
    bell = (bell / bell.sum()).expand(donor.shape[1], 1, 1, -1)
    wide = F.pad(donor, (reach, reach, reach, reach), mode="replicate")
    blurred = F.conv2d(F.conv2d(wide, bell, groups=donor.shape[1]), bell.mT, groups=donor.shape[1])
    return donor - blurred


def _halved(x: Tensor, stem: nn.Conv2d) -> Tensor:
    """`stem(pixel_unshuffle(x, 2))` as one convolution of stride 2, which spares a CPU the shuffle: half its time."""
    fine, channels = stem.out_channels, x.shape[1]
    weight = stem.weight.view(fine, channels, 2, 2, 3, 3).permute(0, 1, 4, 2, 5, 3).reshape(fine, channels, 6, 6)
    return F.conv2d(x, weight, stem.bias, stride=2, padding=2)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear")
