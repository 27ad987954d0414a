"""Sketch + the identity's scales and shifts -> picture."""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from talkface.models.fewshot import FewshotConfig, as_seen, build_layers, last_channels
from talkface.models.layer_code import parse_layers
from talkface.models.norms import AdainSlots, AdaptiveNorm, Conditions
from talkface.models.residual import SPECTRAL_EPS, FoldedConv


class Generator(nn.Module):
    """FSTH's G: image-to-image network with adaptive layers for the person (Zakharov et al. 2019, section 3.1).

    Attributes:
        slots: layout of `adain_params`, `[B, slots.length]`.
    """

    def __init__(self, config: FewshotConfig) -> None:
        super().__init__()
        self.config = config
        self.slots = AdainSlots()
        self.layers = build_layers(config.generator, 3, config, "instance", self.slots)
        channels = last_channels(parse_layers(config.generator))
        self.last_norm = self.last_conv = None
        image_channels = 3
        if channels != image_channels:
            spectral = config.spectral and config.spectral_output
            self.last_norm = AdaptiveNorm(channels, self.slots, config.style.norm)
            self.last_conv = FoldedConv(channels, image_channels, spectral=spectral, padding=config.padding)
        self.projection = nn.Linear(config.embedding, self.slots.length, bias=config.projection_bias)
        projection_std = 0.02  # of the projection's weights at the start, as in every version of the paper's code
        nn.init.normal_(self.projection.weight, std=projection_std)
        if config.projection_bias:
            nn.init.zeros_(self.projection.bias)
        if config.spectral_projection:
            spectral_norm(self.projection, eps=SPECTRAL_EPS)

    def adain_params(self, embedding: Tensor) -> Tensor:
        """`[B, D]` -> `[B, L]`, the scales and shifts of every adaptive layer (FSTH's P e). Once per identity."""
        return self.projection(embedding)

    def forward(self, sketch: Tensor, adain_params: Tensor) -> Tensor:
        """Generate a batch.

        Args:
            sketch: `[B, 3, S, S]` in [-1, 1].
            adain_params: `[B, L]`, or `[1, L]` for one identity in all pictures.

        Returns:
            `[B, 3, S, S]` in [-1, 1].
        """
        config = self.config
        x = seen = as_seen(sketch, config)
        given = Conditions(adain_params, seen)
        for layer in self.layers:
            x = layer(x, given)
        if self.last_norm is not None and self.last_conv is not None:
            x = self.last_conv(config.style.activate(self.last_norm(x, given)))
        x = x.float().transpose(-1, -2) if config.transposed else x.float()
        return torch.tanh(x) if config.output == "tanh" else 2 * torch.sigmoid(x) - 1
