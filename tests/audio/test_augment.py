"""Voice augmentation: changes what it says it changes, and nothing else."""

import numpy as np
import pytest
import torch

from talkface.audio.augment import VoiceAugmentation, augment_voice, mask_features, warp_formants
from talkface.audio.features import mel_hz

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
