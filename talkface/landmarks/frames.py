"""68 landmarks -> upright mouth patch and face square: affine maps from the photo, and their algebra."""

import numpy as np

from talkface.landmarks.layout import JAW, LEFT_EYE, OUTER_LIP, RIGHT_EYE, interocular
from talkface.types import FloatArray

MOUTH_SCALE = 1.15  # side of the mouth patch in outer-eye distances: the widest smile and a wide-open mouth fit
FACE_SCALE = 3.2  # side of the face square in outer-eye distances: forehead to below the chin, both ears


def eye_distance(landmarks: FloatArray) -> float:
    """Outer-eye distance in pixels, held up by the nose's length so that a turned head does not shrink its patch."""
    nose = float(np.linalg.norm(landmarks[33] - landmarks[27]))  # about half the outer-eye distance, seen from ahead
    return max(float(interocular(landmarks)), 1.5 * nose, 1e-3)


def eye_angle(landmarks: FloatArray) -> float:
    """Roll of the head in radians, from eye centre to eye centre."""
    across = landmarks[LEFT_EYE].mean(0) - landmarks[RIGHT_EYE].mean(0)
    return float(np.arctan2(across[1], across[0]))


def mouth_frame(landmarks: FloatArray, size: int, scale: float = MOUTH_SCALE) -> FloatArray:
    """Upright square around the mouth, its scale tied to the eyes so that it does not breathe with the lips.

    Args:
        landmarks: `[68, 2]` pixels.
        size: side of the patch in its own pixels.
        scale: side of the patch in outer-eye distances.

    Returns:
        `[2, 3]` float64 similarity from pixels of the image to pixels of the patch.
    """
    lips = landmarks[OUTER_LIP]
    centre = 0.5 * (lips.min(0) + lips.max(0))
    return upright_square(centre, eye_angle(landmarks), scale * eye_distance(landmarks), size)


def face_frame(landmarks: FloatArray, size: int, scale: float = FACE_SCALE) -> FloatArray:
    """Axis-aligned square around the whole face, `[2, 3]` from pixels of the image to pixels of the crop."""
    centre = 0.5 * (landmarks[JAW].min(0) + landmarks[JAW].max(0))
    return upright_square(centre, 0.0, scale * eye_distance(landmarks), size)


def upright_square(centre: FloatArray, angle: float, side: float, size: int) -> FloatArray:
    """Similarity that takes a square of `side` pixels, turned by `angle`, to `size` x `size` pixels."""
    zoom = size / side
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.array([[cos, sin], [-sin, cos]])
    middle = np.full(2, 0.5 * (size - 1))
    return np.hstack([linear, (middle - linear @ np.asarray(centre, np.float64))[:, None]])


def apply_affine(affine: FloatArray, points: FloatArray) -> FloatArray:
    """`[2, 3]` map of `[..., 2]` points."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2])


def invert_affine(affine: FloatArray) -> FloatArray:
    """Inverse of a `[2, 3]` map."""
    linear = np.linalg.inv(affine[:, :2])
    return np.hstack([linear, -(linear @ affine[:, 2])[:, None]])


def compose_affine(outer: FloatArray, inner: FloatArray) -> FloatArray:
    """The map that applies `inner`, then `outer`."""
    return np.hstack([outer[:, :2] @ inner[:, :2], (outer[:, :2] @ inner[:, 2] + outer[:, 2])[:, None]])


def fit_similarity(moving: FloatArray, fixed: FloatArray) -> FloatArray:
    """Least-squares similarity (turn, zoom, shift; no mirror) that takes `moving` to `fixed`.

    Args:
        moving: `[N, 2]` points, N >= 2.
        fixed: `[N, 2]` where they should go.

    Returns:
        `[2, 3]` float64. Umeyama (1991) in the plane, where complex numbers solve it in one line.
    """
    moving_mean, fixed_mean = moving.mean(0), fixed.mean(0)
    a = (moving - moving_mean) @ np.array([1, 1j])
    b = (fixed - fixed_mean) @ np.array([1, 1j])
    ratio = np.vdot(a, b) / max(float(np.vdot(a, a).real), 1e-12)
    linear = np.array([[ratio.real, -ratio.imag], [ratio.imag, ratio.real]])
    return np.hstack([linear, (fixed_mean - linear @ moving_mean)[:, None]])
