"""Rotations: scipy as oracle, at every kind of angle."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from talkface.geometry.affine import angle_between, rotation_matrices, rotation_vectors


def vectors() -> np.ndarray:
    """Random axes with angles of 0, tiny ones, ordinary ones and nearly half turns; and exact turns about each axis."""
    rng = np.random.default_rng(0)
    axes = rng.standard_normal((70, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = np.repeat([0.0, 1e-12, 1e-4, 0.999e-3, 1.001e-3, 0.5, np.pi - 1e-6], 10)
    return np.concatenate([axes * angles[:, None], np.eye(3) * np.pi / 2, np.eye(3) * 3.0, -3.0 * np.eye(3)])


def test_matrices_are_scipys() -> None:
    np.testing.assert_allclose(rotation_matrices(vectors()), Rotation.from_rotvec(vectors()).as_matrix(), atol=1e-14)


def test_vectors_are_scipys() -> None:
    matrices = Rotation.from_rotvec(vectors()).as_matrix()
    np.testing.assert_allclose(rotation_vectors(matrices), Rotation.from_matrix(matrices).as_rotvec(), atol=1e-9)
    np.testing.assert_allclose(rotation_vectors(matrices), vectors(), atol=1e-9)


def test_the_angle_between_two_is_scipys() -> None:
    first, second = vectors(), vectors()[::-1]
    turn = Rotation.from_rotvec(first).inv() * Rotation.from_rotvec(second)
    np.testing.assert_allclose(angle_between(first, second), turn.magnitude(), atol=1e-12)
    np.testing.assert_allclose(angle_between(first, first), 0, atol=1e-7)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 5, 3)])
def test_any_leading_shape(shape: tuple[int, ...]) -> None:
    matrices = rotation_matrices(np.full(shape, 0.1))
    assert matrices.shape == (*shape, 3)
    np.testing.assert_allclose(rotation_vectors(matrices), np.full(shape, 0.1))
