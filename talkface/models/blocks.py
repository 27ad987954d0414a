"""Feature maps -> feature maps: the convolution blocks that the renderers share."""

import torch.nn.functional as F
from torch import Tensor, nn

LEAK = 0.2  # slope of leaky ReLUs below 0


class AdaIN(nn.Module):
    """Adaptive instance normalisation: the embedding sets each channel's scale and shift (Huang & Belongie 2017)."""

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.channels = channels
        self.to_params = nn.Linear(embedding, 2 * channels)
        nn.init.zeros_(self.to_params.bias)
        nn.init.normal_(self.to_params.weight, std=0.01)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """`[B, C, H, W]`, `[B, D]` -> `[B, C, H, W]`."""
        scale, shift = self.to_params(embedding)[:, :, None, None].chunk(2, dim=1)
        return F.instance_norm(x) * (1 + scale) + shift


class AdaptiveResBlock(nn.Module):
    """Two convolutions, each after AdaIN and ReLU, around a skip."""

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = AdaIN(channels, embedding), AdaIN(channels, embedding)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """`[B, C, H, W]`, `[B, D]` -> `[B, C, H, W]`."""
        hidden = self.conv1(F.relu(self.norm1(x, embedding)))
        return x + self.conv2(F.relu(self.norm2(hidden, embedding)))


class ResBlock(nn.Module):
    """Two convolutions around a skip, without normalisation: absolute colours pass."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, H, W]` -> `[B, C, H, W]`."""
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class PatchEmbedder(nn.Module):
    """Patch -> one vector: strided convolutions and a mean over the picture."""

    def __init__(self, inputs: int, widths: tuple[int, ...], embedding: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        before = 4 * inputs
        for width in widths:
            layers += [nn.Conv2d(before, width, 3, stride=2, padding=1), nn.ReLU()]
            before = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(before, embedding)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, inputs, H, W]` -> `[B, D]`."""
        return self.head(self.layers(x).mean((2, 3)))
