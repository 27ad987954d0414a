"""Speech -> coefficients -> canonical displacement of jaw and mouth: `base`, and the door to every family."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from talkface.audio.features import MelPower, active_sum, log_mel, mean_spectrum
from talkface.models import load_renamed
from talkface.models.speech_network import SpeechMember, SpeechNetwork
from talkface.types import FloatArray

if TYPE_CHECKING:
    from talkface.models.atnet import AtnetConfig
    from talkface.models.lstm_mel import LstmMelConfig


@dataclass(frozen=True)
class Audio2LandmarkConfig:
    """Size of the `base` network."""

    num_mels: int = 64
    channels: int = 128
    hidden: int = 128  # of the recurrent layer
    layers: int = 1
    components: int = 16  # P
    look_ahead: int = 5  # frames that the recurrent layer reads before its first output
    dropout: float = 0.3
    phones: int = 16  # classes that the front end also tells apart, see data.phones; 0 has none
    members: int = 3  # networks trained on batches of their own, whose answers are averaged


class LipEncoder(SpeechMember):
    """Log-mel -> coefficients: convolutions from 100 to 25 Hz, then a recurrent layer `look_ahead` frames late."""

    def __init__(self, config: Audio2LandmarkConfig) -> None:
        super().__init__()
        channels, hidden = config.channels, config.hidden
        self.look_ahead = config.look_ahead
        self.convolutions = nn.ModuleList(
            [
                nn.Conv1d(config.num_mels, channels, 6, stride=2, padding=2),
                nn.Conv1d(channels, channels, 5, padding=2),
                nn.Conv1d(channels, channels, 4, stride=2, padding=1),
                nn.Conv1d(channels, channels, 3, padding=1),
            ]
        )
        self.norms = nn.ModuleList([nn.BatchNorm1d(channels) for _ in self.convolutions])
        self.phone_head = nn.Linear(channels, config.phones) if config.phones else None
        self.recurrent = nn.GRU(channels + config.phones, hidden, config.layers, batch_first=True)
        self.head = nn.Linear(hidden, config.components)
        self.dropout = nn.Dropout(config.dropout)

    def convolve(self, features: Tensor) -> Tensor:
        """`[B, 4 T, C]` -> `[B, T, D]` what the convolutions make of each frame and its surroundings."""
        x = features.transpose(1, 2)
        for index, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            y = torch.relu(norm(convolution(x)))
            x = y + x if index in (1, 3) else self.dropout(y)
        return self.dropout(x).transpose(1, 2)

    def phones(self, features: Tensor) -> Tensor:
        """`[B, 4 T, C]` -> `[B, T, N]` logits of phone classes."""
        assert self.phone_head is not None, "built without a phone head"
        logits: Tensor = self.phone_head(self.convolve(features))
        return logits

    def encode_audio(self, features: Tensor) -> Tensor:
        """`[B, 4 T, C]` -> `[B, T, D + N]` encoded sound, with the probabilities of the phones."""
        encoded = self.convolve(features)
        if self.phone_head is None:
            return encoded
        return torch.cat([encoded, torch.softmax(self.phone_head(encoded), -1)], -1)

    def decode(self, encoded: Tensor, state: Tensor | None, example: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`[B, T, D + N]` and the carried state -> `[B, T, P]` coefficients of `look_ahead` frames ago, next state."""
        states, state = self.recurrent(encoded, state)
        return self.head(self.dropout(states)), state


class Audio2Landmark(SpeechNetwork):
    """Speech -> PCA coefficients of jaw and mouth at 25 Hz: the mean of several `LipEncoder`s.

    After Eskimez et al. 2018 (log-mel -> LSTM -> landmarks) with Chen et al. 2019's PCA output; what differs: the
    clip's own level and mean spectrum are taken out, so that gain and microphones do not matter.
    """

    voice_mean: Tensor
    renamed: ClassVar[Mapping[str, str]] = {"listeners.": "lip_encoders."}
    """Beginnings of weights' names until 2026-11 -> today's."""
    context = 8  # that the convolutions may see

    def __init__(self, config: Audio2LandmarkConfig) -> None:
        super().__init__()
        self.config = config
        self.mel = MelPower(config.num_mels)
        self.lip_encoders = nn.ModuleList([LipEncoder(config) for _ in range(config.members)])
        self.register_buffer("voice_mean", torch.zeros(config.num_mels))  # mean log-mel of many voices
        self._add_basis(config.components)
        load_renamed(self, self.renamed)

    @property
    def members(self) -> Sequence[LipEncoder]:
        return [encoder for encoder in self.lip_encoders if isinstance(encoder, LipEncoder)]

    def features(self, power: Tensor, mean: Tensor | None = None) -> Tensor:
        """`[B, 4 T, C]` mel power over the reference -> `[B, 4 T, C]` network input, by each clip's own mean."""
        if mean is None:
            mean = mean_spectrum(*active_sum(power), self.voice_mean)
        return log_mel(power, mean)

    def clip_mean(self, parts: Iterable[Tensor]) -> Tensor | None:
        total, active = torch.zeros(()), torch.zeros(())
        for part in parts:
            more, count = active_sum(part)
            total, active = total + more, active + count
        return mean_spectrum(total, active, self.voice_mean)

    def fit_features(self, powers: Sequence[FloatArray]) -> None:
        """The average voice: the median of the clips' mean log-mel."""
        means = []
        for power in powers:
            total, count = active_sum(torch.from_numpy(power[None]))
            means.append((total / count.clamp(min=1))[0, 0])
        self.voice_mean.copy_(torch.from_numpy(np.median(torch.stack(means).numpy(), 0)))


def _base(config: dict[str, Any]) -> SpeechNetwork:
    return Audio2Landmark(Audio2LandmarkConfig(**config))


def _atnet(config: dict[str, Any]) -> SpeechNetwork:
    from talkface.models.atnet import Atnet, AtnetConfig

    return Atnet(AtnetConfig(**config))


def _lstm_mel(config: dict[str, Any]) -> SpeechNetwork:
    from talkface.models.lstm_mel import LstmMel, LstmMelConfig

    return LstmMel(LstmMelConfig(**config))


FAMILIES: dict[str, Callable[[dict[str, Any]], SpeechNetwork]] = {"base": _base, "atnet": _atnet, "lstm_mel": _lstm_mel}
"""Kinds of speech network by the `family` in a checkpoint's config; without one it is `base`."""


def build_audio2landmark(config: dict[str, Any]) -> SpeechNetwork:
    """A network with fresh weights from what `config_dict` gives; raises `KeyError` for an unknown family."""
    settings = dict(config)
    return FAMILIES[settings.pop("family", "base")](settings)


def config_dict(config: "Audio2LandmarkConfig | AtnetConfig | LstmMelConfig") -> dict[str, Any]:
    """Settings as a checkpoint keeps them."""
    family = {"AtnetConfig": "atnet", "LstmMelConfig": "lstm_mel"}.get(type(config).__name__)
    return {**({"family": family} if family else {}), **asdict(config)}
