"""Waveform -> mel frames at 100 Hz -> log-mel without the recording's level and colour."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from talkface.types import SAMPLE_RATE, FloatArray

SLANEY_LOG_STEP = np.log(6.4) / 27  # above it, 27 mel span a factor of 6.4


@dataclass(frozen=True)
class MelSettings:
    """Frames, transform and levels of the speech features."""

    hop: int = 160  # samples between mel frames: 100 per second, four per video frame at 25
    fft: int = 512
    window: int = 400  # samples, 25 ms
    lowest_hz: float = 50.0
    highest_hz: float = 8000.0
    floor: float = 2e-7  # of the reference power: what lies 67 dB under the speech is no cue
    active: float = 2e-6  # of the reference power: frames above it count for the mean spectrum
    prior_frames: float = 5.0  # weight of the average voice in the mean spectrum: 50 ms of speech
    silent_power: float = 1e-6  # mean mel power of about -80 dBFS: below it there is no sound at all
    loud_step: int = 10  # mel frames of a loudness step, 100 ms
    loud_percentile: float = 98.0
    pause: float = 10 ** (-20 / 10)  # steps more than 20 dB under the loud ones are pauses


MEL = MelSettings()
FRAME_RATE = SAMPLE_RATE // MEL.hop


class Bands(Protocol):
    """Samples -> power in frequency bands every 10 ms, for whole sounds and for parts of them."""

    num_mels: int
    """C, how many bands."""
    lead: int
    """Zeros before the first sample so that `inside` begins with row 0."""

    @property
    def centre_hz(self) -> FloatArray:
        """`[C]` centre frequencies."""
        ...

    def __call__(self, samples: Tensor) -> Tensor:
        """`[B, S]` whole sounds -> `[B, S // 160, C]`; beyond both ends is silence."""
        ...

    def inside(self, padded: Tensor) -> Tensor:
        """Rows whose 512 samples lie inside `padded` `[B, S]`: `[B, (S - 512) // 160 + 1, C]`."""
        ...


class MelPower(nn.Module):
    """`[B, S]` samples -> `[B, T', C]` mel power, frame j centred on sample 160 j, T' = S // 160.

    HTK mel scale without area normalisation, as `librosa.feature.melspectrogram(htk=True, norm=None)`.
    """

    window: Tensor
    filters: Tensor
    lead = MEL.fft // 2

    def __init__(self, num_mels: int) -> None:
        super().__init__()
        self.num_mels = num_mels
        self.register_buffer("window", torch.hann_window(MEL.window))
        filters = htk_filters(num_mels, MEL.lowest_hz, MEL.highest_hz, MEL.fft, SAMPLE_RATE)
        self.register_buffer("filters", torch.from_numpy(filters))

    @property
    def centre_hz(self) -> FloatArray:
        """`[C]` centre frequencies of the bands."""
        return mel_hz(self.num_mels)

    def forward(self, samples: Tensor) -> Tensor:
        """Whole sounds; beyond both ends is silence."""
        return self.inside(functional.pad(samples, (MEL.fft // 2, MEL.fft // 2)))[:, : samples.shape[1] // MEL.hop]

    def inside(self, padded: Tensor) -> Tensor:
        """Frames whose windows lie inside `padded` `[B, S]`: `[B, (S - 512) // 160 + 1, C]`."""
        return power_spectrum(padded, self.window, MEL.fft, MEL.hop) @ self.filters


class MelStream:
    """Blocks of a long sound -> the same rows as the bands give for the whole, in bounded memory."""

    def __init__(self, mel: Bands) -> None:
        self._mel = mel
        self._waiting = np.zeros(mel.lead, np.float32)

    def silence(self) -> None:
        """Replace the samples that no frame was made of yet by silence."""
        self._waiting = np.zeros_like(self._waiting)

    @torch.no_grad()
    def push(self, samples: FloatArray) -> FloatArray:
        """Samples that follow the last ones -> the `[n, C]` float32 frames that became complete."""
        waiting = np.concatenate([self._waiting, samples.astype(np.float32)])
        count = (len(waiting) - MEL.fft) // MEL.hop + 1 if len(waiting) >= MEL.fft else 0
        self._waiting = waiting[count * MEL.hop :]
        if count == 0:
            return np.zeros((0, self._mel.num_mels), np.float32)
        return self._mel.inside(torch.from_numpy(waiting[None, : (count - 1) * MEL.hop + MEL.fft]))[0].numpy()

    def finish(self, num_samples: int) -> FloatArray:
        """Frames that remain when `num_samples` of silence follow the end."""
        return self.push(np.zeros(num_samples + MEL.fft - self._mel.lead, np.float32))


def reference_power(energy: FloatArray) -> float:
    """Mean mel power of the parts that are speech: every feature is relative to it, so that gain does not matter.

    Steps of 100 ms within 20 dB of the loud ones (98th percentile) count, so a clip may be mostly pause.

    Args:
        energy: `[T']` mean mel power of each frame of a whole clip.
    """
    steps = len(energy) // MEL.loud_step
    if steps > 0:
        energy = energy[: steps * MEL.loud_step].reshape(steps, MEL.loud_step).mean(1, dtype=np.float64)
    loud = float(np.percentile(energy, MEL.loud_percentile)) if len(energy) else 0.0
    return float(energy[energy >= MEL.pause * loud].mean()) if loud > 0 else 0.0


def active_sum(relative: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the log-mel of the frames that hold sound, `[B, 1, C]`, and their count, `[B, 1, 1]`."""
    active = (relative.mean(-1, keepdim=True) > MEL.active).to(relative.dtype)
    return (torch.log(relative + MEL.floor) * active).sum(1, keepdim=True), active.sum(1, keepdim=True)


def mean_spectrum(total: Tensor, count: Tensor, prior: Tensor) -> Tensor:
    """Mean log-mel of a clip, pulled towards the average voice `[C]` where little was heard of it."""
    return (total + MEL.prior_frames * prior) / (count + MEL.prior_frames)


def log_mel(relative: Tensor, mean: Tensor) -> Tensor:
    """`[B, T', C]` mel power over the reference -> log-mel about zero, in units that networks like."""
    return (torch.log(relative + MEL.floor) - mean) / 2.0


def mel_hz(num_mels: int) -> FloatArray:
    """`[C]` centre frequencies of the mel bands in Hz."""
    return htk_hz(np.linspace(htk_mel(MEL.lowest_hz), htk_mel(MEL.highest_hz), num_mels + 2)[1:-1])


@dataclass(frozen=True)
class SlaneySettings:
    """Slaney's mel scale (Auditory Toolbox, 1998)."""

    slaney_hz_per_mel: float = 200 / 3  # below 1 kHz Slaney's scale is linear
    slaney_break_hz: float = 1000.0
    slaney_break_mel: float = 15.0


SLANEY = SlaneySettings()


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
