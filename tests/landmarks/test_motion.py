from fractions import Fraction

import numpy as np
import pytest
from scipy.ndimage import convolve1d, gaussian_filter1d
from scipy.signal import find_peaks, lfilter

from talkface.landmarks.layout import LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.motion import (
    MOTION,
    blink_track,
    close_eyes,
    follow_gaze,
    head_motion,
    held_brows,
    low_pass,
    peaks,
    raise_brows,
    scale_mouth,
    smooth_activity,
)
from talkface.landmarks.smooth import binomial, hanning

FPS = Fraction(25)


def beats(num_frames: int) -> np.ndarray:
    onset = np.zeros(num_frames)
    onset[::8] = 1.0
    return onset


def test_blinks_come_at_human_intervals_and_durations():
    closure = blink_track(25 * 600, FPS, np.random.default_rng(0))
    shut = closure > 0.5
    starts = np.flatnonzero(shut[1:] & ~shut[:-1])
    ends = np.flatnonzero(~shut[1:] & shut[:-1])
    assert 8 < len(starts) / 10 < 30  # per minute
    assert np.diff(starts).min() / 25 > 1.0
    assert 0.08 <= (ends - starts).mean() / 25 <= 0.4
    assert closure.max() <= 1 and closure.min() == 0


def test_same_seed_gives_the_same_blinks_at_any_length():
    short = blink_track(200, FPS, np.random.default_rng(3))
    long = blink_track(2000, FPS, np.random.default_rng(3))
    np.testing.assert_array_equal(short[:190], long[:190])


def test_closing_eyes_moves_lids_only_and_meets_them():
    face = np.repeat(MEAN_FACE[None], 3, 0).astype(np.float32)
    closed = close_eyes(face, np.array([0.0, 0.5, 1.0]))
    np.testing.assert_array_equal(closed[0], face[0])
    for eye in (RIGHT_EYE, LEFT_EYE):
        upper, lower = eye[[1, 2]], eye[[5, 4]]
        before = face[0, lower, 1] - face[0, upper, 1]
        after = closed[2, lower, 1] - closed[2, upper, 1]
        assert (after >= 0).all() and (after < 0.1 * before).all()
    others = np.setdiff1d(np.arange(68), [37, 38, 40, 41, 43, 44, 46, 47])
    np.testing.assert_array_equal(closed[2, others], face[0, others])


def test_head_motion_is_small_smooth_and_fades_in_silence():
    onset = np.concatenate([beats(500), np.zeros(500)])
    activity = np.concatenate([np.ones(500), np.zeros(500)])
    pose = head_motion(onset, activity, FPS, np.random.default_rng(0))
    degrees = np.degrees(pose.rotation)
    assert 0.3 < degrees[50:500].std() < 4
    assert np.abs(degrees).max() < 12
    assert np.abs(np.diff(degrees, axis=0)).max() < 1.5  # per frame
    assert degrees[600:].std() < 0.5 * degrees[50:500].std()
    np.testing.assert_allclose(pose.rotation[0], 0, atol=1e-6)


def test_amount_scales_head_motion_and_zero_is_still():
    onset, activity = beats(100), np.ones(100)
    full = head_motion(onset, activity, FPS, np.random.default_rng(5))
    half = head_motion(onset, activity, FPS, np.random.default_rng(5), amount=0.5)
    none = head_motion(onset, activity, FPS, np.random.default_rng(5), amount=0.0)
    np.testing.assert_allclose(half.rotation, 0.5 * full.rotation, rtol=1e-5)
    assert not none.rotation.any() and not none.translation.any()


def test_nods_follow_syllables():
    onset = np.zeros(100)
    onset[50] = 1.0
    calm = head_motion(np.zeros(100), np.ones(100), FPS, np.random.default_rng(5))
    nodding = head_motion(onset, np.ones(100), FPS, np.random.default_rng(5))
    pitch = calm.rotation[:, 0] - nodding.rotation[:, 0]  # downwards
    assert np.abs(pitch[:50]).max() < 1e-6
    assert 51 <= pitch.argmax() <= 60 and pitch.max() > 0.002


def test_the_rhythmic_profile_shuts_the_lids_as_published_every_10_to_40_frames():
    closure = blink_track(25 * 120, FPS, np.random.default_rng(1), profile="rhythmic")
    shut = np.flatnonzero(np.isclose(closure, min(0.95 / MOTION.full_closure, 1), atol=1e-4))
    gaps = np.diff(shut)
    assert gaps.min() >= 10 and gaps.max() <= 40 and len(set(gaps)) > 15
    for offset, share in ((-2, 0.45), (-1, 0.85), (1, 0.85), (2, 0.45), (3, 0.0)):
        np.testing.assert_allclose(closure[shut[:-1] + offset], share / MOTION.full_closure, atol=1e-4)
    twice = blink_track(50 * 120, Fraction(50), np.random.default_rng(1), profile="rhythmic")
    np.testing.assert_allclose(twice[::2], closure, atol=1e-5)


@pytest.mark.parametrize("fps", [5, 25, 60])
def test_a_video_opens_on_open_eyes(fps: int):
    for seed in range(20):
        shut = np.flatnonzero(blink_track(8 * fps, Fraction(fps), np.random.default_rng(seed)))
        assert len(shut) and shut[0] > 3 and shut[0] / fps >= 0.8


