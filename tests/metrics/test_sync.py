"""Sound levels and their lag to the mouth against constructed truth."""

from fractions import Fraction

import numpy as np
import pytest

from talkface.metrics.sync import frame_levels, opening_energy_lag, pause_frames
from talkface.types import Waveform

FPS = Fraction(25)


@pytest.fixture
def bursts() -> Waveform:
    """Four seconds of noise whose loudness changes every 0.2 s."""
    rng = np.random.default_rng(5)
    gains = np.repeat(rng.uniform(0.0, 1.0, 20), 3200)
    return Waveform((gains * rng.normal(0, 0.1, 64000)).astype(np.float32))


def test_level_of_a_constant_is_that_constant():
    levels = frame_levels(Waveform(np.full(16000, 0.5, np.float32)), FPS, 25)
    np.testing.assert_allclose(levels[1:-1], 0.5, rtol=1e-6)
    assert levels[0] == pytest.approx(0.5 / np.sqrt(2))  # half of the first frame's window lies before the sound


def test_a_click_is_heard_in_the_frame_that_shows_its_moment():
    samples = np.zeros(32000, np.float32)
    samples[16000] = 1.0
    assert int(np.argmax(frame_levels(Waveform(samples), FPS, 50))) == 25


@pytest.mark.parametrize("shift", [-3, 0, 2])
def test_lag_of_a_mouth_that_follows_the_level(bursts: Waveform, shift: int):
    openings = np.roll(frame_levels(bursts, FPS, 100), shift)
    found = opening_energy_lag(openings, bursts, FPS)
    assert found.lag == shift
    assert found.r > 0.9


def test_pauses_are_the_silent_frames():
    samples = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    samples[8000:16000] = 0
    paused = pause_frames(Waveform(samples), FPS, 50)
    assert paused[14:24].all()
    assert not paused[1:12].any()
    assert pause_frames(Waveform(np.zeros(16000, np.float32)), FPS, 25).all()
