"""Mouth scores against constructed truth: a shift by k is lag k, identical is 1 and 0."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("accelerate")

from talkface.landmarks.layout import MOUTH
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.pose import mean_face_3d
from talkface.metrics.lag import best_lag, pearson, pearson_at_lag
from talkface.metrics.landmark import (
    closed_frame,
    f_lmd,
    lip_distance_series,
    lmd,
    lmd_normalised,
    lvd,
    most_open_frames,
    opening_series,
    percentile_ratio,
    rounding_series,
    std_ratio,
    width_series,
)
from talkface.training.jobs.offsets import OffsetConfig, estimate_lags
from talkface.training.jobs.opening_scores import score_openings


def face_with_opening(openings: np.ndarray, scale: float = 100.0) -> np.ndarray:
    """Mean face whose inner lips are exactly `openings` outer-eye distances apart, `[T, 68, 2]`, in pixels."""
    points = np.repeat(np.asarray(MEAN_FACE, np.float64)[None], len(openings), 0)
    points[:, 62] = points[:, 66] = points[:, [62, 66]].mean(1)
    points[:, 66, 1] += openings
    return points * scale + 200.0


@pytest.fixture
def series() -> np.ndarray:
    """A smooth random opening, `[200]`."""
    rng = np.random.default_rng(3)
    return 0.1 + 0.03 * np.convolve(rng.standard_normal(210), np.ones(11) / 11, "valid")


def test_opening_is_the_constructed_one_at_any_scale(series: np.ndarray):
    for scale in (30.0, 400.0):
        np.testing.assert_allclose(opening_series(face_with_opening(series, scale)), series, rtol=1e-9)


def test_identical_series_correlate_fully(series: np.ndarray):
    assert pearson(series, series) == pytest.approx(1.0)
    assert pearson(series, -2 * series + 5) == pytest.approx(-1.0)
    assert std_ratio(series, series) == pytest.approx(1.0)


def test_pearson_equals_numpy(series: np.ndarray):
    other = series + 0.02 * np.random.default_rng(0).standard_normal(len(series))
    assert pearson(series, other) == pytest.approx(np.corrcoef(series, other)[0, 1])


@pytest.mark.parametrize("shift", [-4, -2, -1, 0, 1, 2, 4])
def test_a_shift_by_k_frames_is_lag_k(series: np.ndarray, shift: int):
    real = series[10:-10]
    late = series[10 - shift : len(series) - 10 - shift]  # late[t + shift] == real[t]
    found = best_lag(late, real, max_lag=5)
    assert (found.lag, found.r) == (shift, pytest.approx(1.0))
    assert pearson_at_lag(late, real, shift) == pytest.approx(1.0)


def test_a_still_mouth_follows_nothing(series: np.ndarray):
    still = np.full_like(series, 0.05)
    assert pearson(still, series) == 0.0
    assert best_lag(still, series).lag == 0
    assert std_ratio(still, series) == pytest.approx(0.0)


def test_faceless_frames_are_left_out(series: np.ndarray):
    holes = series.copy()
    holes[::7] = np.nan
    assert pearson(holes, series) == pytest.approx(1.0)
    assert best_lag(holes, series).lag == 0
    assert np.isnan(pearson(np.full_like(series, np.nan), series))


def test_percentile_ratio_compares_how_far_mouths_open():
    real = np.linspace(0, 0.2, 101)
    assert percentile_ratio(0.5 * real, real, 95) == pytest.approx(0.5)
    made = np.append(0.5 * real, np.nan)
    assert percentile_ratio(made, real, 95) == pytest.approx(0.5)
    assert np.isnan(percentile_ratio(made[:4], real, 95))


def test_std_ratio_counts_amplitude(series: np.ndarray):
    assert std_ratio(0.5 * series + 1, series) == pytest.approx(0.5)


def test_lmd_of_identical_and_of_moved_faces_is_zero(series: np.ndarray):
    face = face_with_opening(series)
    moved = face + np.array([13.0, -5.0])
    for score in (
        lmd(face, face),
        lmd(moved, face),
        lmd(moved, face, "sum"),
        lmd_normalised(moved, face),
        f_lmd(moved, face),
    ):
        assert score == pytest.approx(0.0, abs=1e-9)


def test_velocity_difference_by_hand(series: np.ndarray):
    face = face_with_opening(series)
    drifting = face + 3.0 * np.arange(len(face))[:, None, None] * np.array([1.0, 0.0])
    assert lvd(face + 7.0, face) == pytest.approx(0.0, abs=1e-9)  # a shift has no speed
    assert lvd(drifting, face) == pytest.approx(3.0)  # and is not centred away where it grows
    missing = drifting.copy()
    missing[5] = np.nan
    assert lvd(missing, face) == pytest.approx(3.0)


def test_lip_distance_is_the_gap_whatever_the_heads_size_and_nod():
    gaps = np.linspace(0.0, 0.12, 9)
    head = np.repeat(mean_face_3d()[None], 9, 0)
    between = head[:, 66, 1] - head[:, 62, 1]
    head[:, 66, 1] += gaps - between
    for nod, scale in ((0.0, 50.0), (0.35, 50.0), (0.0, 210.0), (-0.3, 120.0)):
        turn = Rotation.from_euler("x", nod).as_matrix()
        seen = scale * (head @ turn.T)[..., :2] + [300.0, 200.0]
        np.testing.assert_allclose(lip_distance_series(seen), gaps, atol=0.004)
    flat = np.linalg.norm(seen[:, 66] - seen[:, 62], axis=-1) / scale
    assert flat[-1] < 0.97 * gaps[-1]  # what the picture shows is shorter
    seen[2] = np.nan
    assert np.isnan(lip_distance_series(seen)).tolist() == [index == 2 for index in range(9)]


def test_lmd_conventions_by_hand(series: np.ndarray):
    face = face_with_opening(series)
    changed = face.copy()
    changed[:, MOUTH[:10], 0] += 4.0  # centring leaves every mouth point 2 pixels off
    assert lmd(changed, face) == pytest.approx(2.0)
    assert lmd(changed, face, "sum") == pytest.approx(40.0)
    assert lmd_normalised(changed, face) == pytest.approx(2.0 / 100.0)


def test_most_open_frames_are_the_most_open():
    openings = np.array([0.0, 5.0, np.nan, 1.0, 4.0, 3.0])
    assert most_open_frames(openings, share=0.2, at_least=2).tolist() == [1, 4]


def test_closed_frame_is_the_typical_one_of_the_closed():
    openings = np.linspace(0.3, 0.0, 40)
    face = face_with_opening(openings)
    face[[36, 38, 39]] += 20.0  # these have moved away; 37 has not
    assert closed_frame(face) == 37
    with pytest.raises(ValueError, match="no frame"):
        closed_frame(np.full((3, 68, 2), np.nan))


def test_width_and_rounding_are_free_of_size_and_place():
    points = np.repeat(MEAN_FACE[None].astype(np.float64), 3, 0)
    points[1, 48, 0] -= 0.05
    points[1, 54, 0] += 0.05  # 0.1 wider
    points[2, 57, 1] += 0.06  # a thicker lower lip
    width, rounding = width_series(points), rounding_series(points)
    assert width[1] - width[0] == pytest.approx(0.1, rel=0.05) and width[2] == pytest.approx(width[0])
    assert rounding[1] < rounding[0] < rounding[2]
    assert rounding[2] - rounding[0] == pytest.approx(0.06 / width[0], rel=0.02)
    np.testing.assert_allclose(width_series(7 * points + 90), width)
    np.testing.assert_allclose(rounding_series(7 * points + 90), rounding)


@pytest.mark.parametrize("late", [-3, 0, 2])
def test_training_and_tables_count_a_late_prediction_alike(series: np.ndarray, late: int):
    real = series[10:-10]
    prediction = series[10 - late : len(series) - 10 - late]
    assert best_lag(prediction, real, max_lag=3).lag == late
    if abs(late) <= 2:
        assert score_openings([("ada", prediction, real)])["lag"] == late
    clip = [("ada_1", "ada", prediction, real)]
    assert estimate_lags(clip, OffsetConfig())["ada_1"] == pytest.approx(-late, abs=0.5)
