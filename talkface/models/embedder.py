"""Photos and their sketches -> one vector that says who it is."""

import torch
from torch import Tensor, nn

from talkface.models.fewshot import FewshotConfig, as_seen, build_layers, pool_places
from talkface.models.norms import NOTHING_GIVEN


class Embedder(nn.Module):
    """FSTH's E: residual blocks that halve, attention, a sum over places (Zakharov et al. 2019, section 3.1)."""

    def __init__(self, config: FewshotConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = build_layers(config.embedder, 6, config, "none")

    def each(self, images: Tensor, sketches: Tensor) -> Tensor:
        """`[B, K, 3, S, S]` twice -> `[B, K, D]`, every shot by itself."""
        x = as_seen(torch.cat([images, sketches], -3), self.config)
        return self._embed(x.flatten(0, 1)).unflatten(0, x.shape[:2])

    def forward(self, images: Tensor, sketches: Tensor) -> Tensor:
        """Embed photos.

        Args:
            images: `[B, 3, S, S]` or `[B, K, 3, S, S]` in [-1, 1]; K shots of one person are averaged.
            sketches: the same shape: `face_sketch` of each photo, in [-1, 1].

        Returns:
            `[B, D]`; none negative unless `slope` is set.
        """
        if images.ndim == 5:
            return self.each(images, sketches).mean(1)
        return self._embed(as_seen(torch.cat([images, sketches], -3), self.config))

    def _embed(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, NOTHING_GIVEN)
        return pool_places(x, self.config)
