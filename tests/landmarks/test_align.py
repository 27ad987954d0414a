import numpy as np
import pytest
from scipy.spatial import procrustes

from talkface.geometry.affine import fit_similarity, invert, transform
from talkface.landmarks.layout import FLIP, STABLE, interocular
from talkface.landmarks.mean_face import MEAN_FACE, from_canonical, to_canonical


@pytest.fixture
def faces() -> np.ndarray:
    """Five different faces, turned, scaled and shifted in the picture."""
    rng = np.random.default_rng(0)
    shapes = MEAN_FACE + 0.03 * rng.standard_normal((5, 68, 2))
    angle, scale = rng.uniform(-0.6, 0.6, 5), rng.uniform(40, 900, 5)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(5, 2, 2)
    moved = (scale[:, None, None] * shapes) @ turn.transpose(0, 2, 1) + rng.uniform(0, 2000, (5, 1, 2))
    return moved.astype(np.float32)


def test_round_trip_is_the_identity(faces):
    canonical, matrices = to_canonical(faces)
    np.testing.assert_allclose(from_canonical(canonical, matrices), faces, atol=1e-3)


def test_two_people_stay_two_people(faces):
    canonical, _ = to_canonical(faces)
    assert np.abs(canonical[0] - canonical[1]).max() > 0.02


def test_canonical_faces_are_upright_unit_sized_and_centred(faces):
    canonical, _ = to_canonical(faces)
    np.testing.assert_allclose(interocular(canonical), 1, atol=0.1)
    centre = np.broadcast_to(MEAN_FACE[STABLE].mean(0), (5, 2))
    np.testing.assert_allclose(canonical[:, STABLE].mean(1), centre, atol=1e-5)


def test_canonical_does_not_depend_on_where_the_face_is(faces):
    first, _ = to_canonical(faces)
    second, _ = to_canonical(faces * 2.5 + 300)
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_fit_agrees_with_scipy_procrustes(faces):
    matrix = fit_similarity(faces[0], MEAN_FACE)
    ours = ((transform(matrix, faces[0]) - MEAN_FACE) ** 2).sum()
    _, _, disparity = procrustes(MEAN_FACE, faces[0])
    assert ours == pytest.approx(disparity * ((MEAN_FACE - MEAN_FACE.mean(0)) ** 2).sum(), rel=1e-6)


def test_inverse_undoes_the_matrix(faces):
    matrix = fit_similarity(faces, MEAN_FACE)
    np.testing.assert_allclose(transform(invert(matrix), transform(matrix, faces)), faces, rtol=1e-6)


def test_mean_face_is_symmetric_with_unit_eyes():
    np.testing.assert_allclose(MEAN_FACE[FLIP] * [-1, 1], MEAN_FACE, atol=2e-4)
    assert MEAN_FACE[45, 0] - MEAN_FACE[36, 0] == pytest.approx(1, abs=1e-3)


def test_points_of_no_weight_are_not_heard(faces):
    matrix = np.array([[1.2, -0.3, 10.0], [0.3, 1.2, -4.0]])
    target = transform(matrix, faces[0])
    target[20:] += 50
    weights = np.zeros(68)
    weights[:20] = 2.0
    np.testing.assert_allclose(fit_similarity(faces[0], target, weights), matrix, atol=1e-3)
    assert np.abs(fit_similarity(faces[0], target) - matrix).max() > 0.01
