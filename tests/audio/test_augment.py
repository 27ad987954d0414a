"""Voice augmentation: changes what it says it changes, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from talkface.audio.augment import (
    VoiceAugmentation,
    augment_voice,
    mask_features,
    noise_power,
    warp_formants,
)
from talkface.audio.features import MelPower, mel_hz
from talkface.audio.mfcc import FilterPower
from talkface.data.noises import load_noises
from talkface.errors import MediaError

OFF = VoiceAugmentation(formants=0, colour=0, gain=0, echo=0, noise=0, band_mask=0, time_mask=0)


@pytest.fixture
def power() -> torch.Tensor:
    return torch.rand(3, 40, 64, generator=torch.Generator().manual_seed(0)) + 0.1


def test_all_off_is_the_identity(power: torch.Tensor) -> None:
    rng = np.random.default_rng(0)
    assert torch.allclose(augment_voice(power, OFF, rng), power)
    assert torch.equal(mask_features(power, OFF, rng), power)


def test_warp_by_one_is_the_identity(power: torch.Tensor) -> None:
    assert torch.allclose(warp_formants(power, np.ones(3)), power, atol=1e-3)


@pytest.mark.parametrize("ratio", [0.87, 1.15])
def test_warp_moves_a_formant_by_the_ratio(ratio: float) -> None:
    hz = mel_hz(64)
    formant = np.exp(-(((hz - 1500) / 200) ** 2)).astype(np.float32)
    warped = warp_formants(torch.from_numpy(formant).expand(1, 5, 64), np.array([ratio]))[0, 0].numpy()
    assert hz[warped.argmax()] == pytest.approx(1500 / ratio, rel=0.05)


def test_same_generator_same_voices(power: torch.Tensor) -> None:
    how = VoiceAugmentation()
    first, second = (augment_voice(power, how, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.allclose(first, power)
    assert torch.isfinite(first).all() and (first > 0).all()


@pytest.mark.parametrize("ratio", [0.87, 1.15])
def test_warp_moves_a_formant_of_the_mfcc_filters_too(ratio: float) -> None:
    hz = FilterPower().centre_hz
    formant = np.exp(-(((hz - 1500) / 400) ** 2)).astype(np.float32)
    warped = warp_formants(torch.from_numpy(formant).expand(1, 5, 26), np.array([ratio]), hz)[0, 0].numpy()
    centre = (warped * np.log(hz)).sum() / warped.sum() - (formant * np.log(hz)).sum() / formant.sum()
    assert centre == pytest.approx(-np.log(ratio), abs=0.04)


@pytest.fixture
def noise_folder(tmp_path: Path) -> Path:
    """MUSAN's layout: noise/free-sound/*.wav; one file hums low and one hisses high, a third is silent."""
    rng, folder = np.random.default_rng(0), tmp_path / "musan" / "noise" / "free-sound"
    folder.mkdir(parents=True)
    hiss = np.diff(rng.standard_normal(16_001))
    for name, samples in {"hum": np.cumsum(rng.standard_normal(16_000)) / 100, "hiss": hiss, "none": 0 * hiss}.items():
        wavfile.write(folder / f"{name}.wav", 16_000, (3000 * np.clip(samples, -5, 5)).astype(np.int16))
    (folder / "LICENSE").write_text("no sound")
    return tmp_path / "musan"


def test_recorded_noise_has_the_ratio_asked_for(noise_folder: Path) -> None:
    noises = load_noises(noise_folder, MelPower(40))
    assert len(noises) == 2 and all(noise.mean() == pytest.approx(1, rel=1e-4) for noise in noises)
    hum, hiss = sorted(noises, key=lambda noise: float(noise[:, 20:].mean()))
    assert hum[:, :10].mean() > 3 * hum[:, 20:].mean() and hiss[:, 20:].mean() > 3 * hiss[:, :10].mean()
    how = VoiceAugmentation(noise=1.0, noise_db=(-10.0, -10.0))
    added = noise_power(torch.Size((3, 100, 40)), how, np.random.default_rng(1), noises)  # one second: the whole file
    np.testing.assert_allclose(added.mean((1, 2)), 0.1, rtol=1e-3)
    some = noise_power(torch.Size((400, 5, 40)), VoiceAugmentation(noise=0.25), np.random.default_rng(1), noises)
    assert (some.sum((1, 2)) > 0).float().mean().item() == pytest.approx(0.25, abs=0.07)


def test_noise_comes_on_top_of_the_voice(power: torch.Tensor, noise_folder: Path) -> None:
    noises = load_noises(noise_folder, MelPower(64))
    only_noise = VoiceAugmentation(formants=0, colour=0, gain=0, echo=0, noise=1.0)
    noisy = augment_voice(power, only_noise, np.random.default_rng(0), noises=noises)
    assert (noisy >= power).all() and (noisy > power).any()


def test_a_folder_without_noise_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"augment\.noise_folder .*nowhere is not a folder"):
        load_noises(tmp_path / "nowhere", MelPower(40))
    with pytest.raises(MediaError, match=r"no noise in .*: expected \.wav, \.flac"):
        load_noises(tmp_path, MelPower(40))
