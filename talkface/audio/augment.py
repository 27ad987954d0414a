"""Band power of a voice -> band power of other voices, rooms and microphones saying the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from talkface.audio.features import htk_mel, mel_hz
from talkface.types import FloatArray

ECHO_FRAMES = 24  # length of the simulated room's tail, 240 ms


@dataclass(frozen=True)
class VoiceAugmentation:
    """Strengths of the voice augmentation; 0 switches a part off."""

    formants: float = 0.15  # largest log ratio of vocal-tract length
    colour: float = 0.5  # standard deviation of the log power of a random smooth filter
    gain: float = 0.5  # standard deviation of the log power of the whole clip
    echo: float = 0.5  # largest power of the room's tail, in half of the clips
    noise: float = 0.5  # share of clips with noise
    noise_db: tuple[float, float] = (-35.0, -5.0)  # noise over the speech: minus the signal-to-noise ratio
    noise_folder: str = ""  # recordings of noise, as MUSAN's; generated where it is empty
    band_mask: int = 10  # widest masked band, in mel bands
    time_mask: int = 12  # longest masked stretch, in mel frames


def augment_voice(
    power: Tensor,
    how: VoiceAugmentation,
    rng: np.random.Generator,
    hz: FloatArray | None = None,
    noises: Sequence[FloatArray] = (),
) -> Tensor:
    """Vary each clip of `[B, T', C]` band power (relative to its speech) on its own.

    Cepstra and slopes are functions of this power, so it serves every family of networks.

    Args:
        power: relative to the clip's speech.
        how: how far.
        rng: where the draws come from.
        hz: `[C]` centre frequencies; those of `MelPower` if not given.
        noises: `[n, C]` power of recordings, as `load_noises` makes it; noise is generated where there are none.
    """
    count, _, bands = power.shape
    if how.formants > 0:
        power = warp_formants(power, np.exp(rng.uniform(-how.formants, how.formants, count)), hz)
    log_gain = _normal(rng, (count, 1, 1), how.gain) + _smooth(_normal(rng, (count, 1, 6), how.colour), bands)
    power = power * torch.exp(log_gain)
    if how.echo > 0:
        power = power + _echo(power, how.echo, rng)
    if how.noise > 0:
        power = power + noise_power(power.shape, how, rng, noises)
    return power


def noise_power(
    shape: torch.Size, how: VoiceAugmentation, rng: np.random.Generator, noises: Sequence[FloatArray] = ()
) -> Tensor:
    """`[B, T', C]` power of noise to add to clips whose speech has power 1: `noise_db` over it, in `noise` of them."""
    return _recorded(shape, how, rng, noises) if noises else _noise(shape, how, rng)


def warp_formants(power: Tensor, ratios: FloatArray, hz: FloatArray | None = None) -> Tensor:
    """Move what lies at frequency `ratio * f` to `f`: a longer (ratio < 1) or shorter vocal tract.

    Args:
        power: `[B, T', C]`.
        ratios: `[B]`.
        hz: `[C]` centre frequencies, equally spaced in mel; those of `MelPower` if not given.
    """
    count, frames, bands = power.shape
    hz = mel_hz(bands) if hz is None else hz
    mels = htk_mel(hz)
    source = (htk_mel(hz[None] * ratios[:, None]) - mels[0]) / (mels[1] - mels[0])
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


def _recorded(
    shape: torch.Size, how: VoiceAugmentation, rng: np.random.Generator, noises: Sequence[FloatArray]
) -> Tensor:
    count, frames, bands = shape
    drawn = np.zeros((count, frames, bands), np.float32)
    for clip in drawn:
        if rng.random() < how.noise:
            noise = noises[int(rng.integers(len(noises)))]
            rows = (rng.integers(len(noise)) + np.arange(frames)) % len(noise)
            clip[:] = 10 ** (rng.uniform(*how.noise_db) / 10) * noise[rows]
    return torch.from_numpy(drawn)


def _normal(rng: np.random.Generator, shape: tuple[int, ...], deviation: float) -> Tensor:
    return torch.from_numpy((deviation * rng.standard_normal(shape)).astype(np.float32))


def _smooth(knots: Tensor, bands: int) -> Tensor:
    return functional.interpolate(knots, bands, mode="linear", align_corners=True)
