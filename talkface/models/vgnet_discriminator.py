"""Frames + the photo's landmarks -> whether they are real, and which landmarks they show (ATVGnet)."""

import torch
from torch import Tensor, nn

from talkface.landmarks.layout import NUM_LANDMARKS
from talkface.models.steps import each_frame
from talkface.models.vgnet import VGNET_SIZES, VgnetConfig, norm_maker


class RegressionDiscriminator(nn.Module):
    """Regression-based discriminator of Chen et al. 2019, section 3.3.

    A score per frame, averaged over the frames; and the landmarks of each frame as an offset from the photo's, which
    tells the generator what its frames should have shown.

    The published class also builds a head that reads landmarks from a single frame, and never calls it (0.6 of its
    21.5 million parameters). Here both heads read: what one frame shows needs no memory; without `frame_landmarks` that
    head stays unused.
    Batches are normalised by their own statistics always: there is nothing to keep, and nothing that judging a fake
    could change; unless `discriminator_running` is set.
    """

    def __init__(self, config: VgnetConfig) -> None:
        super().__init__()
        self.config = config
        width, normed = config.width, norm_maker(config.norm, running=config.discriminator_running)
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 2, 1), nn.ReLU()]  # as it came: absolute colours pass
        for index in range(VGNET_SIZES.halvings - 1):
            inputs, outputs = width << index, width << index + 1
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=config.norm_bias), normed(outputs), nn.ReLU()]
        deep = 8 * width
        self.picture = nn.Sequential(*layers, nn.Flatten(), nn.Linear(deep * config.code**2, deep), nn.ReLU())
        self.example = nn.Sequential(
            nn.Flatten(), nn.Linear(2 * NUM_LANDMARKS, 4 * width), nn.ReLU(), nn.Linear(4 * width, deep), nn.ReLU()
        )
        self.recurrent = nn.LSTM(2 * deep, 4 * width, num_layers=3, batch_first=True)
        self.score = nn.Linear(4 * width, 1)
        self.landmarks = nn.Linear(4 * width, 2 * NUM_LANDMARKS)
        self.frame_landmarks = nn.Sequential(nn.Linear(2 * deep, deep), nn.ReLU(), nn.Linear(deep, 2 * NUM_LANDMARKS))

    def forward(self, frames: Tensor, example: Tensor) -> tuple[Tensor, Tensor]:
        """Judge sequences.

        Args:
            frames: `[B, T, 3, S, S]` in [-1, 1].
            example: `[B, 68, 2]` landmarks of the photo, as `data.interop.aligned.displacement` gives them.

        Returns:
            `[B]` logits, above 0 for real: the mean over the frames; and `[B, T, 68, 2]` landmarks, at most 1 outer-eye
            distance from the photo's.
        """
        batch, count = frames.shape[:2]
        pictures = frames.flatten(0, 1)
        seen = each_frame(self.picture, pictures, count, self.config.norm_per_step).unflatten(0, (batch, count))
        given = self.example(example)[:, None].expand(-1, count, -1)
        features = torch.cat([given, seen], 2)
        states, _ = self.recurrent(features)
        offset = self.landmarks(states)
        if self.config.frame_landmarks:
            offset = offset + self.frame_landmarks(features)
        offset = torch.tanh(offset)
        return self.score(states).mean((1, 2)), example[:, None] + offset.unflatten(2, (NUM_LANDMARKS, 2))
