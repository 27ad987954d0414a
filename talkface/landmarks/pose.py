"""Landmarks -> head pose; landmarks and head pose -> re-posed landmarks."""

from functools import cache

import numpy as np
import numpy.typing as npt

from talkface.geometry.affine import angle_between, rotation_matrices, rotation_vectors
from talkface.landmarks.layout import STABLE
from talkface.landmarks.mean_face import MEAN_DEPTH, MEAN_FACE
from talkface.types import FloatArray, HeadPose

_POSE_POINTS = np.unique(np.concatenate([STABLE, np.arange(17, 27), [2, 14]]))


def mean_face_3d() -> FloatArray:
    """`[68, 3]` mean face, x right, y down, z towards the viewer."""
    return np.column_stack([MEAN_FACE, MEAN_DEPTH])


@cache
def _pose_solver() -> FloatArray:
    """`[3, N]` least-squares inverse of the mean face's points around their mean."""
    model = mean_face_3d()[_POSE_POINTS]
    return np.asarray(np.linalg.pinv(model - model.mean(0)))


def head_rotation(points: FloatArray) -> FloatArray:
    """Rotation of the head towards the camera, by fitting the mean face in scaled orthographic projection.

    The affine least-squares camera is replaced by the nearest rotation (DeMenthon and Davis 1995, POS).

    Args:
        points: `[T, 68, 2]` landmarks in any 2-D space.

    Returns:
        `[T, 3, 3]` rotation matrices that turn the frontal mean face into the seen one.
    """
    seen = points[:, _POSE_POINTS]
    seen = seen - seen.mean(1, keepdims=True)
    camera = _pose_solver() @ seen.transpose(1, 0, 2).reshape(len(_POSE_POINTS), -1)
    rows = camera.reshape(3, len(points), 2).transpose(1, 2, 0)  # [T, 2, 3]
    scale = np.linalg.norm(rows, axis=-1, keepdims=True)
    rows = rows / np.maximum(scale, 1e-9)
    left, _, right = np.linalg.svd(np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], 1))
    return np.asarray(left @ right)


def head_cameras(points: FloatArray) -> FloatArray:
    """Scaled orthographic camera of every face.

    Args:
        points: `[T, 68, 2]` landmarks in any 2-D space.

    Returns:
        `[T, 2, 4]` that take homogeneous mean-face coordinates (x, y, z, 1) to that space.
    """
    rows = head_rotation(points)[:, :2]
    model = mean_face_3d()[_POSE_POINTS]
    seen = np.asarray(points[:, _POSE_POINTS], np.float64)
    middle = seen.mean(1, keepdims=True)
    turned = (model - model.mean(0)) @ np.swapaxes(rows, -1, -2)
    scale = (turned * (seen - middle)).sum((1, 2)) / (turned**2).sum((1, 2))
    linear = scale[:, None, None] * rows
    return np.concatenate([linear, np.swapaxes(middle, 1, 2) - (linear @ model.mean(0))[..., None]], -1)


def head_camera(points: FloatArray) -> FloatArray:
    """The same, `[2, 4]`, of one face `[68, 2]`."""
    return np.asarray(head_cameras(points[None])[0])


def square_camera(points: FloatArray) -> FloatArray:
    """`[3, 4]`: `head_camera` of `[68, 2]` points with a third row, which gives depth in the unit of the first two."""
    camera = head_camera(points)
    scale = float(np.linalg.norm(camera[0, :3]))
    toward = np.cross(camera[0, :3], camera[1, :3]) / max(scale, 1e-9)
    return np.vstack([camera, [*toward, 0.0]])


def with_depth(points: FloatArray) -> FloatArray:
    """`[T, 68, 2]` landmarks -> `[T, 68, 3]` with the mean face's depth as their head is turned, in the same unit.

    Depth is towards the viewer and 0 for a frontal face's outer eye corners.
    """
    cameras = np.stack([square_camera(frame) for frame in points])
    return np.concatenate([np.asarray(points, np.float64), (mean_face_3d() @ cameras[:, 2, :3].T).T[..., None]], -1)


def upright_face(points: FloatArray) -> FloatArray:
    """`[68, 3]` mean face that looks ahead, in the usual size and place of a clip's `[T, 68, 2]` landmarks."""
    cameras = head_cameras(points)
    scale = float(np.median(np.linalg.norm(cameras[:, 0, :3], axis=1)))
    place = np.median(points[:, _POSE_POINTS].mean(1), 0)
    face = mean_face_3d()
    return np.asarray(scale * face + [*(place - scale * face[_POSE_POINTS, :2].mean(0)), 0.0])


