"""Slopes of log-mel with context -> LSTM with a delay -> coefficients, after Eskimez et al. 2018."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from talkface.audio.deltas import REACH, slopes
from talkface.audio.features import FLOOR, MelPower
from talkface.models.speech_network import MELS_PER_FRAME, SpeechMember, SpeechNetwork


@dataclass(frozen=True)
class LstmMelConfig:
    """Size of the network."""

    num_mels: int = 64
    context: int = 3  # frames before the present one that are heard with it
    delay: int = 1  # frames of 40 ms by which the answer may come late: the sound that is heard ahead
    hidden: int = 256
    layers: int = 3
    components: int = 6  # P
    dropout: float = 0.2


class LstmMelMember(SpeechMember):
    """Delta and delta-delta of `context + 1` frames -> LSTM layers -> coefficients."""

    def __init__(self, config: LstmMelConfig) -> None:
        super().__init__()
        self.before, self.look_ahead = config.context, config.delay
        inputs = 2 * config.num_mels * (config.context + 1)
        self.recurrent = nn.LSTM(inputs, config.hidden, config.layers, batch_first=True, dropout=config.dropout)
        self.head = nn.Linear(config.hidden, config.components)

    def listen(self, features: Tensor) -> Tensor:
        """`[B, T, C]` log-mel -> `[B, T, 2 C (context + 1)]`; the first frame stands in for those before it."""
        changes = slopes(features)
        padded = torch.cat([changes[:, :1].expand(-1, self.before, -1), changes], 1)
        return padded.unfold(1, self.before + 1, 1).flatten(2)

    def speak(self, heard: Tensor, state: Any, example: Tensor | None = None) -> tuple[Tensor, Any]:
        states, state = self.recurrent(heard, state)
        return self.head(states), state


class LstmMel(SpeechNetwork):
    """Log-mel slopes -> LSTM -> PCA coefficients.

    What differs from the paper's code: 16 kHz instead of 44.1, PCA coefficients by a linear layer instead of 136
    sigmoid outputs of a further LSTM, tanh inside the LSTM, and a frame's spectrum as the mean of four overlapping
    ones of 25 ms instead of one of 40 ms, so that voices can be varied as for the other networks.
    """

    def __init__(self, config: LstmMelConfig) -> None:
        super().__init__()
        self.config = config
        self.context = REACH + config.context
        self.mel = MelPower(config.num_mels)
        self.member = LstmMelMember(config)
        self._add_basis(config.components)

    @property
    def members(self) -> Sequence[LstmMelMember]:
        return [self.member]

    def features(self, power: Tensor, mean: Tensor | None = None) -> Tensor:
        """`[B, 4 T, C]` mel power over the reference -> `[B, T, C]` log-mel, whose level does not matter to slopes."""
        frames = power.reshape(len(power), -1, MELS_PER_FRAME, power.shape[-1]).mean(2)
        return torch.log(frames + FLOOR) / 2.0
