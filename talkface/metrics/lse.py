"""Footage and speech -> LSE-C, LSE-D and the offset between lips and voice, by SyncNet."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.fft import dct
from torch import Tensor
from torch.nn import functional

from talkface.metrics.syncnet import SYNCNET, SyncNet
from talkface.types import SAMPLE_RATE, FloatArray, Image, Waveform


@dataclass(frozen=True)
class LseSettings:
    """SyncNet's windows and MFCC (Chung and Zisserman 2016)."""

    max_shift: int = 15  # frames to either side
    steps_per_frame: int = 4  # 10 ms steps of MFCC per frame at 25 frames/s
    batch: int = 16  # windows per forward pass
    fft: int = 512
    window: int = 400  # samples: 25 and 10 ms
    hop: int = 160
    filters: int = 26
    emphasis: float = 0.97
    lifter: int = 22


LSE = LseSettings()


@dataclass(frozen=True)
class SyncScore:
    """SyncNet's scores.

    Attributes:
        lse_d: mean distance of the embeddings at the best shift; lower is better.
        lse_c: median over shifts of the mean distance, less the best: confidence; higher is better.
        offset: the best shift in frames, the published "AV offset"; positive where the sound is early.
    """

    lse_d: float
    lse_c: float
    offset: int


@torch.inference_mode()
def sync_embeddings(
    network: SyncNet, crops: Iterator[Image], length: int, speech: Waveform
) -> tuple[Tensor, Tensor] | None:
    """Embeddings of every window: `[N, 1024]` of the pictures, `[N, 1024]` of the sound.

    Window n holds frames n to n + 4 and MFCC steps 4n to 4n + 19, n counted up to five frames before the shorter of
    picture and sound ends, as the published evaluation counts.
    """
    mfcc = sync_mfcc(speech)
    windows = min(length, len(speech.samples) // (LSE.steps_per_frame * LSE.hop)) - SYNCNET.frames
    if windows < 1:
        return None
    lips, sounds = [], []
    for start, frames in _batches(crops, windows):
        lips.append(network.embed_lips(frames))
        steps = [
            mfcc[LSE.steps_per_frame * n : LSE.steps_per_frame * n + SYNCNET.steps].T
            for n in range(start, start + len(frames))
        ]
        sounds.append(network.embed_sound(torch.from_numpy(np.stack(steps)[:, None]).float()))
    return torch.cat(lips), torch.cat(sounds)


def sync_score(lips: Tensor, sounds: Tensor, max_shift: int = LSE.max_shift) -> SyncScore:
    """Compare every picture window with the sound up to 15 frames earlier and later (Chung & Zisserman 2016).

    Beyond the ends the sound's embedding is zero, as published, so clips of less than about two seconds are judged by
    that padding more than by their lips. Distances are Euclidean; each shift's is the mean over windows.

    Args:
        lips: `[N, D]` one embedding per frame.
        sounds: `[N, D]`.
        max_shift: frames to either side.
    """
    padded = functional.pad(sounds, (0, 0, max_shift, max_shift))
    shifts = range(2 * max_shift + 1)
    distances = torch.stack(
        [functional.pairwise_distance(lips, padded[shift : shift + len(lips)]).mean() for shift in shifts]
    )
    best = int(distances.argmin())
    least = float(distances[best])
    return SyncScore(least, float(distances.median()) - least, max_shift - best)


def sync_mfcc(speech: Waveform) -> FloatArray:
    """MFCC as SyncNet was trained on: `[T', 13]` at 100 per second, of 16-bit samples.

    The conventions are those of the package python_speech_features with its defaults: pre-emphasis 0.97, windows of 25
    ms (rectangular) every 10 ms, 512-point power spectrum over 512, 26 triangular mel filters up to half the rate,
    logarithm, orthonormal DCT, sinusoidal lifter of 22, and the first coefficient replaced by the log energy.
    """
    assert speech.rate == SAMPLE_RATE, f"SyncNet takes 16 kHz, got {speech.rate}"
    samples = np.round(np.clip(speech.samples.astype(np.float64), -1, 1 - 2**-15) * 2**15)
    emphasised = np.concatenate([samples[:1], samples[1:] - LSE.emphasis * samples[:-1]])
    count = 1 + max(0, -(-(len(emphasised) - LSE.window) // LSE.hop))
    padded = np.pad(emphasised, (0, max(0, (count - 1) * LSE.hop + LSE.window - len(emphasised))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, LSE.window)[:: LSE.hop][:count]
    power = np.abs(np.fft.rfft(windows, LSE.fft)) ** 2 / LSE.fft
    energy = np.maximum(power.sum(1), np.finfo(float).eps)
    bands = np.maximum(power @ _mel_filters().T, np.finfo(float).eps)
    cepstrum = dct(np.log(bands), type=2, axis=1, norm="ortho")[:, : SYNCNET.coefficients]
    cepstrum *= 1 + LSE.lifter / 2 * np.sin(np.pi * np.arange(SYNCNET.coefficients) / LSE.lifter)
    cepstrum[:, 0] = np.log(energy)
    return np.asarray(cepstrum)


def _mel_filters() -> FloatArray:
    """`[26, 257]` triangles between FFT bins that are evenly spaced in mel."""
    highest = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, highest, LSE.filters + 2) / 2595) - 1)
    bins = np.floor((LSE.fft + 1) * hertz / SAMPLE_RATE)
    position = np.arange(LSE.fft // 2 + 1)
    low, middle, high = bins[:-2, None], bins[1:-1, None], bins[2:, None]
    rise = np.where((position >= low) & (position < middle), (position - low) / np.maximum(middle - low, 1), 0)
    fall = np.where((position >= middle) & (position < high), (high - position) / np.maximum(high - middle, 1), 0)
    return np.asarray(rise + fall)


def _batches(crops: Iterator[Image], windows: int) -> Iterator[tuple[int, Tensor]]:
    """First window's number and `[B, 3, 5, 224, 224]` BGR batches; holds one batch of frames at a time."""
    recent: deque[Image] = deque(maxlen=SYNCNET.frames)
    batch: list[Image] = []
    start = 0
    for crop in crops:
        recent.append(crop[..., ::-1])
        if len(recent) < SYNCNET.frames or start + len(batch) == windows:
            continue
        batch.append(np.stack(recent).transpose(3, 0, 1, 2))
        if len(batch) == LSE.batch or start + len(batch) == windows:
            yield start, torch.from_numpy(np.stack(batch)).float()
            start, batch = start + len(batch), []
    if batch:
        yield start, torch.from_numpy(np.stack(batch)).float()
