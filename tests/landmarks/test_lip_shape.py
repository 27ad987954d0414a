"""Predicted lips get the range of real ones about the closed mouth, and nothing else changes."""

import numpy as np
import pytest

from talkface.landmarks.lip_shape import LipRange, at_full_range, full_range, lip_measures
from talkface.landmarks.mean_face import MEAN_FACE


@pytest.fixture
def decoder() -> np.ndarray:
    shapes = np.random.default_rng(0).normal(0, 0.03, (8, 68, 2))
    shapes[:, 17:48] = 0
    return shapes.astype(np.float32)


@pytest.fixture
def coefficients() -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 1, (200, 8))
    return np.stack([np.convolve(column, np.ones(5) / 5, "same") for column in noise.T], 1).astype(np.float32)


def test_measures_are_the_growth_of_gap_width_and_lips() -> None:
    moved = np.zeros((68, 2))
    moved[[65, 66, 67, 56, 57, 58], 1] = 0.1  # the lower lip falls
    moved[48, 0], moved[54, 0] = -0.02, 0.03
    moved[51, 1] = -0.04
    np.testing.assert_allclose(lip_measures(moved), [0.1, 0.05, 0.04], atol=1e-12)
    both = lip_measures(np.stack([moved, MEAN_FACE, moved + MEAN_FACE]))
    np.testing.assert_allclose(both[0] + both[1], both[2])


def test_the_default_changes_nothing(decoder: np.ndarray, coefficients: np.ndarray) -> None:
    assert at_full_range(coefficients, decoder, LipRange()) is coefficients
    assert LipRange.from_array(LipRange().as_array()) == LipRange()


def test_measures_of_the_result_are_those_wanted(decoder: np.ndarray, coefficients: np.ndarray) -> None:
    lips = LipRange((1.4, 2.0, 0.5), 1.0, 0.015)
    before = lip_measures(np.tensordot(coefficients, decoder, 1))
    after = lip_measures(np.tensordot(at_full_range(coefficients, decoder, lips), decoder, 1))
    np.testing.assert_allclose(after, full_range(before, lips), atol=1e-5)
    np.testing.assert_allclose(after[:, 1], 2 * before[:, 1], atol=1e-5)


def test_a_nearly_closed_mouth_closes_and_an_open_one_keeps_its_distances() -> None:
    measures = np.zeros((5, 3))
    measures[:, 0] = [-0.02, 0.0, 0.005, 0.05, 0.15]
    made = full_range(measures, LipRange((2.0, 1.0, 1.0), closed_below=0.015))[:, 0]
    np.testing.assert_allclose(made[:3], 0, atol=1e-9)
    np.testing.assert_allclose(made[3:], [0.07, 0.27])
    grid = np.zeros((400, 3))
    grid[:, 0] = np.linspace(-0.01, 0.1, 400)
    steps = np.diff(full_range(grid, LipRange(closed_below=0.015))[:, 0])
    assert (steps >= -1e-9).all() and steps.max() < 1.01 * (grid[1, 0] - grid[0, 0])


def test_sharpening_deepens_a_dip_and_leaves_a_steady_mouth() -> None:
    measures = np.full((60, 3), 0.08)
    measures[29:32, 0] = 0.04
    made = full_range(measures, LipRange(sharpening=1.0))
    assert made[30, 0] < 0.025
    np.testing.assert_allclose(made[:15], measures[:15], atol=1e-4)
    np.testing.assert_allclose(made[:, 1:], measures[:, 1:])


def test_rest_stays_rest(decoder: np.ndarray) -> None:
    made = at_full_range(np.zeros((30, 8), np.float32), decoder, LipRange((1.5, 3, 1), 1.0, 0.015))
    np.testing.assert_allclose(made, 0, atol=1e-7)