def test_a_lid_falls_faster_than_it_rises():
    closure = blink_track(25 * 300, FPS, np.random.default_rng(0))
    inside = np.concatenate([[0], (closure > 0).astype(int), [0]])
    for start, stop in np.flatnonzero(np.diff(inside)).reshape(-1, 2)[:-1]:
        full = np.flatnonzero(closure[start:stop] > 0.97)
        assert 1 <= full[0] <= 3 and 3 <= stop - start - full[-1] <= 6


def test_brows_rise_on_some_emphatic_syllables_and_never_in_silence():
    onset, activity = np.tile([0, 0, 0, 1.0, 0, 0, 0, 0.3] * 2, 100), np.ones(1600)
    onset[800:], activity[800:] = 0, 0
    moved = raise_brows(onset, activity, FPS, np.random.default_rng(0))
    brows = np.concatenate([RIGHT_BROW, LEFT_BROW])
    assert not np.delete(moved, brows, axis=1).any()
    assert (moved[..., 1] <= 0).all() and not moved[..., 0].any()
    assert 0.003 < moved[:800, 19, 1].std() < 0.025 and -0.072 < moved.min() < -0.045
    assert np.abs(np.diff(moved[:, 19, 1])).max() < 0.025
    assert not moved[815:].any()
    weak = raise_brows(np.minimum(onset, 0.5), activity, FPS, np.random.default_rng(0))
    assert not weak.any()


def test_filters_and_peaks_are_scipys():
    values = np.repeat(np.random.default_rng(0).random(60), [1, 2, 3] * 20)
    keep = np.exp(-1 / 7)
    np.testing.assert_allclose(low_pass(values, 7), lfilter([1 - keep], [1, -keep], values), atol=1e-14)
    np.testing.assert_allclose(smooth_activity(values, FPS), gaussian_filter1d(values, 2.0, mode="nearest"), atol=1e-14)
    np.testing.assert_array_equal(peaks(values, 0.6), find_peaks(np.pad(values, 1), height=0.6)[0] - 1)
    window = np.hanning(9)[1:-1]
    theirs = convolve1d(values, window / window.sum(), mode="nearest")
    np.testing.assert_allclose(hanning(values, 7), theirs, atol=1e-14)
    np.testing.assert_allclose(hanning(values[:2], 7), convolve1d(values[:2], window / window.sum(), mode="nearest"))


@pytest.mark.parametrize("values", [[], [0.0], [0.9], [0.9, 0.9], [0.1, 0.9, 0.9, 0.9, 0.2]])
def test_peaks_of_short_tracks_are_scipys(values: list[float]):
    np.testing.assert_array_equal(peaks(np.array(values), 0.6), find_peaks(np.pad(values, 1), height=0.6)[0] - 1)


def test_blinks_come_as_often_as_asked():
    def count(pace: float) -> int:
        closure = blink_track(25 * 120, Fraction(25), np.random.default_rng(0), pace=pace)
        return int(((closure[1:] > 0.5) & (closure[:-1] <= 0.5)).sum())

    assert count(2.0) == pytest.approx(2 * count(1.0), rel=0.15) and count(0.5) == pytest.approx(
        0.5 * count(1.0), rel=0.2
    )


def test_brows_are_held_and_nothing_else_moves():
    moved = held_brows(1.0)
    brows = np.concatenate([RIGHT_BROW, LEFT_BROW])
    assert (moved[brows, 1] < -0.04).all() and not np.delete(moved, brows, 0).any() and not moved[:, 0].any()
    np.testing.assert_array_equal(held_brows(-1.0), -moved)


def test_each_gain_of_the_mouth_scales_its_own_direction():
    motion = np.random.default_rng(0).standard_normal((3, 68, 2)).astype(np.float32)
    np.testing.assert_array_equal(scale_mouth(motion, 1, 1), motion)
    opened, wide = scale_mouth(motion, 0.5, 1), scale_mouth(motion, 1, 2)
    np.testing.assert_allclose(opened[:, 48:, 1], 0.5 * motion[:, 48:, 1])
    np.testing.assert_array_equal(opened[..., 0], motion[..., 0])
    np.testing.assert_allclose(wide[:, 48:, 0], 2 * motion[:, 48:, 0])
    np.testing.assert_array_equal(wide[..., 1], motion[..., 1])
    np.testing.assert_array_equal(wide[:, 17:48], motion[:, 17:48])


def test_lids_follow_eyes_up_and_down_and_still_shut() -> None:
    blink = np.array([0.0, 0.5, 1.0])
    np.testing.assert_allclose(follow_gaze(blink, 0.0), blink)
    down, up = follow_gaze(blink, -1.0), follow_gaze(blink, 1.0)
    assert (np.diff(down) > 0).all() and down[0] > 0.15 and down[-1] == 1 == up[-1]
    assert up[0] < 0
    points = np.repeat(MEAN_FACE[None].astype(np.float64), 3, 0)
    gaps = [np.ptp(close_eyes(points, closure)[0, 36:42, 1]) for closure in (down, blink, up)]
    assert gaps[0] < 0.85 * gaps[1] < gaps[1] < gaps[2] < 1.2 * gaps[1]


def test_binomial_keeps_a_straight_line_and_takes_jitter_out():
    line = np.arange(6.0)[:, None, None] * np.ones((6, 68, 2))
    np.testing.assert_allclose(binomial(line)[1:-1], line[1:-1])
    np.testing.assert_allclose(binomial(line + np.resize([1.0, -1.0], 6)[:, None, None])[1:-1], line[1:-1])
    assert np.array_equal(binomial(np.array([0.0, 4.0, 8.0])), [1, 4, 7])
