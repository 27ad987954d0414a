import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from talkface.geometry.affine import rotation_matrices
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.pose import (
    fit_rigid,
    front_frame,
    frontalise,
    head_rotation,
    mean_face_3d,
    move_head,
    pose_distance,
    reference_frames,
    upright_face,
    with_depth,
)
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


def turned_faces() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Six mean faces that open their mouths, turned and shifted: landmarks, rotation vectors, shifts."""
    rng = np.random.default_rng(0)
    faces = np.repeat(mean_face_3d()[None], 6, 0)
    faces[:, 48:68, 1] += rng.uniform(0, 0.3, (6, 1))
    angles, shifts = rng.uniform(-0.9, 0.9, (6, 3)), rng.uniform(-5, 5, (6, 3))
    seen = faces @ Rotation.from_rotvec(angles).as_matrix().transpose(0, 2, 1) + shifts[:, None]
    return seen, angles, shifts


def test_frontal_faces_look_ahead_and_keep_their_open_mouths():
    seen, angles, shifts = turned_faces()
    front, rotation, shift = frontalise(seen)
    np.testing.assert_allclose(rotation, -angles, atol=1e-9)
    unmoved = [*range(17, 48)]
    np.testing.assert_allclose(front[:, unmoved], np.repeat(mean_face_3d()[None, unmoved], 6, 0), atol=1e-9)
    assert (front[:, 48:68, 1] - mean_face_3d()[48:68, 1] > 0).all()
    back = Rotation.from_rotvec(rotation).apply(shifts) + shift
    np.testing.assert_allclose(back, 0, atol=1e-9)


@pytest.mark.parametrize("size", [1, 240])
def test_frontal_faces_turn_back_into_those_given(size: int):
    seen = size * turned_faces()[0]
    front, rotation, shift = frontalise(seen, size * mean_face_3d())
    np.testing.assert_allclose((front - shift[:, None]) @ rotation_matrices(rotation), seen, atol=1e-8 * size)


def test_a_rigid_fit_is_scipys_and_never_a_mirror():
    rng = np.random.default_rng(1)
    source, target = rng.standard_normal((2, 7, 3))
    rotation, shift = fit_rigid(source, target)
    theirs, _ = Rotation.align_vectors(target - target.mean(0), source - source.mean(0))
    np.testing.assert_allclose(Rotation.from_rotvec(rotation).as_matrix(), theirs.as_matrix(), atol=1e-6)
    np.testing.assert_allclose(theirs.apply(source.mean(0)) + shift, target.mean(0), atol=1e-6)
    mirrored, _ = fit_rigid(source, source * [1, 1, -1])
    assert np.linalg.det(Rotation.from_rotvec(mirrored).as_matrix()) > 0.99


def test_pose_distance_is_the_angle_between_two_turns():
    first = Rotation.from_rotvec([0.2, -0.1, 0.4])
    second = Rotation.from_rotvec([0, 0.7, 0]) * first
    distance = pose_distance(first.as_rotvec(), second.as_rotvec())
    np.testing.assert_allclose(distance, 0.7)
    with_shifts = [np.append(turn.as_rotvec(), shift) for turn, shift in ((first, [0, 0, 0]), (second, [9, 9, 9]))]
    np.testing.assert_allclose(pose_distance(*with_shifts), 0.7)
    assert pose_distance(np.zeros((4, 1, 3)), np.zeros((5, 3))).shape == (4, 5)


def test_the_frame_that_looks_ahead_and_the_nearest_and_worst_references():
    turns = np.array([[0.3, 0, 0], [0, -0.02, 0.01], [0, 0.5, 0], [0, 0, -0.4]])
    assert front_frame(turns) == 1
    assert front_frame(np.column_stack([turns, [[0, 0, 0], [50, 0, 0], [0, 0, 0], [0, 0, 0]]])) == 1
    assert reference_frames(turns, turns[1], 2).tolist() == [1, 0]
    assert reference_frames(turns, turns[1], 2, worst=True).tolist() == [2, 3]
    assert len(reference_frames(turns, turns[1], 9)) == 4


def test_depth_is_that_of_the_turned_mean_face_in_the_landmarks_own_unit():
    turn = Rotation.from_rotvec([0.2, -0.5, 0.1])
    truth = 70 * turn.apply(mean_face_3d()) + [120, 90, 0]
    found = with_depth(truth[None, :, :2])
    np.testing.assert_allclose(found[0], truth, atol=1e-6)


def test_the_upright_face_has_a_clips_usual_size_and_place():
    seen = np.stack([70 * Rotation.from_rotvec([0, turn, 0]).apply(mean_face_3d())[:, :2] for turn in (-0.3, 0, 0.3)])
    found = upright_face(seen + np.array([120, 90]))
    np.testing.assert_allclose(found, 70 * mean_face_3d() + [120, 90, 0], atol=0.5)
