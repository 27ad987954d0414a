"""The speech network: chunks equal the whole, gain does not matter, silence is a closed mouth."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.checkpoints.format import load_checkpoint
from talkface.checkpoints.load import load_audio2landmark
from talkface.landmarks.layout import JAW, MOUTH
from talkface.media.speech import open_speech, speech_level
from talkface.models.audio2landmark import Audio2Landmark, Audio2LandmarkConfig
from talkface.models.speech_network import MELS_PER_FRAME, SPEECH_NETWORK, speech_gate
from talkface.types import Waveform

SHIPPED = Path(__file__).resolve().parents[2] / "talkface" / "weights" / "audio2landmark.safetensors"


@pytest.fixture(scope="module")
def network() -> Audio2Landmark:
    """Small, with random weights and a decoder that opens the lips."""
    torch.manual_seed(0)
    network = Audio2Landmark(Audio2LandmarkConfig(num_mels=32, channels=16, hidden=16, components=4)).eval()
    network.decoder[:, MOUTH] = torch.randn(4, len(MOUTH), 2)
    return network


@pytest.fixture(scope="module")
def shipped() -> Audio2Landmark:
    return load_audio2landmark(load_checkpoint(SHIPPED, "audio2landmark"))


def voice(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * 16_000)) / 16_000
    envelope = np.clip(np.sin(2 * np.pi * 2.5 * time) + 0.3, 0, 1)
    return (0.2 * envelope * rng.standard_normal(len(time))).astype(np.float32)


def blocks(samples: np.ndarray, size: int) -> list[Waveform]:
    return [Waveform(samples[start : start + size]) for start in range(0, len(samples), size)]


def opening(motion: np.ndarray) -> np.ndarray:
    return motion[:, 66, 1] - motion[:, 62, 1]


def test_chunks_give_what_the_whole_gives(network: Audio2Landmark) -> None:
    frames = 2 * SPEECH_NETWORK.chunk + 7
    root_power = np.random.default_rng(1).random((frames * MELS_PER_FRAME, 32)).astype(np.float16)
    chunked = np.concatenate(list(network._coefficients(root_power, 0.3)))
    with torch.no_grad():
        relative = torch.from_numpy(np.square(root_power, dtype=np.float32)[None] / np.float32(0.3))
        whole = network(network.features(relative))[0].numpy()
    np.testing.assert_allclose(chunked, whole, atol=1e-5)


@pytest.mark.parametrize("size", [1000, 16_000, 400_000])
def test_block_size_does_not_matter(network: Audio2Landmark, size: int) -> None:
    samples = voice(4)
    whole = network.predict([Waveform(samples)], 100)
    np.testing.assert_allclose(network.predict(blocks(samples, size), 100), whole, atol=1e-5)


@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_gain_does_not_matter(shipped: Audio2Landmark, gain: float) -> None:
    samples = voice(3)
    quiet = shipped.predict([Waveform(samples * np.float32(gain))], 75)
    np.testing.assert_allclose(quiet, shipped.predict([Waveform(samples)], 75), atol=1e-4)


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30_000, 1001), Fraction(60), Fraction(10)])
def test_any_rate_has_the_same_motion_in_time(network: Audio2Landmark, fps: Fraction) -> None:
    samples = voice(4)
    count = round(4 * fps)
    motion = network.predict([Waveform(samples)], count, fps=fps)
    assert motion.shape == (count, 68, 2) and motion.dtype == np.float32
    dense = opening(network.predict([Waveform(samples)], 4000, fps=Fraction(1000)))
    expected = np.interp((np.arange(count) + 0.5) / float(fps), (np.arange(4000) + 0.5) / 1000, dense)
    inner = slice(0, count - count // 10)  # the last frames hear how much silence follows
    np.testing.assert_allclose(opening(motion)[inner], expected[inner], atol=5e-3)


def test_zeros_are_a_closed_mouth(shipped: Audio2Landmark) -> None:
    assert not shipped.predict([Waveform(np.zeros(32_000, np.float32))], 50).any()
    assert not shipped.predict([Waveform(voice(2))], 50, level=0.0).any()


def test_a_pause_closes_the_mouth(shipped: Audio2Landmark) -> None:
    samples = np.concatenate([voice(2), np.zeros(32_000, np.float32), voice(2, seed=1)])
    motion = shipped.predict([Waveform(samples)], 150)
    assert not motion[58:92].any()
    assert motion[:50].any()


def test_only_jaw_and_mouth_move(shipped: Audio2Landmark) -> None:
    motion = shipped.predict([Waveform(voice(2))], 50)
    still = np.setdiff1d(np.arange(68), np.concatenate([JAW, MOUTH]))
    assert not motion[:, still].any()


def test_gate_shuts_far_from_sound() -> None:
    energy = np.full(200, 1e-6, np.float32)
    energy[80:100] = 1.0
    gate = speech_gate(energy)
    assert gate.shape == (50,)
    assert gate[20:25].min() == 1 and gate[:10].max() == 0 and gate[40:].max() == 0


def test_real_speech_moves_and_silence_does_not(shipped: Audio2Landmark, shared_data: Path) -> None:
    def predict(name: str) -> np.ndarray:
        speech = open_speech(shared_data / "speech" / name)
        return opening(shipped.predict(speech.blocks(), round(speech.duration_s * 25), speech_level(speech)))

    spoken = predict("en_jfk.flac")
    assert spoken.std() > 0.02
    assert np.abs(predict("silence_4s.wav")).max() == 0
    assert predict("pink_noise_4s.wav").std() < 0.4 * spoken.std()
