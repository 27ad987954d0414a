"""ATVGnet's landmark normalisation, against scipy's Procrustes and the published demo's steps."""

import numpy as np
import pytest
from scipy.spatial import procrustes

from talkface.data.interop.atvgnet_shapes import AtvgnetShapes, read_atvgnet_shapes
from talkface.errors import CheckpointError
from talkface.landmarks.mean_face import MEAN_FACE


@pytest.fixture
def shapes() -> AtvgnetShapes:
    rng = np.random.default_rng(0)
    rows = np.linalg.qr(rng.standard_normal((136, 100)))[0].T
    return AtvgnetShapes(80 * MEAN_FACE + 64, 0.1 * MEAN_FACE + 0.001 * rng.standard_normal((68, 2)), rows)


def faces(count: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    turned = MEAN_FACE @ np.array([[0.9, 0.3], [-0.3, 0.9]])
    return 70 * (turned + 0.02 * rng.standard_normal((count, 68, 2))) + 100


def by_the_demo(shapes: AtvgnetShapes, points: np.ndarray) -> np.ndarray:
    """Reference of the demo's processing of a clip whose last frame is the photo."""
    rows, mean = shapes.directions, shapes.mean_norm.reshape(-1)
    mouth = np.zeros(100)
    mouth[1] = -0.06
    opened = mean.copy()
    opened[96:] += (mouth @ rows)[96:]
    opening = rows @ (opened - mean)
    laid = [procrustes(shapes.mean_image, face)[:2] for face in points]
    parameters = [rows @ (own - standard).reshape(-1) for standard, own in laid]
    return np.stack([5 * ((parameter - parameters[-1] - opening) @ rows + mean) for parameter in parameters])


def test_it_is_the_published_demo_s(shapes):
    points = faces(4)
    ours = shapes.relative(points, points[-1]).reshape(4, -1)
    np.testing.assert_allclose(ours, by_the_demo(shapes, points), atol=1e-6)


def test_a_photo_becomes_the_constant_example_and_its_motion_stays(shapes):
    points = faces(3)
    for face in points:
        np.testing.assert_allclose(shapes.relative(face[None], face)[0], shapes.example(), atol=1e-6)
    wide = 2 * points[:1] + 30  # size and place do not matter
    np.testing.assert_allclose(shapes.relative(wide, points[1]), shapes.relative(points[:1], points[1]), atol=1e-6)
    moved = points[0].copy()
    moved[57, 1] += 5
    assert np.abs(shapes.relative(moved[None], points[0]) - shapes.example()).max() > 0.01


def test_arrays_that_are_missing_or_of_another_shape_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"no file .*mean_shape_img\.npy"):
        read_atvgnet_shapes(tmp_path)
    for name in ("mean_shape_img.npy", "mean_shape_norm.npy", "S.npy"):
        np.save(tmp_path / name, np.zeros((3, 4)))
    with pytest.raises(CheckpointError, match=r"mean_shape_img\.npy has shape \[3, 4\]"):
        read_atvgnet_shapes(tmp_path)
