"""Mouth patch + sketch -> realism score per place, and the features behind it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """Says of overlapping parts of a picture whether they are photographed or painted (pix2pix, Isola et al. 2017).

    Instance normalisation, as in pix2pixHD; with spectral normalisation instead it had learnt nothing after 200 steps.
    """

    def __init__(self, inputs: int = 6, widths: tuple[int, ...] = (32, 64, 128)) -> None:
        super().__init__()
        before, layers = inputs, []
        for width in widths:
            layers.append(nn.Conv2d(before, width, 4, stride=2, padding=1))
            before = width
        self.layers = nn.ModuleList(layers)
        self.score = nn.Conv2d(before, 1, 3, padding=1)

    def forward(self, image: Tensor, sketch: Tensor) -> tuple[Tensor, list[Tensor]]:
        """`[B, 3, S, S]` twice -> scores `[B, 1, s, s]`, features of every layer."""
        x = torch.cat([image, sketch], 1)
        features = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            x = F.leaky_relu(F.instance_norm(x) if index else x, 0.2)
            features.append(x)
        return self.score(x), features
