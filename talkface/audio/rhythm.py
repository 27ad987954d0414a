"""Speech -> rhythm: onset strength and voice activity per video frame."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch.nn import functional

from talkface.audio.features import power_spectrum, slaney_filters
from talkface.types import SILENT_LEVEL, FloatArray, Waveform


@dataclass(frozen=True)
class RhythmSettings:
    """Frames and levels of the rhythm of speech."""

    hop: int = 160  # samples, 10 ms at 16 kHz
    window: int = 512  # samples of one spectrum
    num_mels: int = 40
    smallest_power: float = 1e-6  # of a band, relative to the speech: what is less changes nothing
    max_frequency_hz: float = 4000.0  # voiced speech; hiss above it has onsets that no head follows
    activity_floor_db: float = -30.0  # below the speech's own level: pauses
    loudness_range_db: float = 40.0  # below the speech's own level that loudness tells apart


RHYTHM_FEATURES = RhythmSettings()


@dataclass(frozen=True)
class Rhythm:
    """Rhythm features that drive the head.

    Attributes:
        onset: `[T]` onset strength, 1 at a strong syllable of this recording.
        activity: `[T]` in 0..1, 1 while somebody speaks.
        loudness: `[T]` 0 at 40 dB under the speech's own level and below, 1 at that level, at most 1.5.
    """

    onset: FloatArray
    activity: FloatArray
    loudness: FloatArray

    @property
    def features(self) -> FloatArray:
        """`[T, 3]` onset, activity and loudness, the head-motion network's input."""
        return np.stack([self.onset, self.activity, self.loudness], 1).astype(np.float32)


def speech_rhythm(blocks: Iterable[Waveform], num_frames: int, fps: Fraction, level: float) -> Rhythm:
    """Measure rhythm block by block, so that memory holds one block and two numbers per 10 ms.

    Onset strength is the spectral flux of the mel spectrogram (Bock and Widmer 2013), with librosa's definitions.

    Args:
        blocks: consecutive parts of the speech, 16 kHz.
        num_frames: video frames to report.
        fps: video frames per second.
        level: RMS of active speech, from `speech_level`.

    Returns:
        Rhythm with arrays of `num_frames`.
    """
    onset, loudness = _measure(blocks, level)
    frames = (np.arange(num_frames) + 0.5) / float(fps)  # seconds, middle of each frame
    times = (np.arange(len(onset)) + 0.5) * RHYTHM_FEATURES.hop / 16_000
    if not len(onset) or level < SILENT_LEVEL:
        return no_rhythm(num_frames)
    strong = max(float(np.percentile(onset, 95)), 1e-6)
    # An onset lasts a few hops: take the strongest within one frame rather than the sample in its middle.
    width = max(1, round(16_000 / RHYTHM_FEATURES.hop / float(fps)))
    peaks = np.array([onset[max(0, i - width // 2) : i + width // 2 + 1].max() for i in range(len(onset))])
    active = np.clip((loudness - RHYTHM_FEATURES.activity_floor_db) / 12.0, 0.0, 1.0)
    loud = np.clip(1 + loudness / RHYTHM_FEATURES.loudness_range_db, 0.0, 1.5)
    return Rhythm(
        np.interp(frames, times, np.minimum(peaks / strong, 1.5)).astype(np.float32),
        np.interp(frames, times, active).astype(np.float32),
        np.interp(frames, times, loud).astype(np.float32),
    )


def no_rhythm(num_frames: int) -> Rhythm:
    """Features of silence, zero for `num_frames`."""
    return Rhythm(*(np.zeros(num_frames, np.float32) for _ in range(3)))


def _measure(blocks: Iterable[Waveform], level: float) -> tuple[FloatArray, FloatArray]:
    """Onset strength and loudness (dB above `level`) per hop; each spectrum spans its block and the one before."""
    onsets: list[FloatArray] = []
    loudness: list[FloatArray] = []
    tail = np.zeros(RHYTHM_FEATURES.window, np.float32)
    rest = np.zeros(0, np.float32)
    for block in blocks:
        samples = np.concatenate([rest, block.samples])
        count = len(samples) // RHYTHM_FEATURES.hop
        rest = samples[count * RHYTHM_FEATURES.hop :]
        if count == 0:
            continue
        used = samples[: count * RHYTHM_FEATURES.hop]
        relative = (np.concatenate([tail, used]) / max(level, SILENT_LEVEL)).astype(np.float32)
        onsets.append(onset_strength(relative, block.rate)[-count:])
        power = (used.reshape(count, RHYTHM_FEATURES.hop).astype(np.float64) ** 2).mean(1)
        loudness.append(10 * np.log10(power / max(level, SILENT_LEVEL) ** 2 + 1e-9))
        tail = np.concatenate([tail, used])[-RHYTHM_FEATURES.window :]
    if not onsets:
        return np.zeros(0), np.zeros(0)
    return np.concatenate(onsets), np.concatenate(loudness)


def onset_strength(samples: FloatArray, rate: int) -> FloatArray:
    """Spectral flux per hop of the log-mel spectrum, `[S]` -> `[(S - 512) // 160 + 1]`, 0 for the first.

    Spectra are not centred, so that nothing beyond the block is made up.
    """
    spectrum = power_spectrum(
        torch.from_numpy(samples[None]),
        torch.hann_window(RHYTHM_FEATURES.window),
        RHYTHM_FEATURES.window,
        RHYTHM_FEATURES.hop,
    )[0]
    power = spectrum @ torch.from_numpy(
        slaney_filters(RHYTHM_FEATURES.num_mels, 0.0, RHYTHM_FEATURES.max_frequency_hz, RHYTHM_FEATURES.window, rate)
    )
    decibels = 10 * torch.log10(power.clamp(min=RHYTHM_FEATURES.smallest_power))
    rises = (decibels[1:] - decibels[:-1]).clamp(min=0).mean(1)
    return functional.pad(rises, (1, 0)).numpy()
