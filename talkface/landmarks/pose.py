"""Landmarks -> head pose; landmarks and head pose -> re-posed landmarks."""

import numpy as np
from scipy.spatial.transform import Rotation

from talkface.landmarks.layout import STABLE
from talkface.landmarks.mean_face import MEAN_DEPTH, MEAN_FACE
from talkface.types import FloatArray, HeadPose

NECK_PIVOT = np.array([0.0, 0.75, -0.9])  # where skull meets spine: about 70 mm below, 80 mm behind

_POSE_POINTS = np.unique(np.concatenate([STABLE, np.arange(17, 27), [2, 14]]))


def mean_face_3d() -> FloatArray:
    """`[68, 3]` mean face, x right, y down, z towards the viewer."""
    return np.column_stack([MEAN_FACE, MEAN_DEPTH])


def head_rotation(points: FloatArray) -> FloatArray:
    """Rotation of the head towards the camera, by fitting the mean face in scaled orthographic projection.

    The affine least-squares camera is replaced by the nearest rotation (DeMenthon and Davis 1995, POS).

    Args:
        points: `[T, 68, 2]` landmarks in any 2-D space.

    Returns:
        `[T, 3, 3]` rotation matrices that turn the frontal mean face into the seen one.
    """
    model = mean_face_3d()[_POSE_POINTS]
    model = model - model.mean(0)
    seen = points[:, _POSE_POINTS] - points[:, _POSE_POINTS].mean(1, keepdims=True)
    camera = np.linalg.lstsq(model, seen.transpose(1, 0, 2).reshape(len(model), -1), rcond=None)[0]
    rows = camera.reshape(3, len(points), 2).transpose(1, 2, 0)  # [T, 2, 3]
    scale = np.linalg.norm(rows, axis=-1, keepdims=True)
    rows = rows / np.maximum(scale, 1e-9)
    left, _, right = np.linalg.svd(np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], 1))
    return np.asarray(left @ right)


def turn_matrices(pose: HeadPose) -> FloatArray:
    """`[T, 3, 3]` matrices of `pose.rotation`."""
    return np.asarray(Rotation.from_rotvec(pose.rotation).as_matrix())


def move_head(canonical: FloatArray, pose: HeadPose, photo_rotation: FloatArray | None = None) -> FloatArray:
    """Turn and shift faces about the neck: `[T, 68, 2]` canonical -> `[T, 68, 2]` canonical.

    Depth comes from the mean face, turned as the photo's face is turned; projection is orthographic.

    Args:
        canonical: landmarks in the photo's canonical frame.
        pose: one rotation and shift per frame.
        photo_rotation: `[3, 3]` rotation of the photo's head, from `head_rotation`; frontal if not given.
    """
    model = mean_face_3d()
    depth = (model @ photo_rotation.T)[:, 2] if photo_rotation is not None else model[:, 2]
    lifted = np.concatenate([canonical, np.broadcast_to(depth[:, None], (*canonical.shape[:2], 1))], -1)
    turned = (lifted - NECK_PIVOT) @ np.swapaxes(turn_matrices(pose), -1, -2) + NECK_PIVOT
    return np.asarray(turned[..., :2] + pose.translation[:, None], dtype=np.float32)
