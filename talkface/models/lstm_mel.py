"""Slopes of log-mel with context -> LSTM with a delay -> coefficients, after Eskimez et al. 2018."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from talkface.audio.deltas import REACH, slopes
from talkface.audio.features import MEL, MelPower
from talkface.models.keras_lstm import KerasLstm
from talkface.models.speech_network import MELS_PER_FRAME, SpeechMember, SpeechNetwork


@dataclass(frozen=True)
class LstmMelConfig:
    """Size of the network."""

    num_mels: int = 64
    context: int = 3  # frames before the present one that are seen with it
    delay: int = 1  # frames of 40 ms by which the answer may come late: the look-ahead
    hidden: int = 256
    layers: int = 3
    components: int = 6  # P
    dropout: float = 0.2
    keras: bool = False  # the published code's layers and features: Keras's gates, and a further LSTM that answers


class LstmMelMember(SpeechMember):
    """Delta and delta-delta of `context + 1` frames -> LSTM layers -> coefficients."""

    def __init__(self, config: LstmMelConfig) -> None:
        super().__init__()
        self.before, self.look_ahead = config.context, config.delay
        self._build(2 * config.num_mels * (config.context + 1), config)

    def _build(self, inputs: int, config: LstmMelConfig) -> None:
        self.recurrent = nn.LSTM(inputs, config.hidden, config.layers, batch_first=True, dropout=config.dropout)
        self.head = nn.Linear(config.hidden, config.components)

    def encode_audio(self, features: Tensor) -> Tensor:
        """`[B, T, C]` log-mel -> `[B, T, 2 C (context + 1)]`; the first frame stands in for those before it."""
        changes = slopes(features)
        padded = torch.cat([changes[:, :1].expand(-1, self.before, -1), changes], 1)
        return padded.unfold(1, self.before + 1, 1).flatten(2)

    def decode(self, encoded: Tensor, state: Any, example: Tensor | None = None) -> tuple[Tensor, Any]:
        states, state = self.recurrent(encoded, state)
        return self.head(states), state


class KerasMember(LstmMelMember):
    """Differences of `context + 1` frames, the present one first -> LSTMs of Keras, the last with an output per number.

    Its outputs lie between 0 and 1; coefficients are what they are above `rest`, times `reach`.
    """

    rest: Tensor
    reach: Tensor

    def _build(self, inputs: int, config: LstmMelConfig) -> None:
        sides = [inputs, *[config.hidden] * config.layers, config.components]
        self.layers = nn.ModuleList([KerasLstm(before, after) for before, after in itertools.pairwise(sides)])
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("rest", torch.full((config.components,), 0.5))
        self.register_buffer("reach", torch.tensor(4.0))

    def encode_audio(self, features: Tensor) -> Tensor:
        """`[B, T, C]` log-mel -> `[B, T, 2 C (context + 1)]`; the first frame stands in for those before it."""
        first = functional.pad(features.diff(dim=1), (0, 0, 1, 0))
        second = functional.pad(features.diff(n=2, dim=1), (0, 0, 2, 0))[:, : features.shape[1]]
        changes = torch.cat([first, second], -1)
        padded = torch.cat([changes[:, :1].expand(-1, self.before, -1), changes], 1)
        return padded.unfold(1, self.before + 1, 1).flip(-1).transpose(2, 3).flatten(2)

    def decode(self, encoded: Tensor, state: Any, example: Tensor | None = None) -> tuple[Tensor, Any]:
        states, x = [], encoded
        for place, layer in enumerate(self.layers):
            x, kept = layer(self.dropout(x) if place else x, state[place] if state is not None else None)
            states.append(kept)
        return (x - self.rest) * self.reach, states


class LstmMel(SpeechNetwork):
    """Log-mel slopes -> LSTM -> PCA coefficients.

    What differs from the paper's code: 16 kHz instead of 44.1, PCA coefficients by a linear layer instead of 136
    sigmoid outputs of a further LSTM, tanh inside the LSTM, and a frame's spectrum as the mean of four overlapping
    ones of 25 ms instead of one of 40 ms, so that voices can be varied as for the other networks.

    With `keras` the layers, the gates and the arithmetic on the spectrum are the code's; the sampling rate and the mean
    of four frames are not, so a published network gets another spectrum than it was trained on.
    """

    def __init__(self, config: LstmMelConfig) -> None:
        super().__init__()
        self.config = config
        self.context = REACH + config.context
        self.mel = MelPower(config.num_mels)
        self.member = KerasMember(config) if config.keras else LstmMelMember(config)
        self._add_basis(config.components)

    @property
    def members(self) -> Sequence[LstmMelMember]:
        return [self.member]

    def features(self, power: Tensor, mean: Tensor | None = None) -> Tensor:
        """`[B, 4 T, C]` mel power over the reference -> `[B, T, C]` log-mel, whose level does not matter to slopes."""
        frames = power.reshape(len(power), -1, MELS_PER_FRAME, power.shape[-1]).mean(2)
        return torch.log(frames + MEL.floor) / (1.0 if self.config.keras else 2.0)
