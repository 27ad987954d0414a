"""Mel power of a voice -> mel power of other voices, rooms and microphones saying the same."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from talkface.audio.features import mel_hz
from talkface.types import FloatArray

ECHO_FRAMES = 24  # length of the simulated room's tail, 240 ms


@dataclass(frozen=True)
class VoiceAugmentation:
    """How far voices are varied; 0 switches a part off."""

    formants: float = 0.15  # largest log ratio of vocal-tract length
    colour: float = 0.5  # standard deviation of the log power of a random smooth filter
    gain: float = 0.5  # standard deviation of the log power of the whole clip
    echo: float = 0.5  # largest power of the room's tail, in half of the clips
    noise: float = 0.5  # share of clips with noise
    noise_db: tuple[float, float] = (-35.0, -5.0)  # noise below the speech
    band_mask: int = 10  # widest masked band, in mel bands
    time_mask: int = 12  # longest masked stretch, in mel frames


def augment_voice(power: Tensor, how: VoiceAugmentation, rng: np.random.Generator) -> Tensor:
    """Vary each clip of `[B, T', C]` mel power (relative to its speech) on its own."""
    count, _, bands = power.shape
    if how.formants > 0:
        power = warp_formants(power, np.exp(rng.uniform(-how.formants, how.formants, count)))
    log_gain = _normal(rng, (count, 1, 1), how.gain) + _smooth(_normal(rng, (count, 1, 6), how.colour), bands)
    power = power * torch.exp(log_gain)
    if how.echo > 0:
        power = power + _echo(power, how.echo, rng)
    if how.noise > 0:
        power = power + _noise(power.shape, how, rng)
    return power


def warp_formants(power: Tensor, ratios: FloatArray) -> Tensor:
    """Move what lies at frequency `ratio * f` to `f`: a longer (ratio < 1) or shorter vocal tract.

    Args:
        power: `[B, T', C]`.
        ratios: `[B]`.
    """
    count, frames, bands = power.shape
    hz = mel_hz(bands)
    mels = 2595 * np.log10(1 + hz / 700)
    source = (2595 * np.log10(1 + hz[None] * ratios[:, None] / 700) - mels[0]) / (mels[1] - mels[0])
    place = torch.from_numpy(np.clip(source, 0, bands - 1.001).astype(np.float32))
    low = place.floor().long()
    share = (place - low)[:, None, :]
    low = low[:, None, :].expand(count, frames, bands)
    return power.gather(2, low) * (1 - share) + power.gather(2, low + 1) * share


def mask_features(features: Tensor, how: VoiceAugmentation, rng: np.random.Generator) -> Tensor:
    """Zero one band and one stretch of time per clip (SpecAugment), `[B, T', C]`."""
    features = features.clone()
    _, frames, bands = features.shape
    for clip in features:
        width, length = int(rng.integers(0, how.band_mask + 1)), int(rng.integers(0, how.time_mask + 1))
        band, start = int(rng.integers(0, bands - width + 1)), int(rng.integers(0, frames - length + 1))
        clip[:, band : band + width] = 0
        clip[start : start + length] = 0
    return features


def _echo(power: Tensor, largest: float, rng: np.random.Generator) -> Tensor:
    count, frames, bands = power.shape
    decay = torch.from_numpy(rng.uniform(0.5, 0.9, (count, 1)).astype(np.float32))
    amount = torch.from_numpy((rng.uniform(0, largest, (count, 1)) * (rng.random((count, 1)) < 0.5)).astype(np.float32))
    tail = amount * decay ** torch.arange(1, ECHO_FRAMES + 1)
    kernel = tail.flip(1)[:, None].repeat_interleave(bands, 0)  # [B * C, 1, 24]
    padded = functional.pad(power.transpose(1, 2), (ECHO_FRAMES, 0))[..., :-1].reshape(1, count * bands, -1)
    return functional.conv1d(padded, kernel, groups=count * bands).reshape(count, bands, frames).transpose(1, 2)


def _noise(shape: torch.Size, how: VoiceAugmentation, rng: np.random.Generator) -> Tensor:
    count, _, bands = shape
    level = 10 ** (rng.uniform(*how.noise_db, (count, 1, 1)) / 10) * (rng.random((count, 1, 1)) < how.noise)
    spectrum = torch.exp(_smooth(_normal(rng, (count, 1, 5), 1.0), bands))
    spectrum = spectrum / spectrum.mean(2, keepdim=True)
    flicker = torch.from_numpy(rng.gamma(2.0, 0.5, tuple(shape)).astype(np.float32))
    return flicker * spectrum * torch.from_numpy(level.astype(np.float32))


def _normal(rng: np.random.Generator, shape: tuple[int, ...], deviation: float) -> Tensor:
    return torch.from_numpy((deviation * rng.standard_normal(shape)).astype(np.float32))


def _smooth(knots: Tensor, bands: int) -> Tensor:
    return functional.interpolate(knots, bands, mode="linear", align_corners=True)
