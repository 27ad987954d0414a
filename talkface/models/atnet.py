"""MFCC windows and an example face -> convolutions, LSTM -> coefficients: ATVGnet's AT-net."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from talkface.audio.mfcc import MFCC, ROWS_PER_FRAME, Cepstrum, FilterPower, frame_windows
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.models.speech_network import SpeechMember, SpeechNetwork
from talkface.models.steps import each_frame
from talkface.types import FloatArray


@dataclass(frozen=True)
class AtnetSizes:
    """Sizes of AT-net's input."""

    floor: float = 1e-6  # of the reference power: what lies 60 dB under the speech is not a cue
    piece: int = 128  # windows worked on at once outside training: the first maps of one are 0.2 MB
    pooled_rows: int = 12  # that 28 rows become in the second pooling


ATNET_SIZES = AtnetSizes()
LstmState = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class AtnetConfig:
    """Size of the network; the defaults are the paper's code."""

    recurrent: bool = True  # False: each frame by itself, without the example and without batch norm (AT_single)
    channels: int = 64  # of the first convolution; the others have 2, 4, 4 and 8 times as many
    wide: int = 2048  # of the first full layer
    heard: int = 256  # of the second one
    hidden: int = 256  # of the LSTM
    layers: int = 3
    components: int = 6  # P
    norm_bias: bool = True  # convolutions before a normalisation have a bias; the published ones have none
    norm_per_step: bool = False  # in training, normalise frame number by frame number, as the published code does
    own_example: bool = True  # the photo's face is the example; False: always the usual one, as in the published demo
    floor: float = ATNET_SIZES.floor  # added to the power of every filter, over the speech's


class AtnetMember(SpeechMember):
    """Chen et al. 2019, Sec. 3.1: every frame's 28 x 12 MFCC window through a CNN, then an LSTM over the frames.

    Beside the sound the LSTM takes, at every frame, the coefficients of an example of the face.
    """

    cepstral_mean: Tensor
    cepstral_spread: Tensor

    def __init__(self, config: AtnetConfig) -> None:
        super().__init__()
        self.overlap, self.apart = False, config.norm_per_step
        narrow, norm, bias = config.channels, config.recurrent, config.norm_bias
        self.audio = nn.Sequential(
            *_convolution(1, narrow, norm, bias),
            *_convolution(narrow, 2 * narrow, norm, bias),  # [B T, 128, 28, 12]
            nn.MaxPool2d(3, stride=(1, 2)),  # [B T, 128, 26, 5]
            *_convolution(2 * narrow, 4 * narrow, norm, bias),
            *_convolution(4 * narrow, 4 * narrow, norm, bias),
            *_convolution(4 * narrow, 8 * narrow, norm, bias),
            nn.MaxPool2d(3, stride=2),  # [B T, 512, 12, 2]
            nn.Flatten(),
            nn.Linear(8 * narrow * 12 * 2, config.wide),
            nn.ReLU(),
            nn.Linear(config.wide, config.heard),
            nn.ReLU(),
        )
        self.face: nn.Module | None = None
        self.recurrent: nn.LSTM | None = None
        if config.recurrent:
            face = 2 * config.heard
            self.face = nn.Sequential(
                nn.Linear(config.components, config.heard), nn.ReLU(), nn.Linear(config.heard, face), nn.ReLU()
            )
            self.recurrent = nn.LSTM(config.heard + face, config.hidden, config.layers, batch_first=True)
        self.head = nn.Linear(config.hidden if config.recurrent else config.heard, config.components)
        self.register_buffer("cepstral_mean", torch.zeros(MFCC.num_cepstra))
        self.register_buffer("cepstral_spread", torch.ones(MFCC.num_cepstra))
        for layer in self.audio:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def encode_audio(self, features: Tensor) -> Tensor:
        """`[B, 4 T, 12]` cepstra -> `[B, T, 256]`."""
        if self.training and self.overlap:
            return self._encode_at_once(features)
        windows = (frame_windows(features) - self.cepstral_mean) / self.cepstral_spread  # [B, T, 28, 12]
        batch, frames = windows.shape[:2]
        pictures = windows.flatten(0, 1)[:, None].contiguous(memory_format=torch.channels_last)
        if self.training:
            encoded = each_frame(self.audio, pictures, frames, self.apart)
        else:
            encoded = torch.cat([self.audio(piece) for piece in pictures.split(ATNET_SIZES.piece)])
        return encoded.reshape(batch, frames, -1)

    def _encode_at_once(self, features: Tensor) -> Tensor:
        """`encode_audio` with one convolution for all windows, which share six rows in seven: a fourth of the work.

        Edges of the windows see the sound beyond them here, where windows of their own are padded with zeros.
        """
        rows = functional.pad(features, (0, 0, MFCC.rows_before, MFCC.window_rows - MFCC.rows_before - ROWS_PER_FRAME))
        picture = ((rows - self.cepstral_mean) / self.cepstral_spread)[:, None]  # [B, 1, 4 T + 24, 12]
        convolutions = next(index for index, layer in enumerate(self.audio) if isinstance(layer, nn.Flatten))
        maps = self.audio[:convolutions](picture.contiguous(memory_format=torch.channels_last))  # [B, 512, 2 T + 10, 2]
        windows = maps.unfold(2, ATNET_SIZES.pooled_rows, ROWS_PER_FRAME // 2).permute(
            0, 2, 1, 4, 3
        )  # [B, T, 512, 12, 2]
        encoded: Tensor = self.audio[convolutions:](windows.flatten(0, 1))
        return encoded.reshape(len(features), windows.shape[1], -1)

    def decode(
        self, encoded: Tensor, state: LstmState | None, example: Tensor | None = None
    ) -> tuple[Tensor, LstmState | None]:
        """`[B, T, 256]`, LSTM state and `[B, 6]` example -> `[B, T, 6]`, next state."""
        if self.recurrent is None or self.face is None:
            return self.head(encoded), None
        assert example is not None, "this network needs an example face"
        face = self.face(example)[:, None].expand(len(encoded), encoded.shape[1], -1)
        states, state = self.recurrent(torch.cat([face.to(encoded.dtype), encoded], -1), state)
        return self.head(states), state


