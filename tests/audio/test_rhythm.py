from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from talkface.audio.rhythm import speech_rhythm
from talkface.types import Waveform

FPS = Fraction(25)


@pytest.fixture
def pulses() -> np.ndarray:
    """Noise bursts of 250 ms that start at every full and half second, 10 s, then 2 s of silence."""
    time = np.arange(160_000) / 16_000
    noise = np.random.default_rng(0).standard_normal(160_000) * 0.1
    return np.concatenate([noise * (time % 0.5 < 0.25), np.zeros(32_000)]).astype(np.float32)


def test_onsets_peak_where_bursts_start(pulses):
    rhythm = speech_rhythm([Waveform(pulses)], 300, FPS, level=0.1)
    for second in np.arange(1.0, 9.0, 0.5):
        frame = round(second * 25)
        nearby = rhythm.onset[frame - 5 : frame + 6]
        assert abs(int(nearby.argmax()) - 5) <= 1, second


def test_activity_falls_in_silence_and_rises_in_sound(pulses):
    rhythm = speech_rhythm([Waveform(pulses)], 300, FPS, level=0.1)
    assert rhythm.activity[255:295].max() == 0
    assert rhythm.activity[[28, 53, 78]].min() == 1  # 0.1 s into a burst


def test_blocks_give_the_same_rhythm_as_the_whole(pulses):
    whole = speech_rhythm([Waveform(pulses)], 300, FPS, level=0.1)
    cuts = [0, 33_333, 50_001, 120_000, len(pulses)]
    blocks = [Waveform(pulses[a:b]) for a, b in pairwise(cuts)]
    parts = speech_rhythm(blocks, 300, FPS, level=0.1)
    np.testing.assert_allclose(parts.onset, whole.onset, atol=1e-4)
    np.testing.assert_allclose(parts.activity, whole.activity, atol=1e-4)


def test_rhythm_does_not_depend_on_gain(pulses):
    loud = speech_rhythm([Waveform(pulses)], 300, FPS, level=0.1)
    quiet = speech_rhythm([Waveform(pulses * np.float32(0.1))], 300, FPS, level=0.01)
    np.testing.assert_allclose(quiet.onset, loud.onset, atol=1e-3)


def test_digital_silence_has_no_rhythm():
    rhythm = speech_rhythm([Waveform(np.zeros(16_000, np.float32))], 25, FPS, level=0.0)
    assert not rhythm.onset.any() and not rhythm.activity.any()
