"""Offsets that were put in are found again."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from talkface.data.prepare.sync import estimate_lag, measure_offset, shift_samples


def opening(seed: int, count: int) -> np.ndarray:
    return gaussian_filter1d(np.random.default_rng(seed).standard_normal(count + 40), 1.5)[20 : 20 + count]


@pytest.mark.parametrize("late", [-5, -2, 0, 1, 4])
def test_lag_between_a_prediction_and_the_truth(late):
    true = opening(0, 200)
    heard = np.roll(true, late) + 0.4 * np.std(true) * np.random.default_rng(1).standard_normal(200)
    lag, confidence = estimate_lag(heard, true, 8)
    assert lag == pytest.approx(-late, abs=0.5) and confidence > 0.95


def test_half_frames_are_seen():
    times = np.arange(150.0)
    fine = gaussian_filter1d(np.random.default_rng(3).standard_normal(3000), 30)
    at = lambda shift: np.interp((times - shift) * 10 + 500, np.arange(3000), fine)  # noqa: E731
    assert estimate_lag(at(1.5), at(0.0), 6)[0] == pytest.approx(-1.5, abs=0.25)


def test_unrelated_signals_are_not_trusted():
    sure = [estimate_lag(opening(2 * s, 75), opening(2 * s + 1, 75), 8)[1] > 0.9 for s in range(20)]
    assert np.mean(sure) < 0.25


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


@pytest.mark.data
def test_shifted_real_speech(shared_data):
    """Sound of real clips moved by known amounts: the measured change is that amount to within two frames."""
    from fractions import Fraction

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
