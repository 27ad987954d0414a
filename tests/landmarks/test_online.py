"""Landmarks one by one: steady when still, quick when moving, calm when lost."""

import numpy as np
import pytest

from talkface.landmarks.layout import MOUTH
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.online import HOLD_S, ONLINE, DriverLearner, MissingDriver, OneEuroFilter
from talkface.landmarks.retarget import close_lips

FPS = 25


@pytest.fixture
def face() -> np.ndarray:
    return (100 * MEAN_FACE + 300).astype(np.float32)


def test_jitter_shrinks_and_a_jump_arrives(face):
    noise = np.random.default_rng(0).normal(0, 0.5, (100, 68, 2))
    steady = OneEuroFilter(FPS)
    made = np.stack([steady(face + each) for each in noise])
    rest = np.setdiff1d(np.arange(68), MOUTH)
    assert made[20:, rest].std(0).mean() < 0.6 * noise[20:, rest].std(0).mean()
    jumped = [steady(face + np.float32(40)) for _ in range(4)]
    assert np.abs(jumped[-1] - (face + 40)).max() < 4


def test_a_reset_forgets(face):
    steady = OneEuroFilter(FPS)
    steady(face)
    steady.reset()
    np.testing.assert_array_equal(steady(face + 50), face + 50)


def test_a_lost_face_holds_fades_to_rest_and_eases_back(face):
    keep = MissingDriver(face, FPS)
    moved = face + np.float32(10)
    np.testing.assert_allclose(keep(moved), moved)
    lost = np.stack([keep(None) for _ in range(round((HOLD_S + ONLINE.fade_s) * FPS) + 2)])
    np.testing.assert_allclose(lost[: int(HOLD_S * FPS)], np.broadcast_to(moved, (int(HOLD_S * FPS), 68, 2)))
    np.testing.assert_allclose(lost[-1], face)
    back = np.stack([keep(moved) for _ in range(8)])
    np.testing.assert_allclose(back[-1], moved)
    steps = np.abs(np.diff(np.concatenate([lost, back]), axis=0)).max((1, 2))
    assert steps.max() < 4  # of 10 pixels: nothing jumps
    assert keep.missing == len(lost)


def test_before_the_first_face_there_is_rest(face):
    keep = MissingDriver(face, FPS)
    np.testing.assert_array_equal(keep(None), face)


def test_a_learnt_face_comes_near_the_true_one_without_a_jump(face):
    learner = DriverLearner()
    opened = face.copy()
    opened[[55, 56, 57, 58, 59, 65, 66, 67, 7, 8, 9], 1] += 12
    neutrals = [learner(opened if index < 15 else face).neutral for index in range(80)]
    steps = np.abs(np.diff(np.stack(neutrals), axis=0)).max((1, 2))
    assert steps.max() < 0.03
    chin = [neutral[8, 1] for neutral in neutrals]
    assert abs(chin[-1] - close_lips(MEAN_FACE)[8, 1]) < 0.3 * abs(opened[8, 1] - face[8, 1]) / 100
