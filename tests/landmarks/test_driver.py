"""Two drawn people with one motion: what is carried over is the motion, and nothing of the driver's shape."""

import numpy as np
import pytest

from talkface.landmarks.driver import fit_driver, follow_motion
from talkface.landmarks.layout import JAW, LEFT_EYE, MOUTH, RIGHT_EYE, interocular
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.motion import close_eyes
from talkface.landmarks.pose import move_head
from talkface.landmarks.retarget import Retargeter, close_lips
from talkface.types import HeadPose

FRAMES = 60
NO_EYES = np.setdiff1d(np.arange(68), [*RIGHT_EYE, *LEFT_EYE])


def person(width: float, jaw: float) -> np.ndarray:
    """Canonical closed-mouth face with a wider face and a longer chin than the mean's."""
    face = close_lips(MEAN_FACE)
    face[JAW, 0] *= width
    face[JAW, 1] += jaw * np.sin(np.pi * np.arange(17) / 16) ** 2
    return face


def expression() -> np.ndarray:
    """`[T, 68, 2]` a mouth that opens and shuts, at rest half of the time."""
    amount = np.maximum(np.sin(np.arange(FRAMES) * 2 * np.pi / 15), 0)
    motion = np.zeros((FRAMES, 68, 2))
    motion[:, [55, 56, 57, 58, 59, 65, 66, 67], 1] = 0.16 * amount[:, None]
    motion[:, [6, 7, 8, 9, 10], 1] = 0.12 * amount[:, None]
    return motion


def head() -> HeadPose:
    """Nods and turns of up to a tenth of a radian; at rest in the first third."""
    phase = np.clip(np.arange(FRAMES) - FRAMES // 3, 0, None) * 2 * np.pi / 20
    rotation = np.stack([0.06 * np.sin(phase), 0.1 * np.sin(1.5 * phase), 0.08 * np.sin(0.7 * phase)], 1)
    return HeadPose(rotation, np.stack([0.04 * np.sin(phase), 0 * phase], 1))


@pytest.fixture
def driver() -> np.ndarray:
    faces = move_head(person(1.1, 0.15) + expression(), head())
    return (140 * faces + [400, 300]).astype(np.float32)


def test_another_face_does_the_same_and_keeps_its_shape(driver):
    photo = (90 * person(0.9, -0.08) + [200, 180]).astype(np.float32)
    made = follow_motion(Retargeter(photo), fit_driver(driver).motion(driver))
    wanted = 90 * move_head(person(0.9, -0.08) + expression(), head()) + [200, 180]
    error = np.linalg.norm(made - wanted, axis=-1)[:, NO_EYES] / 90
    assert error.mean() < 0.02 and error[:, MOUTH - 12].mean() < 0.03
    own = np.linalg.norm(photo - (90 * MEAN_FACE + [200, 180]), axis=-1)[JAW].max() / 90
    assert own > 0.07  # the shapes differ by far more than the error


def test_the_drivers_own_photo_gives_the_drivers_landmarks_back(driver):
    made = follow_motion(Retargeter(driver[0]), fit_driver(driver).motion(driver))
    error = np.linalg.norm(made - driver, axis=-1)[:, NO_EYES] / interocular(driver)[:, None]
    assert error.mean() < 0.02


def test_size_and_place_of_the_driver_do_not_matter(driver):
    photo = (90 * person(0.9, 0) + [200, 180]).astype(np.float32)
    once = follow_motion(Retargeter(photo), fit_driver(driver).motion(driver))
    moved = 0.4 * driver + np.float32(37)
    again = follow_motion(Retargeter(photo), fit_driver(moved).motion(moved))
    np.testing.assert_allclose(once, again, atol=0.02)


def test_a_driver_who_only_turns_has_no_expression():
    still = (140 * move_head(np.repeat(person(1.1, 0.1)[None], FRAMES, 0), head()) + 300).astype(np.float32)
    motion = fit_driver(still).motion(still)
    assert np.abs(motion.displacement).max() < 0.03
    np.testing.assert_allclose(motion.pose.rotation, head().rotation, atol=0.03)


def test_each_eye_shuts_by_itself_whatever_the_drivers_eyes_are_like(driver):
    narrow = driver.copy()
    for eye in (RIGHT_EYE, LEFT_EYE):  # a driver with half-open eyes by nature
        narrow[:, eye] = close_eyes(driver, np.full(FRAMES, 0.4, np.float32))[:, eye]
    face = fit_driver(narrow)
    wink = narrow[:1].copy()
    wink[:, LEFT_EYE] = close_eyes(narrow[:1], np.ones(1, np.float32))[:, LEFT_EYE]
    closure = face.motion(np.concatenate([narrow[:1], wink])).closure
    np.testing.assert_allclose(closure, [[0, 0], [0, 1]], atol=0.05)
    photo = (90 * MEAN_FACE + 200).astype(np.float32)
    points = follow_motion(Retargeter(photo), face.motion(np.concatenate([narrow[:1], wink])))
    lids = points[:, [41, 46], 1] - points[:, [37, 44], 1]
    assert lids[1, 0] > 0.95 * lids[0, 0] and lids[1, 1] < 0.15 * lids[0, 1]


def test_turns_and_shifts_have_a_soft_end(driver):
    far = HeadPose(np.array([[0, 0.9, 0]]), np.array([[1.5, 0]]))
    wild = (140 * move_head(MEAN_FACE[None], far) + 400).astype(np.float32)
    motion = fit_driver(driver).motion(wild)
    assert 0.3 < motion.pose.rotation[0, 1] < 0.41 and abs(motion.pose.translation).max() <= 0.2


def test_factors_scale_motion_and_zero_is_the_face_at_rest(driver):
    retargeter = Retargeter((90 * person(0.9, 0) + 200).astype(np.float32))
    motion = fit_driver(driver).motion(driver)
    rest = follow_motion(retargeter, motion, expression_scale=0, head_motion=0)
    assert np.ptp(rest[:, NO_EYES], axis=0).max() < 1e-3
    assert np.ptp(follow_motion(retargeter, motion, head_motion=0)[:, [27, 30]], axis=0).max() < 0.15


def test_laying_on_keeps_the_drivers_shape(driver):
    photo = (90 * person(0.9, -0.1) + [200, 180]).astype(np.float32)
    laid = fit_driver(driver).laid_onto(driver, photo)
    ratio = interocular(laid) / interocular(driver)
    assert np.ptp(ratio) < 1e-3
    width = (laid[0, 16, 0] - laid[0, 0, 0]) / (photo[16, 0] - photo[0, 0])
    assert width > 1.15  # 1.1 / 0.9