def project(camera: FloatArray, places: FloatArray) -> FloatArray:
    """`[..., N, 2]` where cameras `[..., 2, 4]` see `[N, 3]` places in mean-face coordinates."""
    return np.asarray(places @ np.swapaxes(camera[..., :3], -1, -2) + camera[..., None, :, 3])


def lift(camera: FloatArray, points: FloatArray, depth: float) -> FloatArray:
    """`[N, 3]` mean-face coordinates of `[N, 2]` points that lie at one `depth` (z, towards the viewer)."""
    flat = (points - camera[:, 3] - depth * camera[:, 2]) @ np.linalg.pinv(camera[:, :2]).T
    return np.column_stack([flat, np.full(len(flat), depth)])


def fit_rigid(source: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rotation and shift that bring `source` onto `target` with the least squared error (Kabsch 1976); no mirroring.

    Args:
        source: `[..., N, 3]`.
        target: `[..., N, 3]`, broadcast against `source`.

    Returns:
        `[..., 3]` rotation vectors in radians and `[..., 3]` shifts `t`: `target = R source + t`.
    """
    source, target = np.broadcast_arrays(np.asarray(source, np.float64), np.asarray(target, np.float64))
    source_mean, target_mean = source.mean(-2, keepdims=True), target.mean(-2, keepdims=True)
    left, _, right = np.linalg.svd(np.swapaxes(source - source_mean, -1, -2) @ (target - target_mean))
    mirrored = np.sign(np.linalg.det(left @ right))
    left = left * np.stack([np.ones_like(mirrored), np.ones_like(mirrored), mirrored], -1)[..., None, :]
    rotation = np.swapaxes(left @ right, -1, -2)
    shift = target_mean[..., 0, :] - (rotation @ np.swapaxes(source_mean, -1, -2))[..., 0]
    return rotation_vectors(rotation), shift


def frontalise(points: FloatArray, front: FloatArray | None = None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Take the head's pose out of 3-D landmarks: `R l + t` by the points that speech hardly moves.

    Args:
        points: `[T, 68, 3]` landmarks, x right, y down, z towards the viewer.
        front: `[68, 3]` face that looks straight ahead, of the same size; the mean face if not given.

    Returns:
        `[T, 68, 3]` frontal landmarks, and the `[T, 3]` rotation vectors and `[T, 3]` shifts that brought them there.
    """
    front = mean_face_3d() if front is None else front
    rotation, shift = fit_rigid(points[:, _POSE_POINTS], front[_POSE_POINTS])
    turned = points @ np.swapaxes(rotation_matrices(rotation), -1, -2)
    return np.asarray(turned + shift[:, None]), rotation, shift


def pose_distance(first: FloatArray, second: FloatArray) -> FloatArray:
    """Angle in radians of the turn from one head pose to another, by which reference frames are chosen.

    Shifts do not count: a crop follows the face, so a shift says nothing of what a reference shows.

    Args:
        first: `[..., 3]` rotation vectors, or `[..., 6]` with a shift behind them.
        second: the same, broadcast against `first`.

    Returns:
        `[...]` from 0 to pi.
    """
    return angle_between(np.asarray(first)[..., :3], np.asarray(second)[..., :3])


def front_frame(rotation: FloatArray) -> int:
    """Index of the frame that looks most straight ahead: the least sum of |rotation vector| (Chen et al. 2020).

    Args:
        rotation: `[T, 3]` rotation vectors, or `[T, 6]` with a shift behind them.
    """
    return int(np.round(np.abs(rotation[:, :3]).sum(1), 6).argmin())  # of frames that are equal, the first


def reference_frames(poses: FloatArray, target: FloatArray, count: int, *, worst: bool = False) -> npt.NDArray[np.intp]:
    """Frames whose head pose is nearest to the target's, for testing, or furthest from it, for training.

    Args:
        poses: `[T, 3]` or `[T, 6]` of the frames to choose from.
        target: `[3]` or `[6]`.
        count: how many.
        worst: the furthest ones, so that a network does not learn to copy (Chen et al. 2020).

    Returns:
        `[min(count, T)]` indices, the nearest (or furthest) first.
    """
    order = np.argsort(pose_distance(poses, target), kind="stable")
    return np.asarray(order[::-1] if worst else order)[:count]


def turn_matrices(pose: HeadPose) -> FloatArray:
    """`[T, 3, 3]` matrices of `pose.rotation`."""
    return rotation_matrices(pose.rotation)


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
    neck_pivot = np.array([0.0, 0.75, -0.9])  # where skull meets spine: about 70 mm below, 80 mm behind
    turned = (lifted - neck_pivot) @ np.swapaxes(turn_matrices(pose), -1, -2) + neck_pivot
    return np.asarray(turned[..., :2] + pose.translation[:, None], dtype=np.float32)
