"""Region of a face and landmarks -> where its square patch lies, and the sketch that a network sees of it."""

import numpy as np

from talkface.geometry.affine import upright_square
from talkface.landmarks.layout import LEFT_EYE, OUTER_LIP, RIGHT_EYE, eye_angle, eye_distance
from talkface.landmarks.rasterize import face_patch_sketch, mouth_sketch
from talkface.types import FloatArray, Image


def patch_frame(region: str, landmarks: FloatArray, size: int, scale: float) -> FloatArray:
    """Upright square of `scale` outer-eye distances around a region.

    Args:
        region: `mouth` or `face`.
        landmarks: `[68, 2]` pixels.
        size: side of the patch in its own pixels.
        scale: side of the patch in outer-eye distances.

    Returns:
        `[2, 3]` similarity from pixels of the image to pixels of the patch.
    """
    if region == "mouth":
        return mouth_frame(landmarks, size, scale)
    angle, unit = eye_angle(landmarks), eye_distance(landmarks)
    eyes = 0.5 * (landmarks[RIGHT_EYE].mean(0) + landmarks[LEFT_EYE].mean(0))
    down = np.array([-np.sin(angle), np.cos(angle)])
    below_eyes = 0.45  # of the face patch's middle, in outer-eye distances: between brows and chin
    return upright_square(eyes + below_eyes * unit * down, angle, scale * unit, size)


def patch_sketch(region: str, landmarks: FloatArray, to_patch: FloatArray, size: int) -> Image:
    """Masks of a region for a network, one per channel.

    Args:
        region: `mouth` or `face`.
        landmarks: `[68, 2]` pixels of the image.
        to_patch: `[2, 3]` map to pixels of the patch.
        size: side of the patch.

    Returns:
        `[size, size, 3]`: 0 the inner mouth filled, 1 lips (and the eyes of a face) filled, 2 lines.
    """
    draw = mouth_sketch if region == "mouth" else face_patch_sketch
    return draw(landmarks, to_patch, size)


def mouth_frame(landmarks: FloatArray, size: int, scale: float = 1.0) -> FloatArray:
    """Upright square around the mouth, its scale tied to the eyes so that it does not breathe with the lips.

    Args:
        landmarks: `[68, 2]` pixels.
        size: side of the patch in its own pixels.
        scale: side of the patch in outer-eye distances; at 1 the widest smile and a wide-open mouth fit.

    Returns:
        `[2, 3]` float64 similarity from pixels of the image to pixels of the patch.
    """
    lips = landmarks[OUTER_LIP]
    centre = 0.5 * (lips.min(0) + lips.max(0))
    return upright_square(centre, eye_angle(landmarks), scale * eye_distance(landmarks), size)
