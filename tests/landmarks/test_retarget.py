import numpy as np
import pytest

from talkface.landmarks.layout import mouth_opening
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.retarget import Retargeter, close_mouth, lip_gap, uncross_lips
from talkface.landmarks.smooth import hanning, smooth_landmarks


def open_mouth(face: np.ndarray, gap: float) -> np.ndarray:
    opened = face.copy()
    opened[[65, 66, 67], 1] += gap
    opened[55:60, 1] += gap
    opened[5:12, 1] += 0.6 * gap
    return opened


@pytest.fixture
def closed_photo() -> np.ndarray:
    face = close_mouth(MEAN_FACE)
    return (200 * face + [300, 260]).astype(np.float32)


def test_no_motion_on_a_closed_mouth_changes_nothing(closed_photo):
    still = Retargeter(closed_photo)(np.zeros((4, 68, 2)))
    np.testing.assert_allclose(still, np.repeat(closed_photo[None], 4, 0), atol=0.5)


def test_two_photos_keep_two_identities_under_one_motion(closed_photo):
    other = close_mouth(MEAN_FACE * [1.1, 0.9])
    motion = np.zeros((5, 68, 2), np.float32)
    motion[:, 65:68, 1] = np.linspace(0, 0.2, 5)[:, None]
    first, second = (Retargeter(photo)(motion) for photo in (closed_photo, (200 * other + [300, 260])))
    apart = np.linalg.norm(first - second, axis=-1).mean(1)
    assert apart.min() > 5 and np.ptp(apart) < 1, "as far apart in every frame as the two people are"


def test_an_open_photo_closes_on_closed_sounds(closed_photo):
    smiling = open_mouth(closed_photo, 50.0)
    closed = Retargeter(smiling)(np.zeros((1, 68, 2)))
    assert mouth_opening(smiling) > 0.2
    assert mouth_opening(closed)[0] < 0.02
    assert closed[0, 8, 1] < smiling[8, 1]  # the chin follows


def test_a_broad_smile_is_relaxed_in_part():
    smile = MEAN_FACE.copy()
    smile[48:, 0] *= 1.5
    relaxed = close_mouth(smile)
    assert MEAN_FACE[54, 0] < relaxed[54, 0] < smile[54, 0]


def test_displacement_is_kept_and_scales(closed_photo):
    motion = np.zeros((2, 68, 2))
    motion[:, 66, 1] = 0.1
    once = mouth_opening(Retargeter(closed_photo)(motion))
    twice = mouth_opening(Retargeter(closed_photo)(motion, expression_scale=2.0))
    closed = mouth_opening(Retargeter(closed_photo)(0 * motion))
    np.testing.assert_allclose(twice - closed, 2 * (once - closed), rtol=0.02)
    np.testing.assert_allclose(once - closed, 0.1, rtol=0.15)


def test_two_photos_keep_two_identities(closed_photo):
    wide = closed_photo.copy()
    wide[:, 0] = (wide[:, 0] - 300) * 1.2 + 300
    motion = np.random.default_rng(0).normal(0, 0.01, (3, 68, 2))
    first, second = Retargeter(closed_photo)(motion), Retargeter(wide)(motion)
    assert np.abs(first - second).max() > 5


def test_crossed_lips_meet_and_others_stay():
    face = np.repeat(MEAN_FACE[None], 2, 0)
    face[1, 66, 1] = face[1, 62, 1] - 0.05
    fixed = uncross_lips(face)
    assert (lip_gap(fixed) >= 0).all()
    np.testing.assert_array_equal(fixed[0], face[0])


def test_smoothing_keeps_the_mean_and_follows_lips_faster():
    points = np.repeat(MEAN_FACE[None], 40, 0).astype(np.float32)
    points[20] += 0.1
    smooth = smooth_landmarks(points)
    np.testing.assert_allclose(smooth.mean(0), points.mean(0), atol=1e-5)
    assert smooth[20, 66, 1] - points[0, 66, 1] > smooth[20, 8, 1] - points[0, 8, 1] > 0
    np.testing.assert_array_equal(hanning(points, 1), points)
