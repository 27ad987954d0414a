"""Mel frames: librosa as oracle, streaming equals whole, gain leaves no trace."""

import numpy as np
import pytest
import torch

from talkface.audio.features import MEL, MelPower, MelStream, active_sum, log_mel, mean_spectrum, reference_power

librosa = pytest.importorskip("librosa")


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """Three seconds of a buzz with moving formants and a pause."""
    rng = np.random.default_rng(3)
    time = np.arange(48_000) / 16_000
    buzz = np.sign(np.sin(2 * np.pi * 120 * time)) * (1 + np.sin(2 * np.pi * 3 * time))
    return (0.1 * buzz * (np.abs(time - 1.5) > 0.2) + 1e-4 * rng.standard_normal(48_000)).astype(np.float32)


def test_mel_power_equals_librosa(voice: np.ndarray) -> None:
    ours = MelPower(40)(torch.from_numpy(voice[None]))[0].numpy()
    theirs = librosa.feature.melspectrogram(
        y=voice, sr=16_000, n_fft=512, win_length=400, hop_length=MEL.hop, n_mels=40, fmin=50, fmax=8000, htk=True,
        norm=None, pad_mode="constant",
    ).T  # fmt: skip
    assert ours.shape == (len(voice) // MEL.hop, 40)
    np.testing.assert_allclose(ours, theirs[: len(ours)], rtol=1e-3, atol=1e-4 * theirs.max())


@pytest.mark.parametrize("size", [100, 1600, 47_999])
def test_blocks_give_the_frames_of_the_whole(voice: np.ndarray, size: int) -> None:
    mel = MelPower(40)
    stream = MelStream(mel)
    frames = [stream.push(voice[start : start + size]) for start in range(0, len(voice), size)]
    streamed = np.concatenate([*frames, stream.finish(0)])
    whole = mel(torch.from_numpy(voice[None]))[0].numpy()
    np.testing.assert_allclose(streamed[: len(whole)], whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_gain_leaves_no_trace(voice: np.ndarray, gain: float) -> None:
    mel = MelPower(40)

    def features(samples: np.ndarray) -> torch.Tensor:
        power = mel(torch.from_numpy(samples[None]))
        relative = power / reference_power(power[0].mean(1).numpy())
        return log_mel(relative, mean_spectrum(*active_sum(relative), torch.zeros(40)))

    assert torch.allclose(features(voice), features(voice * np.float32(gain)), atol=1e-3)


def test_reference_power_ignores_pauses(voice: np.ndarray) -> None:
    energy = MelPower(40)(torch.from_numpy(voice[None]))[0].mean(1).numpy()
    mostly_pause = np.concatenate([energy, np.full(20 * len(energy), 1e-9, np.float32)])
    assert reference_power(mostly_pause) == pytest.approx(reference_power(energy), rel=0.5)
    assert reference_power(np.zeros(50, np.float32)) == 0
