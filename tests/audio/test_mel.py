"""Filter banks and spectra: torchaudio's and librosa's numbers, to 1e-5; checkpoints with earlier names load."""

import numpy as np
import pytest
import torch

from talkface.audio.features import (
    MEL,
    MelPower,
    htk_filters,
    htk_hz,
    htk_mel,
    power_spectrum,
    slaney_filters,
    slaney_hz,
    slaney_mel,
)
from talkface.audio.mfcc import Cepstrum, FilterPower
from talkface.audio.rhythm import onset_strength
from talkface.types import SAMPLE_RATE

librosa = pytest.importorskip("librosa")


@pytest.fixture(scope="module")
def torchaudio():
    """The oracle of the tests alone; where its library does not load with this torch, librosa's numbers must do."""
    try:
        import torchaudio
    except (ImportError, OSError) as error:
        pytest.skip(f"torchaudio does not load: {error}")
    return torchaudio


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """Two seconds of a buzz with moving formants, a pause and a little noise."""
    rng = np.random.default_rng(3)
    time = np.arange(32_000) / 16_000
    buzz = np.sign(np.sin(2 * np.pi * 120 * time)) * (1 + np.sin(2 * np.pi * 3 * time))
    return (0.1 * buzz * (np.abs(time - 1) > 0.2) + 1e-3 * rng.standard_normal(32_000)).astype(np.float32)


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize("num_mels", [26, 40, 64, 80])
def test_htk_filters_are_librosas(num_mels: int) -> None:
    ours = htk_filters(num_mels, MEL.lowest_hz, MEL.highest_hz, MEL.fft, SAMPLE_RATE)
    theirs = librosa.filters.mel(
        sr=SAMPLE_RATE, n_fft=MEL.fft, n_mels=num_mels, fmin=MEL.lowest_hz, fmax=MEL.highest_hz, htk=True, norm=None
    )
    np.testing.assert_allclose(ours.T, theirs, atol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(0.0, 4000.0), (80.0, 7000.0)])
def test_slaney_filters_are_librosas(low: float, high: float) -> None:
    ours = slaney_filters(40, low, high, MEL.fft, SAMPLE_RATE)
    theirs = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=MEL.fft, n_mels=40, fmin=low, fmax=high)
    np.testing.assert_allclose(ours.T, theirs, rtol=1e-5, atol=1e-8)


def test_the_scales_are_inverted_and_meet_at_1_khz() -> None:
    hz = np.array([0.0, 300.0, 999.0, 1000.0, 1001.0, 8000.0])
    np.testing.assert_allclose(slaney_hz(slaney_mel(hz)), hz, atol=1e-9)
    np.testing.assert_allclose(htk_hz(htk_mel(hz)), hz, atol=1e-9)
    np.testing.assert_allclose(slaney_mel(hz), librosa.hz_to_mel(hz), atol=1e-9)
    np.testing.assert_allclose(htk_mel(hz), librosa.hz_to_mel(hz, htk=True), atol=1e-9)


def test_mel_power_is_torchaudios(torchaudio, voice: np.ndarray) -> None:
    samples = torch.from_numpy(voice[None])
    transform = torchaudio.transforms.MelSpectrogram(
        SAMPLE_RATE, MEL.fft, MEL.window, MEL.hop, MEL.lowest_hz, MEL.highest_hz, n_mels=64, power=2.0, center=False
    )
    theirs = transform(samples).transpose(1, 2).numpy()
    assert relative_error(MelPower(64).inside(samples).numpy(), theirs) < 1e-5


def test_mel_power_is_librosas(voice: np.ndarray) -> None:
    theirs = librosa.feature.melspectrogram(
        y=voice, sr=16_000, n_fft=512, win_length=400, hop_length=MEL.hop, n_mels=64, fmin=50, fmax=8000, htk=True,
        norm=None, center=False,
    ).T  # fmt: skip
    assert relative_error(MelPower(64).inside(torch.from_numpy(voice[None]))[0].numpy(), theirs) < 1e-5


def test_the_cepstrum_is_torchaudios(torchaudio, voice: np.ndarray) -> None:
    samples = torch.from_numpy(voice[None])
    bands, cepstrum = FilterPower(), Cepstrum(1e-6)
    emphasised = torchaudio.functional.preemphasis(samples, 0.97)
    spectrum = torchaudio.transforms.Spectrogram(
        MEL.fft, MEL.window, MEL.hop, window_fn=torch.ones, power=2.0, center=False
    )
    power = spectrum(emphasised).transpose(1, 2) @ bands.filters
    lifter = 1 + 11 * torch.sin(torch.pi * torch.arange(1, 13) / 22)
    theirs = torch.log(power + 1e-6) @ torchaudio.functional.create_dct(13, 26, "ortho")[:, 1:] * lifter
    assert relative_error(bands.inside(samples).numpy(), power.numpy()) < 1e-5
    assert relative_error(cepstrum(bands.inside(samples)).numpy(), theirs.numpy()) < 1e-5


def test_onset_strength_is_librosas(voice: np.ndarray) -> None:
    relative = voice / 0.1
    power = librosa.feature.melspectrogram(
        y=relative, sr=16_000, n_fft=512, hop_length=160, n_mels=40, fmax=4000.0, center=False
    )
    decibels = librosa.power_to_db(power, ref=1.0, amin=1e-6, top_db=None)
    theirs = librosa.onset.onset_strength(S=decibels, sr=16_000, hop_length=160, center=False)
    assert relative_error(onset_strength(relative.astype(np.float32), 16_000), theirs) < 1e-5


def test_spectra_lie_inside_the_samples() -> None:
    assert power_spectrum(torch.zeros(2, 512), torch.hann_window(400), 512, 160).shape == (2, 1, 257)
    assert power_spectrum(torch.zeros(2, 671), torch.hann_window(400), 512, 160).shape == (2, 1, 257)
    assert power_spectrum(torch.zeros(2, 672), torch.hann_window(400), 512, 160).shape == (2, 2, 257)
