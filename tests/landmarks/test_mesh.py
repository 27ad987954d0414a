import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from talkface.landmarks.layout import FLIP
from talkface.landmarks.mesh import FaceMesh, complete, face_triangles
from talkface.landmarks.pose import mean_face_3d


def seen(angles, scale=200.0, place=(300.0, 260.0)) -> np.ndarray:
    """`[68, 2]` mean face turned by a rotation vector, as a camera far away sees it."""
    return scale * Rotation.from_rotvec(angles).apply(mean_face_3d())[:, :2] + place


@pytest.mark.parametrize("angles", [(0, 0, 0), (0.2, -0.4, 0.1), (0, 0.8, 0.6)])
def test_the_photos_own_pose_puts_each_vertex_back_onto_the_photo(angles):
    mesh = FaceMesh(seen(angles))
    np.testing.assert_allclose(mesh.places[:68], seen(angles), atol=1e-9)
    np.testing.assert_allclose(mesh.toward(seen(angles))[:, :2], mesh.places, atol=1e-9)


def test_a_known_turn_moves_all_vertices_where_the_projection_says():
    before, after = (0.1, -0.3, 0.05), (-0.2, 0.5, 0.3)
    posed = FaceMesh(seen(before)).toward(seen(after, 250.0, (400, 100)))
    truth = 250 * Rotation.from_rotvec(after).apply(complete(mean_face_3d()))
    np.testing.assert_allclose(posed[:, :2], truth[:, :2] + [400, 100], atol=1e-6)
    np.testing.assert_allclose(posed[:, 2], truth[:, 2], atol=1e-6)


def test_an_open_mouth_of_the_photo_stays_open_whatever_the_target_says():
    smiling, closed = seen((0, 0, 0)), seen((0, 0.3, 0))
    smiling[[65, 66, 67], 1] += 30
    gap = FaceMesh(smiling).toward(closed)
    assert gap[66, 1] - gap[62, 1] > 25


def test_triangles_cover_the_face_once_and_alike_on_both_sides():
    vertices, triangles = complete(mean_face_3d()), face_triangles()
    assert triangles.min() == 0 and triangles.max() == 88
    assert set(triangles.ravel()) == set(range(89))
    edges = vertices[triangles, :2]
    first, second = edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    assert (area > 0).all(), "all face the viewer"
    covered = 0.5 * area.sum()
    outline = vertices[[*range(17), *range(68, 83)], :2]
    x, y = outline.T
    shoelace = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    assert covered == pytest.approx(shoelace, rel=0.02), "no overlap, no hole"
    mirrored = vertices[:68][FLIP] * [-1, 1, 1]
    np.testing.assert_allclose(complete(mirrored), complete(mean_face_3d()), atol=1e-12)


def test_forehead_and_cheeks_are_round():
    vertices = complete(mean_face_3d())
    forehead, cheeks = vertices[68:83], vertices[83:]
    assert forehead[:, 1].min() < vertices[17:27, 1].min() - 0.3, "above the brows"
    assert forehead[7, 2] > vertices[8, 2], "a forehead lies before the chin's depth"
    middle = 0.5 * (vertices[[1, 2, 4]] + vertices[[41, 31, 48]])
    assert (cheeks[:3, 2] > middle[:, 2] + 0.1).all()
