"""Waveform -> mel filter power on the reference MFCC's rows -> cepstra without loudness -> windows of a video frame.

The definition is that of python_speech_features 0.6 with ATVGnet's settings (Chen et al. 2019): pre-emphasis 0.97,
rectangular windows of 25 ms every 10 ms, 512-point power spectrum, 26 triangular filters whose corners sit on whole
bins, log, orthonormal DCT-II, sine lifter 22; the first coefficient, which holds the loudness, is dropped.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from talkface.audio.features import FRAME_RATE, MEL, htk_hz, htk_mel, power_spectrum, triangles
from talkface.types import SAMPLE_RATE, FloatArray


@dataclass(frozen=True)
class MfccSettings:
    """Cepstra of python_speech_features, as ATVGnet computes them."""

    pre_emphasis: float = 0.97
    num_filters: int = 26
    num_cepstra: int = 12  # coefficients 1 to 12
    lifter: int = 22
    window_rows: int = 28  # 280 ms: seven video frames at 25 per second
    rows_before: int = 12  # three frames before the one in the middle, three after it


MFCC = MfccSettings()
ROWS_PER_FRAME = FRAME_RATE // 25


class FilterPower(nn.Module):
    """`[B, S]` samples -> `[B, T', 26]` power in each filter, T' = S // 160; row j is the 25 ms from sample 160 j on.

    Not divided by the length of the transform: a constant factor ends in the dropped coefficient.
    """

    window: Tensor
    filters: Tensor
    num_mels = MFCC.num_filters
    lead = (
        MEL.fft - MEL.window
    ) // 2  # zeros before the first sample: the transform holds its 400 samples in its middle

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.ones(MEL.window))
        self.register_buffer("filters", torch.from_numpy(mel_filters()), persistent=False)

    @property
    def centre_hz(self) -> FloatArray:
        """`[26]` centre frequencies."""
        return _corners_hz()[1:-1]

    def forward(self, samples: Tensor) -> Tensor:
        """Whole sounds; beyond both ends is silence."""
        return self.inside(functional.pad(samples, (self.lead, MEL.fft)))[:, : samples.shape[1] // MEL.hop]

    def inside(self, padded: Tensor) -> Tensor:
        """Rows whose transforms lie inside `padded` `[B, S]`: `[B, (S - 512) // 160 + 1, 26]`.

        The first sample of `padded` has no predecessor to be emphasised against; no window reaches it.
        """
        emphasised = torch.cat([padded[:, :1], padded[:, 1:] - MFCC.pre_emphasis * padded[:, :-1]], 1)
        return power_spectrum(emphasised, self.window, MEL.fft, MEL.hop) @ self.filters


class Cepstrum(nn.Module):
    """`[..., T', 26]` filter power -> `[..., T', 12]` liftered cepstra; what is `floor` or less counts as no sound."""

    transform: Tensor

    def __init__(self, floor: float) -> None:
        super().__init__()
        self.floor = floor
        order = np.arange(1, MFCC.num_cepstra + 1)
        lifter = torch.from_numpy((1 + MFCC.lifter / 2 * np.sin(np.pi * order / MFCC.lifter)).astype(np.float32))
        place = np.arange(MFCC.num_filters)[:, None] + 0.5
        dct = np.sqrt(2 / MFCC.num_filters) * np.cos(np.pi / MFCC.num_filters * place * order)  # orthonormal DCT-II
        self.register_buffer("transform", torch.from_numpy(dct.astype(np.float32)) * lifter, persistent=False)

    def forward(self, power: Tensor) -> Tensor:
        return torch.log(power + self.floor) @ self.transform


def frame_windows(cepstra: Tensor) -> Tensor:
    """`[B, 4 T, 12]` -> `[B, T, 28, 12]`: 280 ms of sound about each video frame at 25 per second.

    Rows 4 t - 12 to 4 t + 15 belong to frame t, so that the middle of the window is the middle of the frame; beyond
    both ends is silence, whose cepstra are zero.
    """
    padded = functional.pad(cepstra, (0, 0, MFCC.rows_before, MFCC.window_rows - MFCC.rows_before - ROWS_PER_FRAME))
    return padded.unfold(1, MFCC.window_rows, ROWS_PER_FRAME).transpose(2, 3)


def mel_filters() -> FloatArray:
    """`[257, 26]` triangles between 0 and 8 kHz, equally wide in mel, their corners rounded down to whole bins."""
    corners = np.floor((MEL.fft + 1) * _corners_hz() / SAMPLE_RATE)
    return triangles(corners, np.arange(MEL.fft // 2 + 1.0)).astype(np.float32)


def _corners_hz() -> FloatArray:
    """`[28]` where filters begin, peak and end: filter i spans i to i + 2."""
    return htk_hz(np.linspace(0, htk_mel(SAMPLE_RATE / 2), MFCC.num_filters + 2))
