"""Frequencies -> triangular filters that are equally spaced on a mel scale; samples -> power spectra.

The two scales and the two normalisations in use differ by a few per cent, which a trained network notices:
HTK's formula without normalisation (Young et al. 2006, as `torchaudio.transforms.MelSpectrogram` has it) and Slaney's
with filters of equal area (Auditory Toolbox 1998, as `librosa.feature.melspectrogram` has it).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from talkface.types import FloatArray


@dataclass(frozen=True)
class SlaneySettings:
    """Slaney's mel scale (Auditory Toolbox, 1998)."""

    slaney_hz_per_mel: float = 200 / 3  # below 1 kHz Slaney's scale is linear
    slaney_break_hz: float = 1000.0
    slaney_break_mel: float = 15.0


SLANEY = SlaneySettings()
SLANEY_LOG_STEP = np.log(6.4) / 27  # above it, 27 mel span a factor of 6.4


def htk_mel(hz: FloatArray | float) -> FloatArray:
    """Hz -> mel, `2595 log10(1 + hz / 700)`."""
    return np.asarray(2595 * np.log10(1 + np.asarray(hz) / 700))


def htk_hz(mel: FloatArray | float) -> FloatArray:
    """Mel -> Hz, the inverse of `htk_mel`."""
    return np.asarray(700 * (10 ** (np.asarray(mel) / 2595) - 1))


def slaney_mel(hz: FloatArray | float) -> FloatArray:
    """Hz -> mel, linear to 1 kHz and logarithmic above."""
    hz = np.asarray(hz, np.float64)
    above = (
        SLANEY.slaney_break_mel
        + np.log(np.maximum(hz, SLANEY.slaney_break_hz) / SLANEY.slaney_break_hz) / SLANEY_LOG_STEP
    )
    return np.where(hz < SLANEY.slaney_break_hz, hz / SLANEY.slaney_hz_per_mel, above)


def slaney_hz(mel: FloatArray | float) -> FloatArray:
    """Mel -> Hz, the inverse of `slaney_mel`."""
    mel = np.asarray(mel, np.float64)
    above = SLANEY.slaney_break_hz * np.exp(
        SLANEY_LOG_STEP * (np.maximum(mel, SLANEY.slaney_break_mel) - SLANEY.slaney_break_mel)
    )
    return np.where(mel < SLANEY.slaney_break_mel, mel * SLANEY.slaney_hz_per_mel, above)


def triangles(corners: FloatArray, frequencies: FloatArray) -> FloatArray:
    """`[C + 2]` corners and `[F]` frequencies, in one unit -> `[F, C]` filters, each 1 at its peak (corner i + 1)."""
    bins = np.asarray(frequencies, np.float64)[:, None]
    low, peak, high = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (bins - low) / (peak - low), (high - bins) / (high - peak)
    return np.clip(np.minimum(rising, falling), 0, None)


def htk_filters(num_mels: int, low_hz: float, high_hz: float, fft: int, rate: int) -> FloatArray:
    """`[fft // 2 + 1, num_mels]` float32 HTK filters whose peaks are 1."""
    corners = htk_hz(np.linspace(htk_mel(low_hz), htk_mel(high_hz), num_mels + 2))
    return triangles(corners, np.linspace(0, rate / 2, fft // 2 + 1)).astype(np.float32)


def slaney_filters(num_mels: int, low_hz: float, high_hz: float, fft: int, rate: int) -> FloatArray:
    """`[fft // 2 + 1, num_mels]` float32 Slaney filters of equal area."""
    corners = slaney_hz(np.linspace(slaney_mel(low_hz), slaney_mel(high_hz), num_mels + 2))
    filters = triangles(corners, np.linspace(0, rate / 2, fft // 2 + 1))
    return (filters * (2 / (corners[2:] - corners[:-2]))).astype(np.float32)


def power_spectrum(samples: Tensor, window: Tensor, fft: int, hop: int) -> Tensor:
    """`[B, S]` samples -> `[B, (S - fft) // hop + 1, fft // 2 + 1]` power of the transforms that lie inside `samples`.

    A window shorter than `fft` sits in the middle of it.
    """
    spectrum = torch.stft(samples, fft, hop, len(window), window, center=False, return_complex=True)
    return spectrum.abs().pow(2).transpose(1, 2)
