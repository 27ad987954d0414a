"""68 landmarks -> upright mouth patch: the affine map from the photo, its scale and its roll."""

import numpy as np

from talkface.geometry.affine import upright_square
from talkface.landmarks.layout import LEFT_EYE, OUTER_LIP, RIGHT_EYE, interocular
from talkface.types import FloatArray

MOUTH_SCALE = 1.0  # side of the mouth patch in outer-eye distances: the widest smile and a wide-open mouth fit


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
