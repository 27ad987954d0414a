"""Picture + sketch -> realism score, and the features behind it; the few-shot one is conditioned on the video."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from talkface.models.blocks import LEAK
from talkface.models.fewshot import FewshotConfig, as_seen, build_layers, pool_places
from talkface.models.norms import NOTHING_GIVEN
from talkface.models.residual import SelfAttention


class PatchDiscriminator(nn.Module):
    """Says of overlapping parts of a picture whether they are photographed or generated (pix2pix, Isola et al. 2017).

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
            x = F.leaky_relu(F.instance_norm(x) if index else x, LEAK)
            features.append(x)
        return self.score(x), features


class ProjectionDiscriminator(nn.Module):
    """FSTH's D: V(x, y)^T (W_i + w0) + b (Zakharov et al. 2019, equation 5).

    W, one row per training video, lives in a `VideoTable` outside: it has its own row-wise optimiser and no spectral
    norm, which would tie every row's length to all others'.
    """

    def __init__(self, config: FewshotConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = build_layers(config.discriminator, 6, config, "none")
        self.common = nn.Parameter(torch.randn(config.embedding) * config.embedding**-0.5)  # w0
        self.bias = nn.Parameter(torch.zeros(()))  # b

    def forward(
        self, image: Tensor, sketch: Tensor, video_embedding: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Score pictures.

        Args:
            image: `[B, 3, S, S]` in [-1, 1].
            sketch: `[B, 3, S, S]` in [-1, 1].
            video_embedding: `[B or 1, D]`, W_i of each picture's video, or what stands in for it; none where `common`
                already holds it, as after fine-tuning.

        Returns:
            Scores `[B]`, above 0 for real, or between 0 and 1 with `score_sigmoid`; and the features after every
            residual block, for feature matching.
        """
        config = self.config
        x = as_seen(torch.cat([image, sketch], 1), config)
        features = []
        for layer in self.layers:
            x = layer(x, NOTHING_GIVEN)
            if not isinstance(layer, SelfAttention):
                features.append(x)
        if config.rectified_skip:  # what works in place on a block's input works on the features
            features[:-1] = [config.style.activate(feature) for feature in features[:-1]]
        whom = self.common if video_embedding is None else self.common + video_embedding
        score = (pool_places(x, config, config.discriminator_pooling) * whom).sum(1) + self.bias
        return torch.sigmoid(score) if config.score_sigmoid else score, features
