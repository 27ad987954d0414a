"""Offsets that were put in are found again."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from talkface.data.prepare.sync import measure_offset, shift_samples
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.metrics.lag import best_lag
from talkface.metrics.landmark import opening_series
from talkface.metrics.sync import frame_levels, opening_energy_lag
from talkface.testing.clips import draw_person, mouth_motion, speech_of
from talkface.types import Waveform


def opening(seed: int, count: int) -> np.ndarray:
    return gaussian_filter1d(np.random.default_rng(seed).standard_normal(count + 40), 1.5)[20 : 20 + count]


def test_nothing_to_measure_gives_nothing():
    points = np.random.default_rng(0).uniform(0, 100, (1, 68, 2)).astype(np.float32).repeat(40, 0)
    assert measure_offset(np.zeros(25600, np.float32), points) is None
    assert measure_offset(np.ones(25600, np.float32), points) is None  # a mouth that never moves
    assert measure_offset(np.ones(3200, np.float32), points[:5]) is None


def test_shifting_pads_with_silence():
    samples = np.arange(1, 6, dtype=np.float32)
    assert shift_samples(samples, -2, 4).tolist() == [0, 0, 1, 2]
    assert shift_samples(samples, 3, 4).tolist() == [4, 5, 0, 0]
    assert shift_samples(samples, 9, 2).tolist() == [0, 0]


@pytest.mark.parametrize("late", [-4, 0, 4])
def test_the_sign_is_that_of_the_lags_that_are_scored(late: int):
    """Sound that is late by n frames has a lag of -n, as has a picture that is early by n against its sound."""
    motion = mouth_motion(np.random.default_rng(3), 150)
    sound = speech_of(motion, draw_person(np.random.default_rng(1)), np.random.default_rng(2))
    points = np.repeat(MEAN_FACE[None], len(motion), 0)
    points[:, [55, 56, 57, 58, 59, 65, 66, 67], 1] += 0.3 * motion[:, None]  # lower lip
    moved = shift_samples(sound, -640 * late, len(sound))
    scored = opening_energy_lag(opening_series(points), Waveform(moved), Fraction(25), max_lag=8)
    assert measure_offset(moved, 200 * points).lag == pytest.approx(-late, abs=1)
    assert scored.lag == pytest.approx(-late, abs=1)
    predicted = frame_levels(Waveform(moved), Fraction(25), len(points))  # as good as what a network makes of the sound
    assert best_lag(predicted, opening_series(points), max_lag=8).lag == -scored.lag


@pytest.mark.data
def test_shifted_real_speech(shared_data):
    """Sound of real clips moved by known amounts: the measured change is that amount to within two frames."""
    from talkface.landmarks.detect import FaceTracker, load_detector
    from talkface.media.read import read_frames
    from talkface.media.speech import read_waveform

    for name in ("grid_sbwe5n.mpg", "hdtf_WDA_BobMenendez.mp4", "vox2_796100172.mp4"):
        tracker = FaceTracker(load_detector())
        faces = [tracker.track(image) for image, _ in read_frames(shared_data / "video" / name, Fraction(25))]
        points = np.stack([face.landmarks for face in faces if face is not None])
        samples = read_waveform(shared_data / "video" / name).samples
        count = len(points) * 640
        lags = [measure_offset(shift_samples(samples, -640 * late, count), points).lag for late in (0, 3)]
        assert lags[1] - lags[0] == pytest.approx(-3, abs=1.0), name
        if name.startswith("vox2"):  # known to be three frames late
            assert lags[0] == pytest.approx(-3, abs=1.5)
