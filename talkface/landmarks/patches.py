"""Region of a face and landmarks -> where its square patch lies, and the sketch that a network sees of it."""

import cv2
import numpy as np

from talkface.landmarks.align import transform
from talkface.landmarks.frames import eye_angle, eye_distance, mouth_frame, upright_square
from talkface.landmarks.layout import (
    INNER_LIP,
    JAW,
    LEFT_BROW,
    LEFT_EYE,
    NOSE_BASE,
    NOSE_BRIDGE,
    OUTER_LIP,
    RIGHT_BROW,
    RIGHT_EYE,
)
from talkface.landmarks.rasterize import mouth_sketch
from talkface.types import FloatArray, Image

BELOW_EYES = 0.45  # of the face patch's middle, in outer-eye distances: between brows and chin
_SHIFT = 4  # OpenCV draws at 1/16 of a pixel


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
    return upright_square(eyes + BELOW_EYES * unit * down, angle, scale * unit, size)


def patch_sketch(region: str, landmarks: FloatArray, to_patch: FloatArray, size: int) -> Image:
    """What a network needs to know of a region, one thing per channel.

    Args:
        region: `mouth` or `face`.
        landmarks: `[68, 2]` pixels of the image.
        to_patch: `[2, 3]` map to pixels of the patch.
        size: side of the patch.

    Returns:
        `[size, size, 3]`: 0 the inner mouth filled, 1 lips (and the eyes of a face) filled, 2 lines.
    """
    if region == "mouth":
        return mouth_sketch(landmarks, to_patch, size)
    points = np.round(transform(to_patch, np.asarray(landmarks, np.float64)) * (1 << _SHIFT)).astype(np.int32)
    canvas = np.zeros((3, size, size), np.uint8)
    for channel, filled in ((0, (INNER_LIP,)), (1, (OUTER_LIP, RIGHT_EYE, LEFT_EYE))):
        for indices in filled:
            cv2.fillPoly(canvas[channel], [points[indices][:, None]], 255, cv2.LINE_AA, _SHIFT)
    for indices in (JAW, RIGHT_BROW, LEFT_BROW, NOSE_BRIDGE, NOSE_BASE):
        cv2.polylines(canvas[2], [points[indices][:, None]], False, 255, 1, cv2.LINE_AA, _SHIFT)
    for indices in (RIGHT_EYE, LEFT_EYE, INNER_LIP):
        cv2.polylines(canvas[2], [points[indices][:, None]], True, 255, 1, cv2.LINE_AA, _SHIFT)
    return np.ascontiguousarray(canvas.transpose(1, 2, 0))
