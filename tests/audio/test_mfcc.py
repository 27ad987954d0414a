"""Cepstra: the reference's numbers, librosa's where the definitions agree, windows that sit on their video frame."""

import numpy as np
import pytest
import torch

from talkface.audio.features import MelStream
from talkface.audio.mfcc import Cepstrum, FilterPower, frame_windows, mel_filters

librosa = pytest.importorskip("librosa")

# python_speech_features 0.6: mfcc(chirp(), 16000, winlen=.025, winstep=.01, numcep=13, nfilt=26, nfft=512, preemph=.97,
# ceplifter=22)[[0, 3, 6], 1:]
REFERENCE = np.array(
    [
        [25.4777, 6.6158, -12.8029, -27.1557, -31.5265, -24.8483, -13.9283, -3.9263, 0.5065, 0.4268, -2.6504, -4.9384],
        [-5.3926, -8.5633, -33.2371, -26.8838, 9.1467, 36.7591, 16.0142, -2.3596, -24.049, 0.1894, 1.6087, -0.5131],
        [-18.043, -16.7313, -22.5005, 14.5644, 29.162, -1.3876, -25.8546, -5.0279, 19.601, 10.1962, -9.0152, -8.6156],
    ]
)


def chirp() -> np.ndarray:
    n = np.arange(1600)
    noise = 0.05 * np.random.default_rng(7).standard_normal(1600) * (n > 800)
    return (0.3 * np.sin(2 * np.pi * (200 + 0.5 * n) * n / 16_000) + noise).astype(np.float32)


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    rng = np.random.default_rng(3)
    time = np.arange(32_000) / 16_000
    return (0.1 * np.sign(np.sin(2 * np.pi * 120 * time)) + 0.01 * rng.standard_normal(32_000)).astype(np.float32)


def cepstra(samples: np.ndarray, floor: float = 0.0) -> np.ndarray:
    return Cepstrum(floor)(FilterPower()(torch.from_numpy(samples[None])))[0].numpy()


def test_cepstra_are_the_references() -> None:
    ours = cepstra(chirp())
    assert ours.shape == (10, 12)  # the reference has one row less here: none that begins 10 ms before the end
    np.testing.assert_allclose(ours[[0, 3, 6]], REFERENCE, atol=2e-4)


def test_spectrum_and_transform_are_librosas(voice: np.ndarray) -> None:
    emphasised = librosa.effects.preemphasis(voice, coef=0.97, zi=[0.0])
    spectrum = np.abs(
        librosa.stft(np.pad(emphasised, 56), n_fft=512, hop_length=160, win_length=400, window="boxcar", center=False)
    )
    power = spectrum**2
    ours = FilterPower()(torch.from_numpy(voice[None]))[0].numpy()
    theirs = (mel_filters().T @ power).T
    np.testing.assert_allclose(ours[: len(theirs) - 1], theirs[:-1], rtol=1e-3, atol=1e-4)
    plain = librosa.feature.mfcc(S=np.log(theirs.T), n_mfcc=13, dct_type=2, norm="ortho").T[:, 1:]
    lifter = 1 + 11 * np.sin(np.pi * np.arange(1, 13) / 22)
    np.testing.assert_allclose(cepstra(voice)[: len(plain) - 1], plain[:-1] * lifter, atol=2e-2)


@pytest.mark.parametrize("frame", [0, 7, 49])
def test_a_click_sits_in_the_middle_of_its_frames_window(frame: int) -> None:
    click = np.zeros(32_000, np.float32)
    click[frame * 640 + 320] = 1.0  # the middle of video frame `frame` at 25 per second
    windows = frame_windows(torch.from_numpy(cepstra(click, 1e-6)[None]))
    assert windows.shape == (1, 50, 28, 12)
    loud = windows[0].abs().sum(-1).gt(1).float()  # silence is zero but for rounding
    assert loud[frame].nonzero().flatten().tolist() == [12, 13, 14]  # of rows 0 to 27
    heard_in = (loud.sum(1) > 0).nonzero().flatten()
    assert heard_in.min() == max(0, frame - 3) and heard_in.max() == min(49, frame + 3)


@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_gain_leaves_no_trace(voice: np.ndarray, gain: float) -> None:
    np.testing.assert_allclose(cepstra(voice * np.float32(gain)), cepstra(voice), atol=1e-3)


@pytest.mark.parametrize("size", [100, 1600, 31_999])
def test_blocks_give_the_rows_of_the_whole(voice: np.ndarray, size: int) -> None:
    bands = FilterPower()
    stream = MelStream(bands)
    rows = [stream.push(voice[start : start + size]) for start in range(0, len(voice), size)]
    streamed = np.concatenate([*rows, stream.finish(0)])
    whole = bands(torch.from_numpy(voice[None]))[0].numpy()
    assert len(streamed) >= len(whole) == 200
    np.testing.assert_allclose(streamed[:200], whole, rtol=1e-3, atol=1e-5)
