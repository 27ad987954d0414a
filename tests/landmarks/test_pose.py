import numpy as np
from scipy.spatial.transform import Rotation

from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.pose import head_rotation, mean_face_3d, move_head
from talkface.types import HeadPose


def pose(rotation, translation=(0, 0)) -> HeadPose:
    return HeadPose(np.array([rotation], np.float32), np.array([translation], np.float32))


def test_rotation_of_a_turned_mean_face_is_found():
    for angles in ([0.1, 0.4, 0], [-0.2, -0.5, 0.3], [0, 0, 0.7]):
        turn = Rotation.from_rotvec(angles)
        seen = (240 * turn.apply(mean_face_3d()))[:, :2] + [500, 300]
        found = head_rotation(seen[None])[0]
        np.testing.assert_allclose(found, turn.as_matrix(), atol=1e-6)


def test_no_pose_moves_nothing():
    face = MEAN_FACE[None].astype(np.float32)
    np.testing.assert_allclose(move_head(face, pose([0, 0, 0])), face, atol=1e-6)


def test_yaw_moves_the_nose_further_than_the_ears_and_roll_keeps_the_shape():
    face = MEAN_FACE[None].astype(np.float32)
    turned = move_head(face, pose([0, 0.1, 0])) - face
    assert turned[0, 30, 0] > 1.3 * turned[0, [0, 16], 0].max() > 0
    rolled = move_head(face, pose([0, 0, 0.2]))
    np.testing.assert_allclose(
        np.linalg.norm(rolled[0, 0] - rolled[0, 16]), np.linalg.norm(face[0, 0] - face[0, 16]), rtol=1e-5
    )


def test_positive_pitch_raises_the_nose_and_negative_lowers_it():
    face = MEAN_FACE[None].astype(np.float32)
    raised = move_head(face, pose([0.1, 0, 0])) - face
    lowered = move_head(face, pose([-0.1, 0, 0])) - face
    assert raised[0, 30, 1] < -0.05 and lowered[0, 30, 1] > 0.05