class Atnet(SpeechNetwork):
    """AT-net and AT_single in talkface's landmark space.

    What differs from the paper's code:
    the example is real. There it is normalised to a constant, here it is the photo's own canonical face minus the mean
    face, in the same PCA: who it is and how open the mouth is. Training takes any frame of the clip for it.
    The output is relative to the closed mouth and to the speaker's range, so it fits every photo.
    Cepstra are standardised, their sound is relative to the clip's level with a floor, weights start after He et al.
    2015, and 25 frames/s come out for every length of sound.
    """

    usual_example: Tensor
    context = 4

    def __init__(self, config: AtnetConfig) -> None:
        super().__init__()
        self.config = config
        self.mel = FilterPower()
        self.cepstrum = Cepstrum(config.floor)
        self.member = AtnetMember(config)
        self._add_basis(config.components)
        self.register_buffer("usual_example", torch.zeros(config.components))

    @property
    def members(self) -> Sequence[AtnetMember]:
        return [self.member]

    def features(self, power: Tensor, mean: Tensor | None = None) -> Tensor:
        """`[B, 4 T, 26]` filter power over the reference -> `[B, 4 T, 12]` cepstra; 0 in digital silence."""
        cepstra: Tensor = self.cepstrum(power)
        return cepstra

    def encode_faces(self, faces: Tensor) -> Tensor | None:
        """`[B, 68, 2]` canonical landmarks -> `[B, 6]` orthonormal coefficients of what sets them off the mean face."""
        if not self.config.recurrent:
            return None
        if not self.config.own_example:
            return self.usual_example.expand(len(faces), -1)
        mean = torch.from_numpy(MEAN_FACE.astype(np.float32)).to(faces)
        return self.encode((faces - mean) / self.scale) * self.spread

    def _usual_example(self) -> Tensor | None:
        return self.usual_example[None] if self.config.recurrent else None

    def train_fast(self, on: bool) -> None:
        """In training, convolve once over all windows that overlap instead of once for each."""
        self.member.overlap = on

    def fit_example(self, faces: FloatArray) -> None:
        encoded = self.encode_faces(torch.from_numpy(faces.astype(np.float32)))
        if encoded is not None:
            self.usual_example.copy_(encoded.mean(0))

    def fit_features(self, powers: Sequence[FloatArray]) -> None:
        """Standardise the cepstra by those of the training clips."""
        cepstra = np.concatenate([self.cepstrum(torch.from_numpy(power)).numpy() for power in powers])
        self.member.cepstral_mean.copy_(torch.from_numpy(cepstra.mean(0)))
        self.member.cepstral_spread.copy_(torch.from_numpy(cepstra.std(0).clip(1e-3)))


def _convolution(inputs: int, outputs: int, norm: bool, bias: bool) -> list[nn.Module]:
    normed = [nn.BatchNorm2d(outputs)] if norm else []
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias or not norm), *normed, nn.ReLU()]
