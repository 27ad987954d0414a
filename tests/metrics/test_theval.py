"""THEval's measures on faces whose motion is known."""

from fractions import Fraction

import numpy as np
import pytest

from talkface.landmarks.layout import LEFT_BROW, MOUTH, RIGHT_BROW
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.metrics.sync import long_pauses
from talkface.metrics.theval import brows, lip_dynamics, lip_sync, lips_gap, theval
from talkface.types import Waveform

FPS = Fraction(25)
RATE = 16_000


def face(frames: int) -> np.ndarray:
    return np.repeat(MEAN_FACE[None].astype(np.float64), frames, 0) * 100 + 200


def opened(frames: int, gaps: np.ndarray) -> np.ndarray:
    points = face(frames)
    points[:, [61, 62, 63], 1] = points[:, 62:63, 1]
    points[:, [67, 66, 65], 1] = points[:, 62:63, 1] + 100 * gaps[:, None]
    return points


def loud(envelope: np.ndarray) -> Waveform:
    samples = np.repeat(envelope, RATE // 25) * np.resize([1.0, -1.0], len(envelope) * RATE // 25)
    return Waveform(samples.astype(np.float32))


def test_the_gap_is_in_outer_eye_distances() -> None:
    np.testing.assert_allclose(lips_gap(opened(3, np.array([0.0, 0.1, 0.2]))), [0, 0.1, 0.2], atol=2e-3)


def test_only_pauses_of_0_3_s_are_silent_lips() -> None:
    envelope = np.concatenate([np.full(20, 0.5), np.zeros(5), np.full(20, 0.5), np.zeros(20), np.full(10, 0.5)])
    silent = long_pauses(loud(envelope), FPS, len(envelope), 0.3)
    assert silent[46:64].all() and not silent[:44].any() and not silent[66:].any()


def test_trembling_lips_in_a_pause_are_measured_and_lips_at_rest_have_none() -> None:
    envelope = np.concatenate([np.full(40, 0.5), np.zeros(40)])
    gaps = np.where(np.arange(80) % 2, 0.02, 0.04) * (np.arange(80) > 40)
    made = theval(opened(80, gaps), loud(envelope), FPS)
    assert made.silent_lips == pytest.approx(0.01, abs=1e-3)
    assert theval(opened(80, np.zeros(80)), loud(envelope), FPS).silent_lips == pytest.approx(0, abs=1e-9)
    assert np.isnan(theval(opened(80, gaps), loud(np.full(80, 0.5)), FPS).silent_lips)


def test_lips_that_move_as_the_sound_differ_by_nothing_and_opposite_ones_by_half_on_average() -> None:
    wave = 0.5 - 0.5 * np.cos(np.linspace(0, 8 * np.pi, 400))
    assert lip_sync(0.1 * wave, 3 * wave + 1) == pytest.approx(0, abs=1e-9)
    assert lip_sync(0.1 * (1 - wave), wave) == pytest.approx(2 / np.pi, abs=0.01)


def test_lip_dynamics_is_the_deviation_of_distances() -> None:
    points = face(200)
    assert lip_dynamics(points) == pytest.approx(0, abs=1e-12)
    wave = 5 * np.sin(np.linspace(0, 20 * np.pi, 200, endpoint=False))
    points[:, MOUTH, 0] += wave[:, None]
    assert lip_dynamics(points) == pytest.approx(0, abs=1e-9)  # a mouth that moves as a whole changes no distance
    points[:, 48, 0] -= 2 * wave
    expected = 2 / 20 * 10 * np.sqrt(0.5) / 100  # one point of 20 is in a tenth of the pairs; most lie along its way
    assert lip_dynamics(points) == pytest.approx(expected, rel=0.15)


def test_brows_are_their_change_per_frame_over_the_eyes_distance() -> None:
    points = face(100)
    assert brows(points) == pytest.approx(0, abs=1e-12)
    eyes = np.linalg.norm(points[0, 42:48].mean(0) - points[0, 36:42].mean(0))
    points[1::2, RIGHT_BROW[0] : LEFT_BROW[-1] + 1, 1] -= 0.02 * eyes
    assert brows(points) == pytest.approx(0.02, rel=0.05)
    points[10] = np.nan
    assert brows(points) == pytest.approx(0.02, rel=0.05)
