import numpy as np

from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.upper_face import upper_face, with_upper_face


def test_level_jaw_is_mirrored_at_two_thirds_of_its_depth():
    found = upper_face(MEAN_FACE)
    line = MEAN_FACE[0, 1]
    np.testing.assert_allclose(found[:, 0], MEAN_FACE[15:0:-1, 0], atol=1e-12)
    np.testing.assert_allclose(found[:, 1], line - 2 / 3 * (MEAN_FACE[15:0:-1, 1] - line), atol=1e-12)


def test_points_turn_scale_and_shift_with_the_face():
    turn = 3.0 * np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    faces = np.stack([MEAN_FACE, 1.2 * MEAN_FACE])
    moved = upper_face(faces @ turn.T + [50, -20])
    np.testing.assert_allclose(moved, upper_face(faces) @ turn.T + [50, -20], atol=1e-9)


def test_they_are_numbered_68_to_82():
    both = with_upper_face(MEAN_FACE[None])
    assert both.shape == (1, 83, 2)
    np.testing.assert_array_equal(both[:, :68], MEAN_FACE[None])
    assert (both[0, 68:, 1] < MEAN_FACE[0, 1]).all()
